"""A language model as a recorder: what is recorded when, what is refused, and how it is said."""

from __future__ import annotations

import json
import logging
import pickle
import re
import shutil
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm.rounding import of_network
from lm.tiny_architectures import save as save_architecture
from lm.tiny_opt import CONTEXT, HEADS, LAYERS, MLP, WIDTH, save_model, save_tokenizer, texts
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel

from modclaims import numerics
from modclaims.corpus import Corpus, Text
from modclaims.errors import ClaimError, CorpusError, InputError, ModelError, UsageError
from modclaims.lm import measures
from modclaims.lm.model import LanguageModel, load_model
from modclaims.lm.networks import NetworkLoader
from modclaims.lm.store import RecordingStore
from modclaims.recording import SITES, Activations, Entry, Jacobian, Loss, Positions, Weights

ROUNDING = of_network(tokens=20)

RUN: dict[str, Any] = {"tokens": 20, "positions": Positions("9,14,19")}
ATTN, MLP_OUT = Activations("attn_out"), Activations("mlp_out")


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts what passes through the network, by text and by entry."""
    seen: Counter[str] = Counter()
    real = measures.extract

    def counting(network: Any, ids: Any, entries: Any) -> Any:
        for row in ids:
            seen[f"text {row.tolist()}"] += 1
        seen["batches"] += 1
        seen["largest batch"] = max(seen["largest batch"], len(ids))
        for entry in entries:
            seen[f"entry {entry.name}"] += len(ids)
        return real(network, ids, entries)

    with monkeypatch.context() as patch:
        patch.setattr(measures, "extract", counting)
        yield seen


def passes_of_texts(seen: Counter[str]) -> list[int]:
    return [count for name, count in seen.items() if name.startswith("text ")]


def test_a_model_tells_its_shape_and_identity_before_any_weight_is_loaded(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NetworkLoader, "load", lambda *_: pytest.fail("weights were loaded"))
    model = load_model(str(plain), device="cpu")
    model.check(texts(20), 20, Positions("19"))
    shape = model.shape
    assert (shape.layers, shape.heads, shape.kv_heads, shape.width) == (LAYERS, HEADS, HEADS, WIDTH)
    assert (shape.head_width, shape.mlp_width, shape.context, shape.causal) == (WIDTH // HEADS, MLP, CONTEXT, True)
    assert shape.name == plain.name
    assert shape.provenance["model"] == str(plain)
    assert (shape.provenance["dtype"], shape.provenance["device"]) == ("float32", "cpu")
    for what in ("weights", "config", "tokenizer"):
        assert re.fullmatch("[0-9a-f]{64}", shape.provenance[f"{what}_sha256"])


def test_each_text_goes_through_the_network_once(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [*(Activations(site) for site in SITES), Activations("q", reduce="norm"), Loss()]
    corpus = texts(20, 25, 30, 20, 12)
    with counted(monkeypatch) as seen:
        recording = load(batch_size=2).record(corpus, requests, tokens=20, positions=Positions("3,9"))
    assert passes_of_texts(seen) == [1] * 5
    assert recording.passes == 5
    assert (seen["batches"], seen["largest batch"]) == (3, 2), "4 texts of 20 tokens in twos, 1 of 12 alone"
    assert recording.array(Activations("attn_pattern"), 0).shape == (5, 2, HEADS, 20)


def test_only_what_is_missing_is_recorded(load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch) -> None:
    load().record(texts(20, 20), [Activations("attn_out", layers=(0, 1))], **RUN)
    with counted(monkeypatch) as seen:
        recording = load().record(texts(20, 20, 20), [ATTN], **RUN)
    assert {name: count for name, count in seen.items() if name.startswith("entry")} == {
        "entry attn_out/0/9:20:5/none": 1,
        "entry attn_out/1/9:20:5/none": 1,
        "entry attn_out/2/9:20:5/none": 3,
    }
    assert recording.passes == 3
    with counted(monkeypatch) as seen:
        again = load().record(texts(20, 20, 20), [ATTN], **RUN)
    assert not seen
    assert again.passes == 0
    for layer in range(LAYERS):
        np.testing.assert_array_equal(again.array(ATTN, layer), recording.array(ATTN, layer))


def test_nothing_is_loaded_when_nothing_is_missing(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    load().record(texts(20, 20), [ATTN, Loss()], **RUN)
    monkeypatch.setattr(NetworkLoader, "load", lambda *_: pytest.fail("weights were loaded"))
    assert load().record(texts(20, 20), [Loss(), ATTN], **RUN).passes == 0


def test_recordings_with_gaps_equal_those_made_at_once(load: Callable[..., LanguageModel]) -> None:
    corpus, requests = texts(20, 20, 24), [ATTN, Activations("head_z", reduce="norm"), Loss()]
    for request in requests:
        load().record(texts(20, 20), [request], **RUN)
    pieces = load().record(corpus, requests, **RUN)
    whole = load(store=RecordingStore.temporary()).record(corpus, requests, **RUN)
    for request in requests:
        np.testing.assert_allclose(pieces.array(request), whole.array(request), rtol=1e-5, atol=ROUNDING, strict=True)


def test_a_model_may_open_its_texts_with_no_special_token(tmp_path: Path) -> None:
    """As GPT-2 does: position 0 is the text's first token, and its loss begins with the second."""
    folder = save_architecture(tmp_path, "gpt2")
    save_tokenizer(folder, leading=False)
    model = load_model(str(folder), device="cpu")
    assert model.reader.leading == []
    body = "abcdefgh"
    (text,) = model.reader.read([body], 20)
    assert len(text.ids) == len(body)
    request = Activations("resid_pre", layers=(0,))
    corpus = Corpus("one", (Text("t", body, {}),))
    recording = model.record(corpus, [request, Loss()], tokens=8, positions=Positions("0,7"))
    bare = GPT2LMHeadModel.from_pretrained(folder).eval()
    ids = torch.from_numpy(text.ids)[None]
    with torch.no_grad():
        first = bare.transformer.wte(ids) + bare.transformer.wpe(torch.arange(8))
        loss = float(bare(ids, labels=ids).loss)
    np.testing.assert_allclose(recording.array(request, 0)[0], first[0, [0, 7]].numpy(), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(recording.array(Loss()), [loss], rtol=ROUNDING)


def test_values_stand_in_the_order_of_the_corpus(load: Callable[..., LanguageModel]) -> None:
    corpus = texts(20, 13, 20, 12, 13)
    at = {"tokens": 20, "positions": Positions("2,11")}
    model = load(batch_size=2)
    together = model.record(corpus, [ATTN], **at).array(ATTN, 1)
    for index in range(len(corpus)):
        alone = load(store=RecordingStore.temporary()).record(corpus.select([index]), [ATTN], **at).array(ATTN, 1)
        np.testing.assert_allclose(together[index], alone[0], rtol=0, atol=ROUNDING)


def test_texts_that_read_alike_are_passed_once(load: Callable[..., LanguageModel]) -> None:
    body = "abcdefghijklmnopqrstuvwxyz"
    corpus = Corpus("twins", (Text("a", body, {}), Text("b", body + " and what is cut off", {})))
    recording = load().record(corpus, [ATTN], **RUN)
    assert recording.passes == 1
    found = recording.array(ATTN, 0)
    np.testing.assert_array_equal(found[0], found[1])


def test_what_the_network_saw_of_each_text_is_told(load: Callable[..., LanguageModel]) -> None:
    corpus = texts(20, 40)
    recording = load().record(corpus, [ATTN], **RUN)
    assert recording.read == (corpus.texts[0].body, corpus.texts[1].body[:19])
    assert recording.positions == (9, 14, 19)
    assert recording.corpus is corpus


def test_requests_may_have_positions_of_their_own(load: Callable[..., LanguageModel]) -> None:
    own = Activations("attn_out", positions=Positions("14"))
    recording = load().record(texts(20, 20), [ATTN, own], **RUN)
    assert recording.passes == 2
    np.testing.assert_array_equal(recording.array(own, 2)[:, 0], recording.array(ATTN, 2)[:, 1])


def test_variants_are_recorded_beside_the_model_in_one_call(load: Callable[..., LanguageModel]) -> None:
    asked = [ATTN, *(Activations("attn_out", variant=f"{kind}:0") for kind in ("untrained", "gaussian", "permuted"))]
    told: list[tuple[int, int, str]] = []
    model = load()
    recording = model.record(
        texts(20, 20), [*asked, Loss("untrained:0")], **RUN, progress=lambda *step: told.append(step)
    )
    assert recording.passes == 8
    found = [recording.array(request, 1) for request in asked]
    assert all(not np.allclose(found[i], found[j]) for i in range(4) for j in range(i))
    assert 0 < recording.array(Loss("untrained:0")).mean() < 20
    name = model.shape.name
    assert told[0] == (0, 8, name)
    assert told[-1] == (8, 8, f"{name}#untrained:0")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_a_variants_network_is_dropped_when_it_is_recorded(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0
    real = NetworkLoader.load

    def watched(self: NetworkLoader, *args: Any) -> Any:
        nonlocal most
        most = max(most, sum(reference() is not None for reference in alive))
        network = real(self, *args)
        alive.append(weakref.ref(network))
        return network

    monkeypatch.setattr(NetworkLoader, "load", watched)
    variants = [f"{kind}:{seed}" for kind in ("untrained", "gaussian") for seed in range(2)]
    model = load()
    model.record(texts(20), [ATTN, *(Activations("attn_out", variant=variant) for variant in variants)], **RUN)
    assert len(alive) == 5
    assert most == 1, "the model's own network, and one variant being loaded"
    assert [reference() is not None for reference in alive] == [True, False, False, False, False]
    model.release()
    assert alive[0]() is None


def test_an_interrupted_recording_goes_on_where_it_stopped(load: Callable[..., LanguageModel]) -> None:
    corpus = texts(20, 20, 20, 20, 20)

    def interrupt(done: int, total: int, what: str) -> None:
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(batch_size=1).record(corpus, [ATTN], **RUN, progress=interrupt)
    assert load().record(corpus, [ATTN], **RUN).passes == 2


def test_a_damaged_recording_is_made_anew(
    load: Callable[..., LanguageModel], store: RecordingStore, caplog: pytest.LogCaptureFixture
) -> None:
    before = load().record(texts(20, 20, 20), [ATTN], **RUN).array(ATTN, 2)
    (usage,) = store.usage()
    victim = sorted(usage.folder.glob("*.safetensors"))[1]
    content = bytearray(victim.read_bytes())
    content[-1] ^= 255
    victim.write_bytes(content)
    with caplog.at_level(logging.WARNING, "modclaims"):
        again = load().record(texts(20, 20, 20), [ATTN], **RUN)
    assert again.passes == 1
    assert len(caplog.messages) == 1
    assert "damaged" in caplog.messages[0]
    np.testing.assert_allclose(again.array(ATTN, 2), before, rtol=0, atol=ROUNDING)


def test_numbers_of_another_extractor_are_never_served(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An extractor whose values are doubled: with the version of before the old numbers are served, with its own they are not."""
    requests = [ATTN, Loss(), Weights("q"), Jacobian("mlp", tokens=2)]
    made = load().record(texts(20, 20), requests, **RUN)
    before, loss = made.array(ATTN, 1), made.array(Loss())
    real = measures.extract
    monkeypatch.setattr(measures, "extract", lambda *told: {entry: 2 * values for entry, values in real(*told).items()})
    with caplog.at_level(logging.WARNING, "modclaims"):
        np.testing.assert_array_equal(load().record(texts(20, 20), requests, **RUN).array(ATTN, 1), before)
        assert caplog.messages == []
        monkeypatch.setattr(numerics, "EXTRACTOR", 2)
        after = load().record(texts(20, 20), requests, **RUN)
    assert after.passes == 2 + 1 + 2, "two texts, the weights, and what enters the blocks of two texts"
    np.testing.assert_array_equal(after.array(ATTN, 1), 2 * before)
    np.testing.assert_array_equal(after.array(Loss()), 2 * loss)
    # by text: attention and the MLP's Jacobian of each layer, and the loss; and one matrix of each layer
    count = 2 * (2 * LAYERS + 1) + LAYERS
    (said,) = caplog.messages
    assert (
        f"the store holds {count} recordings made by another extractor than this one (version 2, Jacobians {numerics.JACOBIANS})"
        in said
    )
    assert "they are recorded anew" in said
    caplog.clear()
    assert load().record(texts(20, 20), requests, **RUN).passes == 0
    assert caplog.messages == []


def test_other_jacobians_leave_activations_as_they_are(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [ATTN, Jacobian("mlp", tokens=2)]
    load().record(texts(20, 20), requests, **RUN)
    monkeypatch.setattr(numerics, "JACOBIANS", numerics.JACOBIANS + 1)
    with counted(monkeypatch) as seen, caplog.at_level(logging.WARNING, "modclaims"):
        load().record(texts(20, 20), requests, **RUN)
    assert not seen, "no activation was read again"
    assert f"{2 * LAYERS} recordings made by another extractor" in caplog.messages[0]


def test_recordings_from_before_there_were_versions_are_recorded_anew(
    load: Callable[..., LanguageModel],
    store: RecordingStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Entry, "key", property(lambda entry: entry.name))
        load().record(texts(20), [Loss()], **RUN)
    with caplog.at_level(logging.WARNING, "modclaims"):
        assert load().record(texts(20), [Loss()], **RUN).passes == 1
    (said,) = caplog.messages
    assert "1 recording made by another extractor" in said
    assert "it is recorded anew" in said


def test_other_weights_dtypes_and_variants_have_other_recordings(tmp_path: Path, plain: Path) -> None:
    other = save_model(tmp_path / "other", seed=1)
    keys = {
        load_model(str(plain), device="cpu").key(None),
        load_model(str(plain), device="cpu", dtype="float64").key(None),
        load_model(f"{plain}#untrained", device="cpu").key(load_model(f"{plain}#untrained").checkpoint.variant),
        load_model(str(other), device="cpu").key(None),
    }
    assert len(keys) == 4


def test_a_copy_of_the_folder_shares_the_recordings(
    load: Callable[..., LanguageModel], plain: Path, tmp_path: Path
) -> None:
    model = load()
    model.record(texts(20), [ATTN], **RUN)
    copied = load_model(str(shutil.copytree(plain, tmp_path / "copy")), store=model.store, device="cpu")
    assert copied.record(texts(20), [ATTN], **RUN).passes == 0


def test_a_store_tells_what_it_holds(load: Callable[..., LanguageModel], store: RecordingStore) -> None:
    model = load()
    model.record(texts(20, 20), [ATTN, Activations("embed", variant="untrained:0")], **RUN)
    rows = {row.about["variant"]: row for row in store.usage()}
    assert {variant: (row.files, row.entries) for variant, row in rows.items()} == {
        "": (2, 2 * LAYERS),
        "untrained:0": (2, 2),
    }
    name = model.shape.name
    assert [rows[variant].about["name"] for variant in ("", "untrained:0")] == [name, f"{name}#untrained:0"]


def test_without_a_store_nothing_is_kept(plain: Path) -> None:
    model = load_model(str(plain), device="cpu")
    recording = model.record(texts(20), [ATTN], **RUN)
    root = model.store.root
    assert root.exists()
    assert np.isfinite(recording.array(ATTN, 0)).all()
    del model, recording
    assert not root.exists()


def test_a_recording_can_be_sent_to_another_process(load: Callable[..., LanguageModel]) -> None:
    recording = load().record(texts(20, 20), [ATTN], **RUN)
    copy = pickle.loads(pickle.dumps(recording))
    np.testing.assert_array_equal(copy.array(ATTN, 1), recording.array(ATTN, 1))


def test_batches_of_one_and_eight_agree(load: Callable[..., LanguageModel]) -> None:
    """Within 1e-5 of the site's RMS."""
    corpus, requests = texts(*[20] * 8), [Activations(site) for site in SITES]
    one, eight = (
        load(batch_size=size, store=RecordingStore.temporary()).record(corpus, requests, **RUN) for size in (1, 8)
    )
    for request in requests:
        for layer in range(1 if request.site == "embed" else LAYERS):
            apart, together = one.array(request, layer), eight.array(request, layer)
            assert np.abs(apart - together).max() <= 1e-5 * np.sqrt(np.mean(together.astype(float) ** 2))


def test_texts_too_short_are_named_with_their_lengths(load: Callable[..., LanguageModel]) -> None:
    corpus = texts(20, 8, 9, 20, 5, 7, 6, 4, 3)
    with pytest.raises(CorpusError) as caught:
        load().check(corpus, 20, RUN["positions"])
    assert str(caught.value) == (
        "Corpus 'letters' has 7 of 9 texts too short for position 19, which takes 20 tokens; their lengths in tokens: "
        "'t1' (8), 't2' (9), 't4' (5), 't5' (7), 't6' (6) and 2 more. Leave them out, or choose earlier --positions or "
        "fewer --tokens (the shortest text has 3)."
    )


def test_what_cannot_be_read_is_refused_before_any_pass(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NetworkLoader, "load", lambda *_: pytest.fail("weights were loaded"))
    model, corpus = load(), texts(20, 20)
    wrong: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (UsageError, "reads at most 64", {"tokens": 65, "positions": Positions("last:2:1")}),
        (UsageError, "lies beyond the 20 tokens", {"tokens": 20, "positions": Positions("20")}),
        (CorpusError, "too short for position 40", {"tokens": 64, "positions": Positions("40")}),
    ]
    for kind, message, run in wrong:
        with pytest.raises(kind, match=message) as caught:
            model.check(corpus, **run)
        assert isinstance(caught.value, InputError)
        with pytest.raises(kind, match=message):
            model.record(corpus, [ATTN], **run)
    with pytest.raises(CorpusError, match="too short for position 30"):
        model.record(corpus, [ATTN, Activations("q", positions=Positions("30"))], tokens=40, positions=Positions("3"))
    with pytest.raises(CorpusError, match="next-token loss"):
        model.record(Corpus("c", (Text("a", "abc", {}),)), [Loss()], tokens=1, positions=Positions("0"))
    with pytest.raises(ClaimError, match="Layer 3"):
        model.record(corpus, [Activations("q", layers=(3,))], **RUN)
    with pytest.raises(ClaimError, match="'random' is unknown"):
        model.record(corpus, [Activations("q", variant="random")], **RUN)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layers.1.fc2.weight"))
    weights[name][0, 0] = torch.inf
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = load_model(str(folder), device="cpu")
    model.record(texts(20), [Activations("resid_pre", layers=(1,))], **RUN)
    with pytest.raises(ModelError, match=r"not finite for mlp_out of layer 1 in text 't0'; it was run in float32"):
        model.record(texts(20), [Activations("mlp_out", layers=(1,))], **RUN)


def test_weights_that_do_not_fill_the_network_are_refused(tmp_path: Path) -> None:
    """transformers would draw the missing ones at random, with a warning."""
    folder = save_model(tmp_path)
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if ".layers.2.fc" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    model = load_model(str(folder), device="cpu")
    with pytest.raises(ModelError, match=r"cannot be loaded: .*layers\.2\.fc1\.bias.* left to chance"):
        model.record(texts(20), [ATTN], **RUN)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "ffn_dim": 24}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(str(folder), device="cpu").record(texts(20), [ATTN], **RUN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float8"}, "--dtype 'float8' is unknown; choose one of stored, float32"),
        ({"device": "toaster"}, "--device 'toaster' cannot be used here"),
        ({"device": "cuda:99"}, "--device 'cuda:99' cannot be used here"),
        ({"batch_size": 0}, "--batch-size is 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], message: str, plain: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load_model(str(plain), **options)


def test_loading_and_recording_say_nothing(plain: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = load_model(str(plain), device="cpu")
    model.record(texts(20), [ATTN, Loss(), Activations("attn_out", variant="untrained:0")], **RUN)
    assert capfd.readouterr() == ("", "")


def test_the_network_is_not_in_training(load: Callable[..., LanguageModel]) -> None:
    """The configuration has dropout; twice the same values means that none was applied."""
    model = load()
    for variant in (None, "untrained:0"):
        request = Activations("mlp_out", variant=variant)
        first = model.record(texts(20), [request], **RUN).array(request, 2)
        model.store.prune()
        np.testing.assert_array_equal(model.record(texts(20), [request], **RUN).array(request, 2), first)


def test_entries_are_known_by_name_only_once() -> None:
    """Two entries with one name would answer for each other."""
    entries = {
        Entry(site, layer, positions, reduce)
        for site in SITES for layer in (0, 1) for positions in ((1, 2), (12,), (1, 2, 3)) for reduce in ("none", "norm", "mean")
    }  # fmt: skip
    assert len({entry.name for entry in entries}) == len(entries)
