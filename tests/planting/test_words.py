"""Words that texts share, planted beside an effect or in place of one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from modclaims.planting import words
from modclaims.planting.known import LAYOUTS
from modclaims.stats.effects.rivals import tfidf_similarity
from modclaims.stats.effects.similarity import text_similarity
from modclaims.stats.streams import stream


def cosines(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return text_similarity(x).values[np.triu_indices(len(x), 1)]


@pytest.mark.parametrize("link", list(words.LINKS))
def test_similarity_is_the_link_of_shared_words_beside_noise_of_a_texts_own(link: str) -> None:
    rng = stream(15, link)
    layout = LAYOUTS["48 (4 x 12)"]
    text = words.written(rng, layout)
    similarity = tfidf_similarity(words.said(text))[np.triu_indices(48, 1)]
    x = words.activations(rng, layout, text, link, 0.0, 200)
    mean = np.mean([cosines(x[:, :, layer]) for layer in range(200)], axis=0)
    assert mean == pytest.approx((1 - words.NOISE) * words.LINKS[link](similarity), abs=0.02)


def test_a_real_effect_adds_to_pairs_of_one_category_alone() -> None:
    layout = LAYOUTS["48 (4 x 12)"]
    text = words.written(stream(16, "words"), layout)
    same = (layout.category[:, None] == layout.category)[np.triu_indices(48, 1)]
    bare, real = (
        np.mean(
            [
                cosines(words.activations(stream(17, "x"), layout, text, "straight link", e, 50)[:, :, i])
                for i in range(50)
            ],
            axis=0,
        )
        for e in (0.0, 0.1)
    )
    gained = real - bare * (1 - words.NOISE - 0.1) / (1 - words.NOISE)
    assert gained[same] == pytest.approx(0.1, abs=0.03)
    assert gained[~same] == pytest.approx(0.0, abs=0.03)


def test_a_corrupted_text_keeps_the_words_that_are_not_misread() -> None:
    text = words.written(stream(18, "words"), LAYOUTS["48 (4 x 12)"])
    rng = stream(19, "misread")
    assert (words.corrupted(rng, text, 0.3) == text).mean() == pytest.approx(0.7, abs=0.03)
    assert not set(words.corrupted(rng, text, 1.0).ravel().tolist()) & set(text.ravel().tolist())


def test_words_could_stand_for_most_of_same_category_and_for_nothing_where_none_is_a_categorys_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = LAYOUTS["48 (4 x 12)"]
    assert 0.7 < words.collinearity(stream(20, "x"), layout) < 0.95
    monkeypatch.setattr(words, "SHARE", 0.0)
    assert words.collinearity(stream(20, "x"), layout) < 0.02
