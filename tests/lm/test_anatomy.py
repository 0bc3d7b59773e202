"""Anatomies: what is known of an architecture, and what is said of an unknown one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from lm.tiny_opt import HEADS, LAYERS, WIDTH, save_model
from transformers import GPT2Config, OPTConfig

from modclaims.errors import ModelError
from modclaims.lm.anatomy import ANATOMIES, Network, anatomy_of
from modclaims.lm.model import load_model


def test_an_unknown_architecture_is_refused_with_the_entry_to_write(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"'gpt2', which modclaims does not know yet.*ANATOMIES\['gpt2'\].*lm/anatomy.py"
    ):
        anatomy_of(GPT2Config(), "m")
    save_model(tmp_path)
    GPT2Config().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"ANATOMIES\['gpt2'\]"):
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
    for change in ({"mlp_write": "fc3"}, {"blocks": "decoder.blocks"}, {"attention": "attn"}):
        with pytest.raises(ModelError, match=r"not as modclaims/lm/anatomy\.py describes it"):
            Network(network.trunk, dataclasses.replace(network.anatomy, **change), network.shape)
