"""Anatomies: what is known of an architecture, and what is said of an unknown one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lm.rounding import of_network
from lm.tiny_architectures import COMMON, TINY, save
from lm.tiny_opt import HEADS, LAYERS, WIDTH, save_model, save_tokenizer, texts
from transformers import (
    AutoModel,
    BertConfig,
    FalconConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    GPT2Config,
    OPTConfig,
    RobertaConfig,
    Starcoder2Config,
    Starcoder2ForCausalLM,
)

from modclaims.errors import ModelError
from modclaims.lm import anatomy as anatomy_module
from modclaims.lm.anatomy import ANATOMIES, Fused, anatomy_of
from modclaims.lm.extract import extract
from modclaims.lm.model import load_model
from modclaims.lm.network import Network
from modclaims.recording import SITES, Activations, Entry, Loss, Positions
from modclaims.recording.entries import LOSS

ROUNDING = of_network(tokens=24)


def test_an_unknown_architecture_is_refused_with_the_entry_to_write(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"'falcon', which modclaims does not know yet.*ANATOMIES\['falcon'\].*lm/anatomy.py"
    ):
        anatomy_of(FalconConfig(), "m")
    save_model(tmp_path)
    FalconConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"ANATOMIES\['falcon'\]"):
        load_model(str(tmp_path))


def test_every_path_of_opt_leads_to_what_it_names(folder: Path) -> None:
    network = load_model(str(folder), device="cpu").network()
    assert len(network.blocks) == LAYERS
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "o"):
            assert network.matrix(layer, name).shape == (WIDTH, WIDTH)
        assert network.matrix(layer, "mlp_in").shape == network.matrix(layer, "mlp_out").T.shape


def test_opt_350m_is_post_norm_and_the_others_are_pre_norm() -> None:
    assert ANATOMIES["opt"].is_pre_norm(OPTConfig())
    assert not ANATOMIES["opt"].is_pre_norm(OPTConfig(do_layer_norm_before=False))
    assert dataclasses.replace(ANATOMIES["opt"], norm_first=True).is_pre_norm(OPTConfig(do_layer_norm_before=False))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 0}, "num_hidden_layers = 0"),
        ({"hidden_size": WIDTH + 1}, f"its {HEADS} heads do not divide"),
    ],
)
def test_a_configuration_with_impossible_sizes_is_refused(change: dict[str, int], message: str, tmp_path: Path) -> None:
    config = json.loads((save_model(tmp_path) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match=message):
        load_model(str(tmp_path))


def test_an_entry_that_does_not_fit_its_network_is_refused(plain: Path) -> None:
    network = load_model(str(plain), device="cpu").network()
    for change in (
        {"matrices": {**network.anatomy.matrices, "mlp_out": "fc3"}},
        {"matrices": {**network.anatomy.matrices, "q": Fused("self_attn.qkv", 0, of=3)}},
        {"sandwich": {"mlp": "mlp_norm"}},
        {"blocks": "decoder.blocks"},
        {"attention": "attn"},
        {"activation": "act"},
    ):
        with pytest.raises(ModelError, match=r"not as modclaims/lm/anatomy\.py describes it"):
            Network(network.trunk, dataclasses.replace(network.anatomy, **change), network.shape)


def test_heads_must_share_keys_evenly(tmp_path: Path) -> None:
    folder = save(tmp_path, "llama grouped, tied")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_key_value_heads": 3}))
    with pytest.raises(ModelError, match="4 heads, which its 3 key-value heads do not divide"):
        load_model(str(folder))


def test_roberta_counts_positions_from_behind_the_padding_token() -> None:
    shape = ANATOMIES["roberta"].shape(RobertaConfig(max_position_embeddings=514, pad_token_id=1), "m", {})
    assert shape.context == 512
    assert ANATOMIES["bert"].shape(BertConfig(), "m", {}).context == 512


def test_gpt2_has_four_mlp_units_to_a_residual_unit_unless_told_otherwise() -> None:
    assert ANATOMIES["gpt2"].shape(GPT2Config(), "m", {}).mlp_width == 4 * 768
    assert ANATOMIES["gpt2"].shape(GPT2Config(n_inner=100), "m", {}).mlp_width == 100


def test_a_newcomer_adds_an_architecture_by_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """StarCoder 2 is not among those that ship; its entry is all that it takes."""
    vocabulary = save_tokenizer(tmp_path)
    sizes = {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Starcoder2Config(**sizes, num_key_value_heads=2, vocab_size=vocabulary, max_position_embeddings=64)
    Starcoder2ForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"ANATOMIES\['starcoder2'\]"):
        load_model(str(tmp_path))
    entry = dataclasses.replace(
        ANATOMIES["llama"],
        matrices={
            **{name: f"self_attn.{name}_proj" for name in "qkvo"},
            "mlp_in": "mlp.c_fc",
            "mlp_out": "mlp.c_proj",
        },
        activation="mlp.act",
    )
    monkeypatch.setattr(anatomy_module, "ANATOMIES", {**ANATOMIES, "starcoder2": entry})
    recording = load_model(str(tmp_path), device="cpu").record(
        texts(20), [*(Activations(site) for site in SITES), Loss()], tokens=20, positions=Positions("4,9")
    )
    pre, attn, mlp, post = (
        recording.array(Activations(site), 1) for site in ("resid_pre", "attn_out", "mlp_out", "resid_post")
    )
    np.testing.assert_allclose(pre + attn + mlp, post, atol=ROUNDING)


def test_gemma_3_is_read_through_its_text_tower(tmp_path: Path) -> None:
    """The network that also sees images holds the same trunk as the one that does not; only the text goes through."""
    vocabulary = save_tokenizer(tmp_path)
    text = {**COMMON, **TINY["gemma3_text"].sizes, "vocab_size": vocabulary}
    vision = {
        **{"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2},
        **{"image_size": 28, "patch_size": 14},
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path)
    model = load_model(str(tmp_path), device="cpu")
    assert (model.shape.layers, model.shape.kv_heads, model.shape.head_width) == (3, 2, 6)
    ids = np.arange(4, 28)[None]
    bare = AutoModel.from_pretrained(tmp_path, attn_implementation="eager").language_model.eval()
    with torch.no_grad():
        states = bare(torch.from_numpy(ids), use_cache=False, output_hidden_states=True).hidden_states
    entries = [Entry("resid_pre", layer, (5, 23)) for layer in range(3)]
    found = extract(model.network(head=True), ids, [*entries, Entry(LOSS)])
    for layer, entry in enumerate(entries):
        np.testing.assert_allclose(found[entry], states[layer][:, [5, 23]].numpy(), rtol=0, atol=ROUNDING)
    whole = Gemma3ForConditionalGeneration.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = whole(input_ids=torch.from_numpy(ids), token_type_ids=torch.zeros(1, 24, dtype=torch.long)).logits
    expected = torch.nn.functional.cross_entropy(logits[0, :-1], torch.from_numpy(ids[0, 1:]))
    np.testing.assert_allclose(found[Entry(LOSS)], [float(expected)], rtol=1e-5)
    untrained = Activations("attn_out", variant="untrained:0")
    assert np.isfinite(model.record(texts(20), [untrained], tokens=20, positions=Positions("4")).array(untrained)).all()
