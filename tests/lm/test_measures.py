"""What requests say of themselves is what is really recorded, by a tiny network into an empty store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lm.tiny_opt import texts

from modclaims.errors import ClaimError
from modclaims.lm.intervene import NUMBERS
from modclaims.lm.measures import MEASURES
from modclaims.lm.model import LanguageModel
from modclaims.lm.networks import NetworkLoader
from modclaims.lm.store import NO_TEXT, RecordingStore, text_key
from modclaims.lm.stored_files import StoredFile
from modclaims.recording import (
    MATRICES,
    REQUESTS,
    SITES,
    Ablation,
    Activations,
    InductionScores,
    Jacobian,
    LogOdds,
    Loss,
    Positions,
    Request,
    TokenIds,
    Weights,
)

CORPUS = texts(20, 25, 13, 30).select([3, 1, 0, 2])
RUN: dict[str, Any] = {"tokens": 20, "positions": Positions("9,12")}
HEADS = Ablation("head", ((0, 1), (2, 3)))
ASKED: tuple[Request, ...] = (
    *(Activations(site, None, reduce) for site in SITES for reduce in ("none", "norm", "mean")),
    Activations("attn_pattern", (0, -1), "first"),
    Activations("attn_pattern", (1,), "induction", Positions("3:9:2")),
    Loss(),
    Loss(texts=("t3", "t0")),
    Loss(tokens=9),
    Loss(ablation=HEADS),
    LogOdds((3, 9)),
    LogOdds((3,), ablation=HEADS, tokens=12, texts=("t2",)),
    TokenIds(),
    TokenIds(5),
    InductionScores(3, 6, layers=(-1,)),
    *(Jacobian(block, 2, (0, 2), answer=answer) for block in ("mlp", "attention") for answer in ("tokens", "values")),
    Jacobian("mlp", 2, texts=2, answer="token_values", normalised=False),
    *(Weights(name, (1,)) for name in MATRICES if name not in ("mlp_gate", "embedding", "unembedding")),
    Weights("embedding"),
    Weights("unembedding"),
)


def test_every_kind_of_request_is_computed_and_tried_here() -> None:
    assert {*MEASURES, *NUMBERS, Jacobian} == set(REQUESTS) == {type(asked) for asked in ASKED}


@pytest.mark.parametrize("asked", ASKED, ids=repr)
def test_a_request_says_what_is_recorded_for_it(
    asked: Request, load: Callable[..., LanguageModel], store: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_head: list[bool] = []
    real = NetworkLoader.load

    def noted(self: NetworkLoader, variant: Any, head: bool) -> Any:
        with_head.append(head)
        return real(self, variant, head)

    monkeypatch.setattr(NetworkLoader, "load", noted)
    model = load()
    recording = model.record(CORPUS, [asked], **RUN)
    reading = model.reading(CORPUS, **RUN)
    layers, entries = asked.layers_in(model.shape), asked.entries(reading)
    lengths = {reading.keys[text.id]: n for text, n in zip(CORPUS.texts, reading.lengths, strict=True)}
    rows = [reading.keys[CORPUS.texts[i].id] for i in asked.chosen(CORPUS)]
    rows += [text_key(one.ids) for one in model.reader.repeated(asked.drawn, reading.vocabulary)]

    # what is kept of each row: these entries, in so many bytes
    files: dict[str, tuple[StoredFile, ...]] = model._shelf(None).find([*(rows or [NO_TEXT])])
    for key, of_row in files.items():
        (file,) = of_row
        assert set(file.layout) == {entry.key for entry in entries}
        size = asked.size(reading, lengths.get(key, 0))
        assert {span.size for span in file.layout.values()} == {size}, key
    (usage,) = store.usage()
    assert usage.files == len(set(rows or [NO_TEXT]))

    # layers and rows of what is read again
    for layer in layers:
        array = recording.array(asked, layer)
        assert not asked.has_rows or len(array) == len(rows)
        order = sorted(range(len(CORPUS)), key=lambda i: CORPUS.texts[i].id)
        sorted_rows = array[order] if asked.in_corpus_order else array
        np.testing.assert_array_equal(recording.by_id().array(asked, layer), sorted_rows)
        np.testing.assert_array_equal(recording.array(asked, layer), array)
    with pytest.raises(ClaimError, match="Nothing was recorded"):
        recording.array(asked.for_variant("untrained:0"), layers[0])

    # what it took
    assert with_head == [asked.needs_head]
    assert bool(recording.ablation_passes) == asked.passes_apart
    assert bool(asked.reads(20)) == (not isinstance(asked, (TokenIds, Weights)))
