"""A model before its weights are read: its shape, and how it reads texts, from configuration and tokenizer alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from modclaims.corpus import Corpus
from modclaims.errors import ModelError
from modclaims.lm.model import LanguageModel
from modclaims.lm.model_files import LoadingOptions, find_model
from modclaims.lm.store import RecordingStore
from modclaims.lm.untyped import Untyped
from modclaims.model_set import ModelSet
from modclaims.recording import Recording, Request


class Outline(LanguageModel):
    """What a `LanguageModel` knows without its weights, which are neither hashed nor loaded: it records nothing."""

    def _provenance(self) -> dict[str, str]:
        return {"model": self.checkpoint.origin}

    def record(self, corpus: Corpus, requests: Sequence[Request], **options: Untyped) -> Recording:
        raise ModelError(f"Of model {self.shape.name!r} only the outline was read; load it to record anything.")


def read_outline(spec: str = "embedded", *, batch_size: int = 8, **options: Unpack[LoadingOptions]) -> Outline:
    """The model that `spec` means, with the options of `load_model`, as that would find it. Raises what that raises."""
    store = RecordingStore()
    files = find_model(spec, store, **options)
    if not store.root.exists():  # who only plans is left no store
        files = replace(files, kept=None)
    return Outline(files, batch_size, store)


def read_outlines(
    spec: str, beside: Sequence[str], *, batch_size: int = 8, **options: Unpack[LoadingOptions]
) -> tuple[Outline, ModelSet[Outline] | None]:
    """The model that `spec` means, and all of the run's models as one where there are some beside it."""
    own, *others = [read_outline(one, batch_size=batch_size, **options) for one in (spec, *beside)]
    return own, ModelSet(own, others) if others else None
