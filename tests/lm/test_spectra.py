"""Spectra and matrices of networks as a recorder answers for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm.tiny_architectures import TINY, save
from lm.tiny_opt import CONTEXT, LAYERS, WIDTH, save_model, texts
from transformers import AutoModelForCausalLM

from modclaims.errors import ClaimError, CorpusError
from modclaims.lm import block_spectra
from modclaims.lm import spectra as spectra_module
from modclaims.lm.block_inputs import block_inputs
from modclaims.lm.jacobian import block_jacobian
from modclaims.lm.model import LanguageModel, load_model
from modclaims.lm.networks import NetworkLoader
from modclaims.lm.store import RecordingStore
from modclaims.lm.variants import Variant
from modclaims.recording import BLOCKS, BY_TOKEN, MATRICES, SPECTRUM, Jacobian, Loss, Positions, Weights

RUN: dict[str, Any] = {"tokens": 20, "positions": Positions("9,14,19")}
CORPUS = texts(20, 25, 30, 22, 21)


def rank_of(values: Any) -> float:
    shares = values**2 / (values**2).sum()
    return float(np.exp(-(shares * np.log(np.where(shares > 0, shares, 1))).sum()))


START = 2
"""The last token of the first three."""


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("last", [START, None, 14])
def test_spectra_are_those_of_the_jacobian(
    block: str, normalised: bool, last: int | None, load: Callable[..., LanguageModel]
) -> None:
    asked = Jacobian(block, 3, normalised=normalised, last=last)
    answers: tuple[Any, ...] = ("summary", "values", "tokens", "token_values")
    requests = [replace(asked, answer=answer) for answer in answers]
    model = load()
    recording = model.record(CORPUS, requests, **RUN)
    summaries, values, tokens, token_values = (recording.array(request, 1) for request in requests)
    assert summaries.shape == (5, len(SPECTRUM))
    assert values.shape == (5, 3 * WIDTH)
    assert tokens.shape == (5, 3, len(BY_TOKEN))
    assert token_values.shape == (5, 3, WIDTH)
    assert {a.dtype for a in (summaries, values, tokens, token_values)} == {np.dtype(np.float64)}
    order = sorted(range(5), key=lambda i: CORPUS.texts[i].id)
    end = 9 if last is None else last
    for row, index in enumerate(order):
        (text,) = model.reader.read([CORPUS.texts[index].body], 20)
        inputs = block_inputs(model.network(), text.ids[: end + 1], [1], block, held=end - 2)[1]
        found = block_jacobian(model.network(), inputs, normalised=normalised)
        dense = found.dense()
        expected = np.linalg.svd(dense, compute_uv=False)
        np.testing.assert_allclose(values[row], expected, rtol=0, atol=1e-6 * expected[0])
        named = dict(zip(SPECTRUM, summaries[row], strict=True))
        assert named["effective_rank"] == pytest.approx(rank_of(expected))
        assert named["stable_rank"] == pytest.approx((expected**2).sum() / expected[0] ** 2)
        assert named["above_tenth"] == (expected > expected[0] / 10).sum()
        eps = float(np.finfo(np.float32).eps)
        assert named["rank_at_least"] == named["rank_at_most"] == (expected > 3 * WIDTH * eps * expected[0]).sum()
        assert (named["effective_rank_error"], named["above_tenth_error"]) == (0, 0)
        for token, rows in enumerate(dense.reshape(3, WIDTH, -1)):
            by_hand = np.linalg.svd(rows, compute_uv=False)
            np.testing.assert_allclose(token_values[row, token], by_hand, rtol=0, atol=1e-6 * by_hand[0])
            named = dict(zip(BY_TOKEN, tokens[row, token], strict=True))
            assert named["numerical_rank"] == (by_hand > WIDTH * eps * by_hand[0]).sum()
            assert named["effective_rank"] == pytest.approx(rank_of(by_hand))
            assert named["floor"] == pytest.approx(WIDTH * eps)
            assert named["largest"] == pytest.approx(by_hand[0])
            if block == "attention":
                assert (named["active"], named["explained"]) == (-1, -1)
        if block == "mlp":  # a ReLU: neurons that read more than 0
            network = model.network()
            with torch.no_grad():
                read = network.part(1, network.anatomy.norms["mlp"])(inputs.stream)
                active = (network.part(1, "fc1")(read) > 0).sum(dim=1).numpy()
            np.testing.assert_array_equal(tokens[row, :, BY_TOKEN.index("active")], active)
            explained = tokens[row, :, BY_TOKEN.index("explained")]
            rank = tokens[row, :, BY_TOKEN.index("numerical_rank")]
            assert (explained <= np.minimum(active, WIDTH - normalised)).all()
            # where a norm's own direction is about to be lost it may be counted, and lie below the floor
            assert ((rank <= explained) & (explained <= rank + 1)).all()


def test_null_objects_read_what_the_model_itself_reads(load: Callable[..., LanguageModel]) -> None:
    """And are those that a whole null network would hold."""
    model = load()
    (text,) = model.reader.read([CORPUS.texts[0].body], 20)
    for kind in ("gaussian", "permuted", "untrained"):
        for block in BLOCKS:
            asked = Jacobian(block, 3, answer="values", variant=f"{kind}:1", last=START, texts=3, only=0)
            recording = model.record(CORPUS, [asked], **RUN)
            inputs = block_inputs(model.network(), text.ids[:3], [2], block)[2]
            expected = block_jacobian(model.network(Variant(kind, 1)), inputs).dense()
            values = np.linalg.svd(expected, compute_uv=False)
            (found,) = recording.array(asked, 2)
            np.testing.assert_allclose(found, values, rtol=0, atol=1e-6 * values[0])


def test_no_null_network_is_made_for_its_blocks(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Any] = []
    real = NetworkLoader.load
    monkeypatch.setattr(NetworkLoader, "load", lambda self, *how: (loaded.append(how), real(self, *how))[1])
    load().record(CORPUS, [Jacobian("mlp", 3, variant=f"gaussian:{seed}") for seed in range(3)], **RUN)
    assert loaded == [(None, False)]


def test_a_variant_that_is_the_model_itself_does_not_answer_for_the_model(
    load: Callable[..., LanguageModel], plain: Path, store: RecordingStore
) -> None:
    """`model#gaussian:0` reads its own inputs, the null object `gaussian:0` of `model` those of `model`: two recordings."""
    null = Jacobian("mlp", 3, variant="gaussian:0")
    own = load_model(f"{plain}#gaussian:0", device="cpu", store=store)
    of_model = load().record(CORPUS, [null], **RUN).array(null, 2)
    of_itself = own.record(CORPUS, [null], **RUN).array(null, 2)
    assert not np.allclose(of_model, of_itself)
    again = load_model(str(plain), device="cpu", store=store).record(CORPUS, [null], **RUN)
    assert again.passes == 0
    np.testing.assert_array_equal(again.array(null, 2), of_model)


def test_some_texts_spread_over_the_corpus_answer_for_all(load: Callable[..., LanguageModel]) -> None:
    asked, every = Jacobian("mlp", 3, texts=2), Jacobian("mlp", 3)
    recording = load().record(CORPUS, [asked, every], **RUN)
    assert [CORPUS.texts[i].id for i in asked.chosen(CORPUS)] == ["t0", "t2"]
    np.testing.assert_array_equal(recording.array(asked, 0), recording.array(every, 0)[[0, 2]])
    np.testing.assert_array_equal(recording.by_id().array(asked, 0), recording.array(asked, 0))


def test_nothing_is_made_twice(load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [Jacobian("mlp", 3), Weights("o"), Weights("unembedding")]
    first = load().record(CORPUS, asked, **RUN)
    monkeypatch.setattr(NetworkLoader, "load", lambda *_: pytest.fail("weights were loaded"))
    again = load().record(CORPUS, asked, **RUN)
    assert again.passes == 0
    for request in asked:
        np.testing.assert_array_equal(again.array(request, 0), first.array(request, 0))


def test_batches_change_no_spectrum(load: Callable[..., LanguageModel]) -> None:
    asked = [Jacobian(block, 3) for block in BLOCKS]
    one, five = (
        load(batch_size=size, store=RecordingStore.temporary()).record(CORPUS, asked, **RUN) for size in (1, 5)
    )
    for request in asked:
        np.testing.assert_allclose(one.array(request, 1), five.array(request, 1), rtol=1e-12)


@pytest.mark.parametrize("name", ["llama grouped, tied", "gemma2", "bert", "gpt_neox parallel"])
def test_large_jacobians_are_estimated_within_their_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tmp_path, name)
    summary = Jacobian("attention", 9, layers=(1,), answer="summary", last=8)
    asked = [summary, replace(summary, answer="values")]
    model = load_model(str(folder), device="cpu")
    exact = model.record(CORPUS, asked, **RUN)
    ranks = []  # above float64's floor, which is what is certified; what is counted is above float32's
    for index in summary.chosen(CORPUS):
        (text,) = model.reader.read([CORPUS.texts[index].body], 20)
        inputs = block_inputs(model.network(), text.ids[:9], [1], "attention")[1]
        ranks.append(np.linalg.matrix_rank(block_jacobian(model.network(), inputs).dense()))
    monkeypatch.setattr(spectra_module, "DENSE_ROWS", 10)
    estimated = load_model(str(folder), device="cpu").record(CORPUS, asked, **RUN)
    for truth, found, rank in zip(exact.array(asked[0], 1), estimated.array(asked[0], 1), ranks, strict=True):
        known, guess = (dict(zip(SPECTRUM, row, strict=True)) for row in (truth, found))
        for quantity in ("effective_rank", "above_tenth"):
            error = guess[f"{quantity}_error"]
            assert abs(guess[quantity] - known[quantity]) <= error + 1e-9 * known[quantity]
        assert known["rank_at_least"] <= rank
        assert guess["rank_at_least"] <= rank <= guess["rank_at_most"]
        if not TINY[name].encoder:
            assert guess["rank_at_least"] > 0.5 * known["rank_at_least"]
    leading = estimated.array(asked[1], 1)[:, :20]
    np.testing.assert_allclose(leading, exact.array(asked[1], 1)[:, :20], rtol=1e-3)


def test_half_precision_networks_have_float64_spectra(tmp_path: Path) -> None:
    folder = save_model(tmp_path)
    asked = Jacobian("mlp", 3)
    half, single = (
        load_model(str(folder), dtype=dtype, device="cpu").record(CORPUS, [asked], **RUN).array(asked, 1)
        for dtype in ("bfloat16", "float32")
    )
    assert half.dtype == np.float64
    np.testing.assert_allclose(half[..., 1], single[..., 1], rtol=0.05)
    assert not np.array_equal(half, single)


@pytest.mark.parametrize("name", ["gpt2", "qwen3", "bert"])
def test_matrices_are_the_networks_own(name: str, tmp_path: Path) -> None:
    folder = save(tmp_path, name)
    model = load_model(str(folder), device="cpu")
    network = model.network(head=model.shape.causal)
    has = [m for m in MATRICES if m in network.anatomy.matrices]
    recording = model.record(CORPUS, [Weights(matrix) for matrix in (*has, "embedding")], **RUN)
    for matrix in has:
        for layer in range(LAYERS):
            found = recording.array(Weights(matrix), layer)
            np.testing.assert_array_equal(found, network.matrix(layer, matrix).numpy())
    embedding = network.trunk.get_input_embeddings().weight.numpy()
    np.testing.assert_array_equal(recording.array(Weights("embedding")), embedding)
    np.testing.assert_array_equal(recording.by_id().array(Weights("embedding")), embedding)


@pytest.mark.parametrize("style", ["pre-norm", "post-norm"])
def test_the_unembedding_reads_the_residual_itself(style: str, tmp_path: Path) -> None:
    """Also where a projection stands between the residual and the head, as in OPT-350m."""
    folder = save_model(tmp_path, style)
    found = load_model(str(folder), device="cpu").record(CORPUS, [Weights("unembedding")], **RUN)
    matrix = torch.from_numpy(found.array(Weights("unembedding")))
    assert matrix.shape[1] == WIDTH
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    seen: list[torch.Tensor] = []
    last = model.model.decoder.final_layer_norm or model.model.decoder.layers[-1]
    last.register_forward_hook(lambda _, __, output: seen.append(output[0] if isinstance(output, tuple) else output))
    with torch.no_grad():
        logits = model(torch.arange(2, 12)[None]).logits
    torch.testing.assert_close(seen[-1] @ matrix.T, logits, rtol=1e-5, atol=1e-5)


def test_what_a_network_lacks_is_refused(tmp_path: Path, load: Callable[..., LanguageModel]) -> None:
    encoder = load_model(str(save(tmp_path / "bert", "bert")), device="cpu")
    with pytest.raises(ClaimError, match="is an encoder and has no unembedding"):
        encoder.record(CORPUS, [Weights("unembedding")], **RUN)
    with pytest.raises(ClaimError, match="has no matrix 'mlp_gate'; it has: embedding, unembedding, q, k, v, o"):
        load().record(CORPUS, [Weights("mlp_gate")], **RUN)
    with pytest.raises(ClaimError, match="Layer 7 of matrix 'q' does not exist"):
        load().record(CORPUS, [Weights("q", layers=(7,))], **RUN)
    with pytest.raises(ClaimError, match="Layer 7 of block 'mlp' does not exist"):
        load().record(CORPUS, [Jacobian("mlp", layers=(7,))], **RUN)
    with pytest.raises(CorpusError, match="too short for a Jacobian at 40 tokens"):
        load().record(CORPUS, [Jacobian("mlp", 40, last=39)], tokens=CONTEXT, positions=Positions("3"))
    with pytest.raises(ClaimError, match="A window of 5 tokens cannot end at token 3"):
        load().record(CORPUS, [Jacobian("mlp", 5)], tokens=CONTEXT, positions=Positions("3"))
    with pytest.raises(ClaimError, match="embeds its tokens in 12 dimensions"):
        load_model(str(save_model(tmp_path / "narrow", "post-norm")), device="cpu").record(
            CORPUS, [Weights("embedding")], **RUN
        )


def test_what_enters_blocks_is_read_once_however_little_of_it_is_kept(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [Jacobian("mlp", 3), Jacobian("attention", 3)]
    plenty = load(store=RecordingStore.temporary()).record(CORPUS, asked, **RUN)
    monkeypatch.setattr(block_spectra, "KEPT_BYTES", 1)
    none = load(store=RecordingStore.temporary()).record(CORPUS, asked, **RUN)
    assert plenty.passes == 2 * 5
    assert none.passes <= 2 * 5 * LAYERS
    for request in asked:
        np.testing.assert_array_equal(none.array(request, 1), plenty.array(request, 1))
    monkeypatch.setattr(block_spectra, "KEPT_BYTES", 2 * 4 * LAYERS * 20 * WIDTH)
    one_text = load(store=RecordingStore.temporary()).record(CORPUS, asked, **RUN)
    assert one_text.passes == 2 * 5, "a text at a time"


def test_an_interrupted_recording_of_spectra_goes_on_where_it_stopped(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [Jacobian("mlp", 3), Jacobian("attention", 3), Loss()]
    seen: list[tuple[int, int, str]] = []

    def interrupt(done: int, total: int, what: str) -> None:
        seen.append((done, total, what))
        if done >= 17:
            raise KeyboardInterrupt

    monkeypatch.setattr(block_spectra, "SECONDS_UNKEPT", 0.0)
    with pytest.raises(KeyboardInterrupt):
        load(batch_size=1).record(CORPUS, asked, **RUN, progress=interrupt)
    assert seen[0][:2] == (0, 5 + 2 * 5 * LAYERS), "a pass a text, and a Jacobian of two blocks in every layer"
    assert [done for done, _, _ in seen] == list(range(18)), "it ticks with every one"
    assert re.search(r"Jacobian of (attention|the MLP), layer \d", seen[-1][2])
    again: list[tuple[int, int, str]] = []
    load().record(CORPUS, asked, **RUN, progress=lambda *what: again.append(what))
    left = again[0][1]
    assert 2 * 5 * LAYERS - 12 - 4 <= left <= 2 * 5 * LAYERS - 12, "all but what ran side by side was kept"
