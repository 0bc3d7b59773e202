"""The one attention implementation behind every recording: sdpa, with a tap on what enters it.

Registered through the public interfaces of transformers, so that q, k and v are taken as they enter the product, after
norms and rotation, and patterns are computed for the queries asked for only. Switching to eager attention would cost
1.7 times as much and move every other number in its last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch

from modclaims.lm.anatomy import ATTENTION
from modclaims.lm.untyped import Untyped

NAME = ATTENTION
SCORES_AT_ONCE = 2**24
"""Attention scores that are held at a time where sdpa does not serve: 64 MiB of float32."""


@dataclass(frozen=True)
class Product:
    """What enters the attention product of one layer, for one batch."""

    query: torch.Tensor
    """(text, head, token, unit), not yet times `scale`."""
    key: torch.Tensor
    """(text, key-value head, token, unit)."""
    value: torch.Tensor
    """(text, key-value head, token, unit)."""
    mask: torch.Tensor | None
    """(text, 1, query, key): bool, True where attended; or a number to be added to the scores."""
    scale: float
    """The softmax scale, if the network has not multiplied the queries by it already."""
    causal: bool
    """Whether a missing mask means that each token attends to itself and what is before it."""
    cap: float | None = None
    """Scores are squashed below it by a tanh, before the mask."""

    def pattern(self, queries: torch.Tensor) -> torch.Tensor:
        """Attention probabilities of some queries (a 1-D index), (text, head, query, key), in float32 or float64."""
        scores = self._scores(queries)
        if self.mask is not None:
            rows = self.mask.index_select(2, queries)
            scores = scores.masked_fill(~rows, -torch.inf) if rows.dtype == torch.bool else scores + rows
        elif self.causal:
            keys = torch.arange(scores.shape[-1], device=queries.device)
            scores = scores.masked_fill(keys > queries[:, None], -torch.inf)
        return scores.softmax(dim=-1)

    def paid(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Attention that each of some queries pays to a key of its own, (text, head, query), some queries at a time."""
        texts, heads, count = *self.query.shape[:2], self.key.shape[2]
        step = max(1, SCORES_AT_ONCE // (texts * heads * count))
        parts = []
        for some, theirs in zip(torch.split(queries, step), torch.split(keys, step), strict=True):
            pattern = self.pattern(some)
            index = theirs[None, None, :, None].expand(*pattern.shape[:3], 1)
            parts.append(pattern.gather(3, index)[..., 0])
        return torch.cat(parts, dim=2)

    def slopes(self, queries: torch.Tensor) -> torch.Tensor:
        """d score / d (query . key) of some queries, (text, head, query, key): the scale, less where the cap squashes."""
        scores = self._scores(queries)
        if self.cap is None:
            return torch.full_like(scores, self.scale)
        return self.scale * (1 - (scores / self.cap) ** 2)

    def mixed(self) -> torch.Tensor:
        """Values mixed by the patterns of all queries, (text, query, head, unit), some queries at a time."""
        value = self.by_query_head(self.value)
        texts, heads, keys = value.shape[:3]
        queries = torch.arange(self.query.shape[2], device=value.device)
        parts = torch.split(queries, max(1, SCORES_AT_ONCE // (texts * heads * keys)))
        return torch.cat([self.pattern(part).to(value.dtype) @ value for part in parts], dim=2).transpose(1, 2)

    def by_query_head(self, kept: torch.Tensor) -> torch.Tensor:
        """Keys or values, (..., head, token, unit), with one head for each query head, which may share them."""
        groups = self.query.shape[-3] // kept.shape[-3]
        return kept if groups == 1 else kept.repeat_interleave(groups, dim=-3)

    def _scores(self, queries: torch.Tensor) -> torch.Tensor:
        """Scores before the mask, (text, head, query, key), in float32 or float64."""
        key = self.by_query_head(self.key)
        scores = (self.query.index_select(2, queries) @ key.transpose(2, 3)) * self.scale
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return scores if self.cap is None else self.cap * torch.tanh(scores / self.cap)


Tap = Callable[[Product], None]
_taps: WeakKeyDictionary[torch.nn.Module, Tap] = WeakKeyDictionary()


@contextmanager
def tapped(module: torch.nn.Module, tap: Tap) -> Iterator[None]:
    """Call `tap` each time this attention module is about to multiply; it must keep copies of what it wants only."""
    _taps[module] = tap
    try:
        yield
    finally:
        del _taps[module]


class _Entered(Exception):
    """Raised inside an attention module once it is known what enters its product."""

    def __init__(self, product: Product) -> None:
        self.product = product


def entering(module: torch.nn.Module, *arguments: Untyped, **keywords: Untyped) -> Product:
    """What enters the product when an attention module is called so, differentiable; the module is run no further."""

    def stop(product: Product) -> None:
        raise _Entered(product)

    with tapped(module, stop):
        try:
            module(*arguments, **keywords)
        except _Entered as entered:
            return entered.product
    raise AssertionError("the module was loaded with another attention implementation")


def register() -> str:
    """Make the implementation known to transformers; the name to load models with."""
    import transformers  # here, because it brings huggingface_hub: see `checkpoint`

    interfaces: Any = transformers  # parts of it are untyped
    sdpa = interfaces.AttentionInterface()["sdpa"]

    def attend(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Untyped,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        scale, causal, cap = kwargs.get("scaling"), kwargs.get("is_causal"), kwargs.get("softcap")
        product = Product(
            query,
            key,
            value,
            attention_mask,
            query.shape[-1] ** -0.5 if scale is None else scale,
            bool(getattr(module, "is_causal", True) if causal is None else causal),
            cap,
        )
        if (tap := _taps.get(module)) is not None:
            tap(product)
        if cap is not None:  # sdpa cannot squash scores
            return product.mixed().contiguous(), None
        output: tuple[torch.Tensor, torch.Tensor | None] = sdpa(module, query, key, value, attention_mask, **kwargs)
        return output

    interfaces.AttentionInterface.register(NAME, attend)
    interfaces.AttentionMaskInterface.register(NAME, interfaces.AttentionMaskInterface()["sdpa"])
    return NAME
