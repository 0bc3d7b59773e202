"""Recordings: in another order, and of some texts alone."""

from __future__ import annotations

import numpy as np
from planted import PlantedRecorder, planted_corpus

from modclaims.recording import Activations, InductionScores, Positions, Recording


def recorded() -> Recording:
    corpus = planted_corpus()
    return PlantedRecorder().record(corpus, (Activations("attn_out"),), tokens=64, positions=Positions("0,1,2"))


def test_some_texts_alone_are_rows_of_the_whole_in_the_order_that_was_asked() -> None:
    whole, request = recorded(), Activations("attn_out")
    some = whole.select([5, 0, 3])
    assert [text.id for text in some.corpus.texts] == [whole.corpus.texts[i].id for i in (5, 0, 3)]
    assert some.read == tuple(whole.read[i] for i in (5, 0, 3))
    for layer in range(whole.shape.layers):
        np.testing.assert_array_equal(some.array(request, layer), whole.array(request, layer)[[5, 0, 3]])
    again = some.select([2])
    np.testing.assert_array_equal(again.array(request, 1), whole.array(request, 1)[[3]])


def test_by_id_is_the_whole_in_the_order_of_ids() -> None:
    whole = recorded()
    shuffled = whole.select(list(reversed(range(len(whole.corpus)))))
    assert shuffled.by_id().corpus.digest == whole.by_id().corpus.digest
    np.testing.assert_array_equal(
        shuffled.by_id().array(Activations("attn_out"), 0), whole.by_id().array(Activations("attn_out"), 0)
    )


def test_what_has_no_rows_of_texts_stays_whole() -> None:
    assert not InductionScores().in_corpus_order
