"""A recording's arrays, read from the store when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from modclaims.errors import ClaimError
from modclaims.lm.store import RecordingStore
from modclaims.lm.stored_files import StoredFile, read_into
from modclaims.recording import Array, Reading, Request


@dataclass(frozen=True)
class StoredSource:
    """A recording's arrays, read from the store when asked for, so that memory holds only what is being weighed."""

    store: RecordingStore = field(repr=False, compare=False)
    """Held because a temporary store's files go with it."""
    reading: Reading
    texts: tuple[str, ...]
    """Keys of `text_key`, in the corpus' order."""
    files: Mapping[str | None, Mapping[str, tuple[StoredFile, ...]]] = field(repr=False)
    """By variant as requests write it, then by text key."""
    rows: Mapping[Request, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """Of requests whose rows are not the texts in the corpus' order, their keys."""

    def array(self, request: Request, layer: int = 0) -> Array:
        """See `Recording.array`; where texts differ in length, missing keys of `attn_pattern` are zero.

        Raises `ClaimError` for what was not recorded and `UsageError` if a file has gone since.
        """
        entry = request.entry(layer, self.reading)
        held = [self._held(request, layer, key, entry.key) for key in self.rows.get(request, self.texts)]
        spans = [file.layout[entry.key] for file in held]
        shape = tuple(max(sizes) for sizes in zip(*(span.shape for span in spans), strict=True))
        values = np.zeros((len(spans), *shape), dtype=spans[0].dtype)
        flat = values.reshape(len(spans), -1)  # rows are views even where an entry is a single number
        for index, (file, span) in enumerate(zip(held, spans, strict=True)):
            if span.shape == shape:
                read_into(file.path, span, flat[index])
            else:
                part = np.empty(span.shape, dtype=span.dtype)
                read_into(file.path, span, part.reshape(-1))
                values[index][tuple(slice(size) for size in span.shape)] = part
        return values if request.has_rows else values[0]

    def _held(self, request: Request, layer: int, text: str, key: str) -> StoredFile:
        for file in self.files.get(request.variant, {}).get(text, ()):
            if key in file.layout:
                return file
        raise ClaimError(f"Nothing was recorded for {request} at layer {layer}.")
