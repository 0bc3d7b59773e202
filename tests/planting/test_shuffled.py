"""Real activations whose labels are exchanged."""

from __future__ import annotations

from collections import Counter

from modclaims.planting import known, shuffled
from modclaims.planting.known import LAYOUTS
from modclaims.recording import Activations
from modclaims.stats.streams import stream


def test_exchanged_labels_stay_in_their_stratum_and_texts_with_their_activations() -> None:
    rng = stream(21, "x")
    layout = LAYOUTS["64 crossed"]
    mine = known.recording(layout, {(Activations("attn_out"), 0): rng.normal(size=(64, 4, 3))}, 3, 1)
    moved = shuffled.exchanged(mine, "category", "topic", rng)
    assert moved.corpus.values("category") != mine.corpus.values("category")
    assert moved.corpus.values("topic") == mine.corpus.values("topic")
    before, after = (
        Counter(zip(r.corpus.values("topic"), r.corpus.values("category"), strict=True)) for r in (mine, moved)
    )
    assert before == after
    assert moved.array(Activations("attn_out"), 0) is mine.array(Activations("attn_out"), 0)
    assert [text.id for text in moved.corpus.texts] == [text.id for text in mine.corpus.texts]
