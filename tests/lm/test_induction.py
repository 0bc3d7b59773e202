"""Induction scores on random tokens that come twice, and attention to what followed earlier occurrences, against patterns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm.rounding import of_network
from lm.tiny_architectures import HEADS, LAYERS, TINY, save
from lm.tiny_opt import CONTEXT, save_model, texts

from modclaims.corpus import Corpus, Text
from modclaims.errors import ClaimError
from modclaims.lm.anatomy import ANATOMIES
from modclaims.lm.attention import SCORES_AT_ONCE
from modclaims.lm.extract import after_earlier
from modclaims.lm.model import LanguageModel, load_model
from modclaims.recording import Activations, InductionScores, Positions, TokenIds

ROUNDING = of_network(tokens=CONTEXT)

PERIOD, SEQUENCES = 6, 5
ASKED = InductionScores(SEQUENCES, PERIOD)
INDUCED = Activations("attn_pattern", None, "induction")
CAUSAL = sorted(name for name, tiny in TINY.items() if not tiny.encoder and "both ways" not in name)
RUN: dict[str, Any] = {"tokens": 24, "positions": Positions("last:4:5")}


def sequences(model: LanguageModel, request: InductionScores = ASKED) -> np.ndarray:
    return np.stack([drawn.ids for drawn in model.reader.repeated(request.drawn, model.vocabulary)])


def by_patterns(model: LanguageModel, variant: str | None = None) -> np.ndarray:
    """(layer, sequence, head) scores from whole patterns of the same sequences, read as texts."""
    drawn = sequences(model)
    words = [model.reader.tokenizer.decode(row[1:]) for row in drawn]
    corpus = Corpus("drawn", tuple(Text(f"s{i}", word, {}) for i, word in enumerate(words)))
    tokens = 1 + 2 * PERIOD
    request = Activations("attn_pattern", variant=variant)
    found = model.record(corpus, [request, TokenIds(tokens)], tokens=tokens, positions=Positions(f"0:{tokens}:1"))
    np.testing.assert_array_equal(found.array(TokenIds(tokens)), drawn)
    rows = 1 + PERIOD + np.arange(PERIOD)
    return np.stack(
        [found.array(request, layer)[:, rows, :, rows + 1 - PERIOD].mean(axis=0) for layer in range(LAYERS)]
    )


@pytest.fixture(autouse=True)
def ascii_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tokens that a text can spell: single bytes that are letters."""
    from modclaims.lm.tokens import TextReader

    letters = [f"{c}" for c in "abcdefghijklmnopqrstuvwxyz"]
    whole = TextReader.ordinary

    def spelt(self: TextReader, vocabulary: int) -> np.ndarray:
        ids = set(self.tokenizer.convert_tokens_to_ids(letters))
        return np.array([i for i in whole(self, vocabulary) if i in ids])

    monkeypatch.setattr(TextReader, "ordinary", spelt)


@pytest.mark.parametrize("name", CAUSAL)
def test_scores_are_those_of_whole_patterns_in_every_causal_architecture(name: str, tmp_path: Path) -> None:
    model = load_model(str(save(tmp_path, name)), device="cpu", batch_size=2)
    twin = InductionScores(SEQUENCES, PERIOD, variant="untrained:0")
    recording = model.record(texts(24, 24), [ASKED, twin], **RUN)
    for request in (ASKED, twin):
        expected = by_patterns(model, request.variant)
        for layer in range(LAYERS):
            found = recording.array(request, layer)
            assert found.shape == (SEQUENCES, HEADS)
            np.testing.assert_allclose(found, expected[layer], rtol=0, atol=ROUNDING)
            assert found.min() >= 0


def test_every_causal_architecture_is_tried() -> None:
    assert {name.split()[0] for name in CAUSAL} == set(ANATOMIES) - {"opt", "gemma3", "roberta"}


@pytest.mark.parametrize("name", ["bert", "roberta", "gemma3_text both ways"])
def test_what_sees_both_ways_has_no_induction_score(name: str, tmp_path: Path) -> None:
    model = load_model(str(save(tmp_path, name)), device="cpu")
    with pytest.raises(ClaimError, match=r"is not causal: its tokens also see what comes after them"):
        model.record(texts(24), [ASKED], **RUN)


def test_sequences_repeat_ordinary_tokens_and_further_ones_change_none(load: Callable[..., LanguageModel]) -> None:
    model = load()
    drawn = sequences(model)
    assert drawn.shape == (SEQUENCES, 1 + 2 * PERIOD)
    assert (drawn[:, 0] == model.reader.leading[0]).all()
    np.testing.assert_array_equal(drawn[:, 1 : 1 + PERIOD], drawn[:, 1 + PERIOD :])
    assert all(len(set(row[1 : 1 + PERIOD])) == PERIOD for row in drawn)
    assert not set(drawn[:, 1:].ravel()) & set(model.reader.tokenizer.all_special_ids)
    assert len({tuple(row) for row in drawn}) == SEQUENCES
    more = sequences(model, InductionScores(SEQUENCES + 2, PERIOD))
    np.testing.assert_array_equal(more[:SEQUENCES], drawn)
    assert (sequences(model, InductionScores(SEQUENCES, PERIOD, seed=1)) != drawn).any()


def test_special_tokens_and_rows_without_a_token_are_not_drawn(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    reader = load().reader
    whole = reader.ordinary(10**6)
    assert not set(whole) & {0, 1}
    assert len(whole) == 256
    assert reader.ordinary(40).max() == 39


def test_neither_the_batch_nor_what_is_asked_beside_changes_a_score(load: Callable[..., LanguageModel]) -> None:
    corpus = texts(24, 24, 24)
    alone = load(batch_size=1, store=None).record(corpus, [ASKED], **RUN)
    together = load(batch_size=16, store=None).record(corpus, [Activations("attn_out"), ASKED, INDUCED], **RUN)
    for layer in range(LAYERS):
        first, second = (r.array(ASKED, layer) for r in (alone, together))
        assert np.abs(first - second).max() <= 1e-5 * np.sqrt(np.mean(first**2))
    np.testing.assert_array_equal(together.by_id().array(ASKED, 1), together.array(ASKED, 1))


def test_sequences_are_passes_and_are_kept(load: Callable[..., LanguageModel]) -> None:
    corpus = texts(24, 24)
    assert load().record(corpus, [ASKED], **RUN).passes == SEQUENCES
    again = load().record(corpus, [ASKED, Activations("mlp_out")], **RUN)
    assert again.passes == 2
    more = load().record(corpus, [InductionScores(SEQUENCES + 3, PERIOD)], **RUN)
    assert more.passes == 3
    np.testing.assert_array_equal(
        more.array(InductionScores(SEQUENCES + 3, PERIOD), 1)[:SEQUENCES], again.array(ASKED, 1)
    )


def test_layers_are_those_asked_for(load: Callable[..., LanguageModel]) -> None:
    last = InductionScores(SEQUENCES, PERIOD, layers=(-1,))
    recording = load().record(texts(24), [last], **RUN)
    assert recording.array(last, LAYERS - 1).shape == (SEQUENCES, HEADS)
    with pytest.raises(ClaimError, match="Nothing was recorded"):
        recording.array(last, 0)
    with pytest.raises(ClaimError, match="Layer 7 of induction scores does not exist"):
        load().record(texts(24), [InductionScores(1, PERIOD, layers=(7,))], **RUN)


def test_many_scores_are_taken_some_at_a_time(
    load: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load(store=None).record(texts(24), [ASKED], **RUN).array(ASKED, 1)
    assert SCORES_AT_ONCE > 1000
    monkeypatch.setattr("modclaims.lm.attention.SCORES_AT_ONCE", 1)
    np.testing.assert_allclose(load(store=None).record(texts(24), [ASKED], **RUN).array(ASKED, 1), whole, atol=ROUNDING)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (InductionScores(1, CONTEXT), f"sequences of {1 + 2 * CONTEXT} tokens do not fit"),
        (InductionScores(1, 27), "period = 27: the vocabulary has only 26 ordinary tokens"),
    ],
)
def test_periods_that_do_not_fit_are_refused(
    load: Callable[..., LanguageModel], request_: InductionScores, words: str
) -> None:
    with pytest.raises(ClaimError, match=words):
        load().record(texts(24), [request_], **RUN)


@pytest.mark.parametrize("wrong", [{"sequences": 0}, {"period": 1}])
def test_sequences_that_hold_no_induction_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ClaimError, match="induction needs at least 1 sequence of period 2"):
        InductionScores(**wrong)


# ---- attention of texts to what followed earlier occurrences


def test_followers_by_hand() -> None:
    ids = torch.tensor([[9, 5, 6, 5, 7, 5, 5]])
    found = after_earlier(ids, torch.tensor([0, 3, 5, 6])).int().tolist()[0]
    assert found == [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 1, 0, 0],
        [0, 0, 1, 0, 1, 0, 0],  # what follows the last occurrence is the query itself
    ]


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "mistral"])
def test_attention_to_followers_is_that_of_the_patterns(name: str, tmp_path: Path) -> None:
    model = load_model(str(save(tmp_path, name)), device="cpu", batch_size=3)
    corpus = Corpus("abc", tuple(Text(f"t{i}", ("abcab" + "cba"[i] * 2) * 5, {}) for i in range(3)))
    whole = Activations("attn_pattern")
    recording = model.record(corpus, [INDUCED, whole, TokenIds()], **RUN)
    ids, at = recording.array(TokenIds()).astype(int), recording.positions
    assert ids.shape == (3, 24)
    for layer in range(LAYERS):
        pattern, found = recording.array(whole, layer), recording.array(INDUCED, layer)
        assert found.shape == (3, len(at), HEADS)
        expected = np.zeros(found.shape)
        for text in range(3):
            for place, query in enumerate(at):
                for key in range(1, query):
                    if ids[text, key - 1] == ids[text, query]:
                        expected[text, place] += pattern[text, place, :, key]
        np.testing.assert_allclose(found, expected, atol=ROUNDING)
        assert found.max() > 0.05


def test_other_sites_have_no_followers() -> None:
    with pytest.raises(ClaimError, match="reduce='induction' is of attn_pattern"):
        Activations("head_z", None, "induction")


def test_opt_is_tried_too(tmp_path: Path) -> None:
    model = load_model(str(save_model(tmp_path)), device="cpu")
    recording = model.record(texts(24), [ASKED], **RUN)
    np.testing.assert_allclose(
        np.stack([recording.array(ASKED, layer) for layer in range(LAYERS)]), by_patterns(model), atol=ROUNDING
    )
