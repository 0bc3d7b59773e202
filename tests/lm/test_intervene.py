"""Ablation against a witness of its own: the same units silenced in the weights, or their values put in by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm.rounding import of_network
from lm.tiny_architectures import HEADS, LAYERS, PATHS, TINY, ids, save
from lm.tiny_opt import save_model, texts
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.lm.anatomy import ANATOMIES
from modclaims.lm.extract import extract
from modclaims.lm.intervene import SITE_OF, Prefix, Replacements, ablated, answers, outputs_of_units
from modclaims.lm.model import LanguageModel, load_model
from modclaims.lm.network import Network
from modclaims.recording import PARTS, Ablation, Activations, Entry, LogOdds, Loss, Positions, TokenIds
from modclaims.recording.entries import LOSS

ROUNDING = of_network(tokens=16)

IDS = ids(4, 16)
KINDS = {**dict.fromkeys(TINY, save), "opt": None}


def saved(folder: Path, name: str) -> Path:
    return save_model(folder) if name == "opt" else save(folder, name)


@pytest.fixture(scope="module", params=sorted(KINDS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(str(saved(tmp_path_factory.mktemp("tiny"), request.param)), device="cpu")


@pytest.fixture(scope="module")
def network(model: LanguageModel) -> Network:
    return model.network(head=model.shape.causal)


def states(network: Network, tokens: NDArray[Any] = IDS) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = network.trunk(input_ids=torch.from_numpy(tokens), use_cache=False).last_hidden_state
    return found


def far(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


def places(unit: str, network: Network) -> tuple[tuple[int, int], ...]:
    last = network.shape.parts(unit) - 1
    return ((1, 0), (2, last)) if unit.endswith("block") else ((0, last), (1, 0), (1, last), (2, 1))


def test_every_known_architecture_is_tried_here() -> None:
    assert {name.split()[0] for name in KINDS} == set(ANATOMIES) - {"gemma3"}, "gemma3 is gemma3_text with a trunk"


@pytest.mark.parametrize("unit", PARTS)
def test_zero_ablation_equals_weights_that_do_not_listen_to_the_unit(unit: str, network: Network) -> None:
    """Of a head or neuron the columns of the matrix it feeds are zeroed; of a block all that its last module gives."""
    whole, anatomy = states(network), network.anatomy
    ablation = Ablation(unit, places(unit, network))
    with ablated(network, ablation):
        found = states(network)
    kept = []
    for layer, index in ablation.places:
        path = {"head": anatomy.path("o"), "neuron": anatomy.path("mlp_out")}.get(unit) or anatomy.write(
            {"attn_block": "attention", "mlp_block": "mlp"}[unit]
        )
        module = network.part(layer, path)
        whole_block = unit.endswith("block")
        kept += [(p, p.clone()) for p in module.parameters() if whole_block or p.ndim == 2]
        if unit.endswith("block"):
            for parameter in module.parameters():
                parameter.fill_(-anatomy.norm_offset if anatomy.sandwich else 0.0)
        else:
            weight = module.weight.T if anatomy.transposed else module.weight
            size = weight.shape[1] // network.shape.parts(unit)
            weight[:, index * size : (index + 1) * size] = 0
    silenced = states(network)
    for parameter, values in reversed(kept):
        parameter.copy_(values)
    torch.testing.assert_close(states(network), whole, rtol=0, atol=0)
    assert far(found, silenced) < 1e-5
    assert far(found, whole) > 1e-3, "an ablation that changes nothing would agree with anything"


@pytest.mark.parametrize("unit", PARTS)
def test_the_network_is_restored_after_the_context_and_after_an_error_in_it(unit: str, network: Network) -> None:
    before = states(network)
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.trunk.modules())
    with ablated(network, Ablation(unit, places(unit, network))):
        assert far(states(network), before) > 1e-3
    torch.testing.assert_close(states(network), before, rtol=0, atol=0)
    with pytest.raises(ZeroDivisionError), ablated(network, Ablation(unit, places(unit, network))):
        raise ZeroDivisionError
    prefix = Prefix(network, torch.from_numpy(IDS))
    with pytest.raises(ZeroDivisionError), prefix.until(2, torch.arange(2)):
        raise ZeroDivisionError
    with pytest.raises(ClaimError, match="has no"), ablated(network, Ablation(unit, ((0, 0), (99, 0)))):
        pass
    torch.testing.assert_close(states(network), before, rtol=0, atol=0)
    assert hooks == sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.trunk.modules())


@pytest.mark.parametrize("unit", PARTS)
def test_to_keep_some_units_is_to_ablate_all_others(unit: str, network: Network) -> None:
    mine = ((1, 0),)
    others = tuple((at, i) for at in range(LAYERS) for i in range(network.shape.parts(unit)) if (at, i) not in mine)
    with ablated(network, Ablation(unit, mine, keep=True)):
        kept = states(network)
    with ablated(network, Ablation(unit, others)):
        torch.testing.assert_close(states(network), kept, rtol=0, atol=0)


@pytest.mark.parametrize("unit", PARTS)
def test_values_put_in_place_of_a_unit_are_those_of_the_texts_named(unit: str, network: Network) -> None:
    """What a text does with its own values in place is what it does by itself; with another's it is what a hook gives."""
    keys = {"a": "key a", "b": "key b"}
    held = {"key a": IDS[0], "key b": IDS[1][:9]}
    layers = range(LAYERS)
    for how in ("mean", "resample"):
        ablation = Ablation(unit, places(unit, network), how, ("a", "b"))
        found = Replacements(network, held, keys).of(ablation, ["key a"], 16)
        assert found is not None
        for layer in ablation.by_layer(network.shape):
            one, two = (outputs_of_units(network, held[key][None], unit, layers)[layer][0] for key in held)
            if how == "mean":
                torch.testing.assert_close(
                    found[layer].float(), torch.cat([one, two]).mean(dim=0), rtol=1e-5, atol=ROUNDING
                )
            else:
                torch.testing.assert_close(found[layer][0], two[torch.arange(16) % 9])
        with ablated(network, ablation, found):
            site = network.anatomy.site(SITE_OF[unit])[0]
            inside = outputs_of_units(network, IDS[:1], unit, layers)
        layer, index = ablation.places[-1]
        if not site:  # hooks run in the order in which they were put there: the later one sees what the earlier left
            size = inside[layer].shape[-1] // network.shape.parts(unit)
            mine = slice(index * size, (index + 1) * size)
            expected = found[layer] if how == "mean" else found[layer][0]
            torch.testing.assert_close(inside[layer][0][:, mine], expected[..., mine].float().expand(16, -1))
    assert PATHS


def test_a_pass_that_starts_at_the_ablated_layer_gives_what_a_whole_one_gives(network: Network) -> None:
    prefix, rows = Prefix(network, torch.from_numpy(IDS)), torch.tensor([0, 2, 3])
    for layer in range(LAYERS):
        with ablated(network, Ablation("head", ((layer, HEADS - 1),))):
            whole = states(network, IDS[[0, 2, 3]])
            with prefix.until(layer, rows):
                torch.testing.assert_close(states(network, IDS[[0, 2, 3]]), whole, rtol=1e-5, atol=1e-5)


def test_answers_are_those_of_the_whole_network_where_nothing_is_gone(model: LanguageModel, network: Network) -> None:
    if not model.shape.causal:
        pytest.skip("an encoder has no next-token loss")
    every = range(len(IDS))
    half = Ablation("neuron", ((0, 0),))
    found = answers(
        network,
        IDS,
        [
            (Loss(), every),
            (LogOdds((5, 6)), (1, 3)),
            (Loss(ablation=half), every),
            (LogOdds((5,), ablation=half), every),
        ],
        lambda ablation, rows: None,
    )
    np.testing.assert_allclose(found[0], extract(network, IDS, [Entry(LOSS)])[Entry(LOSS)], rtol=1e-12)
    with torch.inference_mode():
        assert network.head is not None
        logits = network.head(states(network))
        if network.logit_cap:
            logits = network.logit_cap * torch.tanh(logits / network.logit_cap)
        p = logits.double().softmax(dim=-1)[:, :-1, [5, 6]].sum(dim=-1)
    np.testing.assert_allclose(found[1], torch.log(p / (1 - p)).mean(dim=1)[[1, 3]], rtol=1e-4)
    with ablated(network, half):
        np.testing.assert_allclose(found[2], extract(network, IDS, [Entry(LOSS)])[Entry(LOSS)], rtol=ROUNDING)


# ---- in a recording

RUN = {"tokens": 20, "positions": Positions("4,9")}
GONE = Ablation("head", ((1, 2), (2, 0)))
ATTN = Activations("attn_out")


def test_what_else_is_asked_for_is_the_same_to_the_bit_beside_ablations(load: Any, tmp_path: Path) -> None:
    from modclaims.lm.store import RecordingStore

    corpus = texts(20, 20, 20)
    alone = load(store=RecordingStore(tmp_path / "alone")).record(corpus, [ATTN, Loss()], **RUN)
    beside = load().record(corpus, [Loss(ablation=GONE), ATTN, LogOdds((9,), ablation=GONE), Loss()], **RUN)
    for request, layer in ((ATTN, 0), (ATTN, 2), (Loss(), 0)):
        np.testing.assert_array_equal(alone.array(request, layer), beside.array(request, layer))
    assert (alone.passes, alone.ablation_passes) == (3, 0)
    assert (beside.passes, beside.ablation_passes) == (3 + 6, 6), "the network as it is, and without two heads"
    assert np.abs(beside.array(Loss(ablation=GONE)) - beside.array(Loss())).min() > 1e-4


def test_ablated_losses_are_kept_and_recorded_once(load: Any) -> None:
    corpus = texts(20, 20, 20)
    asked = [Loss(ablation=GONE), Loss(ablation=GONE, tokens=12, texts=("t2", "t0")), TokenIds(6)]
    first = load().record(corpus, asked, **RUN)
    again = load().record(corpus, [*asked, Loss(ablation=GONE, tokens=12, texts=("t0",))], **RUN)
    assert again.passes == 0
    for request in asked:
        np.testing.assert_array_equal(first.array(request), again.array(request))
    short = first.array(asked[1])
    np.testing.assert_array_equal(again.array(Loss(ablation=GONE, tokens=12, texts=("t0",))), short[1:])
    np.testing.assert_array_equal(first.by_id().array(asked[1]), short)
    assert first.array(TokenIds(6)).shape == (3, 6)
    assert load().record(corpus, [Loss(ablation=GONE, tokens=12)], **RUN).passes == 2, "one text, twice"


def test_what_is_ablated_and_with_whose_values_tells_recordings_apart(load: Any) -> None:
    corpus = texts(20, 20, 20)
    asked = [
        Loss(ablation=ablation)
        for ablation in (
            GONE,
            Ablation("head", ((1, 2),)),
            Ablation("neuron", ((1, 2), (2, 0))),
            Ablation("head", ((1, 2), (2, 0)), keep=True),
            Ablation("head", GONE.places, "mean", ("t0", "t1")),
            Ablation("head", GONE.places, "mean", ("t0", "t2")),
            Ablation("head", GONE.places, "resample", ("t0", "t1")),
        )
    ]
    found = np.stack([load().record(corpus, asked, **RUN).array(request) for request in asked])
    assert len(np.unique(found[:, 2].round(7))) == len(asked)


def test_ablated_losses_depend_on_neither_batch_nor_neighbours(load: Any, tmp_path: Path) -> None:
    from modclaims.lm.store import RecordingStore

    corpus = texts(20, 17, 20, 20)
    asked = [
        Loss(ablation=Ablation("neuron", ((0, 3),), how, ("t0", "t1", "t2")[: 3 * (how != "zero")]))
        for how in ("zero", "mean", "resample")
    ]
    one = load(store=RecordingStore(tmp_path / "one"), batch_size=1).record(corpus, asked, **RUN)
    many = load(batch_size=8).record(corpus, asked[::-1], **RUN)
    for request in asked:
        np.testing.assert_allclose(one.array(request), many.array(request), rtol=1e-5)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Loss(ablation=Ablation("head", ((7, 0),))), "no head 0 in layer 7"),
        (Loss(ablation=Ablation("head", ((0, 0),), "mean", ("nobody",))), "no text 'nobody'"),
        (Loss(texts=("nobody",)), "no text 'nobody'"),
        (LogOdds((10**6,)), "has tokens 0 to"),
    ],
)
def test_what_a_model_or_corpus_lacks_is_said_before_any_pass(load: Any, request_: Loss, message: str) -> None:
    with pytest.raises(ClaimError, match=message):
        load().record(texts(20, 20), [request_], **RUN)


@pytest.mark.parametrize(
    "wrong",
    [{"unit": "layer"}, {"how": "noise"}, {"how": "mean"}, {"how": "resample", "source": ("a",)}, {"source": ("a",)}],
)
def test_an_ablation_that_no_network_can_have_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ClaimError):
        Ablation(**{"unit": "head", "places": ((0, 0),), **wrong})
