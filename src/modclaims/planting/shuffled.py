"""Real activations whose labels chance has exchanged, so that no category differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from modclaims.corpus import Corpus
from modclaims.families.common.units import Units
from modclaims.recording import MemorySource, Recording, Request
from modclaims.stats.chance.actions import index_permutations

RECORDED_LAYOUTS = {"64 crossed, topic": ("topic", "style"), "64 crossed, style": ("style", "topic")}
"""Labels of the recorded texts, and the strata that they are exchanged in."""
LAST = 5
"""The embedded model's last layer."""


@dataclass
class _Shared:
    """What the embedded model was recorded to do, in this process; None where no scenario needs it."""

    recording: Recording | None = None


_shared = _Shared()


def share(recording: Recording | None) -> None:
    """Hand the embedded model's recording to this process."""
    _shared.recording = recording


def planted(layout: str, rng: np.random.Generator) -> Recording:
    """The recording that was handed to this process, its labels exchanged."""
    assert _shared.recording is not None, "the embedded model was not recorded"
    return exchanged(_shared.recording, *RECORDED_LAYOUTS[layout], rng)


def kept(recording: Recording, requests: Iterable[Request]) -> Recording:
    """The recording with these requests' arrays in memory, so that it can be handed to another process."""
    arrays = {
        (request, layer): recording.array(request, layer)
        for request in requests
        for layer in recording.shape.resolve_layers(request)
    }
    return replace(recording, source=MemorySource(arrays))


def exchanged(recording: Recording, label: str, within: str | None, rng: np.random.Generator) -> Recording:
    """The recording with the values of `label` exchanged among its texts, inside the strata `within`."""
    design = Units.of(recording.corpus, label, within).design
    order = index_permutations(design, draws=1, rng=rng)[1]
    texts = recording.corpus.texts
    moved = tuple(
        replace(text, labels={**text.labels, label: texts[j].labels[label]})
        for text, j in zip(texts, order, strict=True)
    )
    return replace(recording, corpus=Corpus(recording.corpus.name, moved))
