"""Attention between the norms of a block, at a window of tokens, and what it does to tangents, cotangents and single tokens."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from modclaims.errors import ModelError
from modclaims.lm.attention import Product, entering, register
from modclaims.lm.block_cores import NUMBER, Core
from modclaims.lm.block_inputs import BlockInput
from modclaims.lm.exact_parts import ExactParts, each_tensor
from modclaims.lm.untyped import Untyped


@dataclass(frozen=True, eq=False)
class Attention(Core):
    """Queries, keys and values by the architecture's own way from what is read; from there on, plain products.

    For one head, a query t of the window and any key k, o_t = sum_k A_tk v_k and w_tk = A_tk slope_tk, where slope is that of
    the score by the product q . k. So d o_t = sum_k A_tk dv_k + sum_k w_tk (v_k - o_t) (dq_t . k_k + q_t . dk_k), of which
    keys that are held still bring what dq_t multiplies alone.
    """

    output: torch.Tensor
    """(token, unit), of the window."""
    entry: Entrance
    """From what is read to queries, keys and values."""
    query: torch.Tensor
    """(query head, token, unit), of the window; so are the next three."""
    key: torch.Tensor
    value: torch.Tensor
    mixed: torch.Tensor
    """o, (query head, token, unit)."""
    pattern: torch.Tensor
    """A, (query head, query, key), of the window alone."""
    weights: torch.Tensor
    """w, the same."""
    turned: torch.Tensor
    """sum_k w_tk (v_k - o_t) k_k', (query head, token, unit of the value, unit of the key), over all keys."""
    out: torch.Tensor
    """(unit, head and its unit)"""
    kv_heads: int
    held: int

    @property
    def heads(self) -> int:
        return len(self.query)

    @property
    def inner(self) -> int:
        return len(self.out.T)

    def ranks(self, tokens: int) -> list[int]:
        """Where heads share values, less than is wide at the first tokens.

        Let W be the span, m = min(t, head width) dimensions at most, of what the values at tokens up to t differ by. The
        r heads that share them move by what their patterns do, each inside W (r m dimensions), and by what the values do,
        of which token t's own is new: beyond W, the same for all r but for a factor (head width - m dimensions). W
        only grows from token to token, so this adds up. In an encoder W is that of all tokens.
        """
        shared, head_width = self.heads - self.kv_heads, self.inner // self.heads
        others = range(self.held, self.held + tokens) if self.triangular else [self.held + tokens - 1] * tokens
        return [self.kv_heads * head_width + shared * min(other, head_width) for other in others]

    def column_bytes(self, tokens: int) -> int:
        return NUMBER * tokens * (6 * len(self.out) + 8 * self.inner + 5 * self.heads * tokens)

    def jvp(self, tangents: torch.Tensor) -> torch.Tensor:
        d_query, d_key, d_value = self._moving.push(tangents).unbind(1)  # (column, head, token, unit)
        scores = (self.query @ d_key.transpose(2, 3)).mul_(self.weights)
        moved = self.pattern @ d_value + scores @ self.value - scores.sum(dim=-1, keepdim=True) * self.mixed
        moved += (self.turned @ d_query[..., None])[..., 0]
        return moved.transpose(1, 2).flatten(2) @ self.out.T

    def vjp(self, cotangents: torch.Tensor) -> torch.Tensor:
        columns, tokens = cotangents.shape[:2]
        wanted = (cotangents @ self.out).reshape(columns, tokens, self.heads, -1).transpose(1, 2)
        scores = wanted @ self.value.transpose(1, 2) - (wanted * self.mixed).sum(dim=-1, keepdim=True)
        scores *= self.weights
        for_key = scores.transpose(2, 3) @ self.query
        for_value = self.pattern.transpose(1, 2) @ wanted
        for_query = (self.turned.transpose(2, 3) @ wanted[..., None])[..., 0]
        return self._moving.pull(torch.stack([for_query, for_key, for_value], dim=1))

    def from_token(self, key: int) -> Callable[[int], torch.Tensor]:
        """What moving one token of the window does to others' outputs: by token, (output unit, unit of what is read)."""
        d_query, d_key, d_value = self.entry.moved(key)  # (head, unit of the head, unit)

        def to(token: int) -> torch.Tensor:
            by_score = self.query[:, None, token] @ d_key  # (head, 1, unit)
            apart = (self.value[:, key] - self.mixed[:, token]) * self.weights[:, token, key, None]
            middle = self.pattern[:, token, key, None, None] * d_value
            middle = torch.baddbmm(middle, apart[:, :, None], by_score)
            if token == key:
                middle = torch.baddbmm(middle, self.turned[:, token], d_query)
            made: torch.Tensor = self.out @ middle.flatten(0, 1)
            return made

        return to

    @cached_property
    def _moving(self) -> _Derivative:
        return _Derivative(self.entry.window, self.entry.read)

    @cached_property
    def triangular(self) -> bool:
        """Whether no token attends to what comes after it."""
        return not self.pattern.triu(diagonal=1).any()

    def attends(self, token: int, key: int) -> bool:
        """Whether a token of the window attends to one of it."""
        return bool(self.pattern[:, token, key].any())


@dataclass(frozen=True, eq=False)
class Entrance:
    """From what attention reads to queries, keys and values, (which, query head, token, unit), token by token."""

    module: Any  # the architecture's own
    read: torch.Tensor
    """(token, unit), of the window."""
    held: int
    """Tokens before the window."""
    arguments: tuple[Untyped, ...]
    keywords: Mapping[str, Untyped]
    linear: bool
    """Whether queries, keys and values are linear in what is read, but for what is added to them: no norm stands between."""
    kept: dict[int, torch.Tensor] | None = None
    """What `moved` found before, by the token's position, where that is the same for all texts."""

    def window(self, read: torch.Tensor) -> torch.Tensor:
        """Of all tokens of the window, from what is read of them."""
        return self._entered(read[None], 0, len(read))[:, 0]

    def moved(self, token: int) -> torch.Tensor:
        """How they move by each unit of what one token reads: (which, query head, unit of the head, unit)."""
        position = self.held + token
        if self.kept is not None and position in self.kept:
            return self.kept[position]
        units = torch.eye(self.read.shape[1], dtype=torch.float64, device=self.read.device)
        if self.linear:
            with torch.no_grad():
                origin = self._entered(torch.zeros_like(units[:1, None]), token, token + 1)
                by_unit = (self._entered(units[:, None], token, token + 1) - origin).movedim(1, 0)
        else:
            here = self.read[token : token + 1]
            by_unit = _Derivative(lambda one: self._entered(one[None], token, token + 1)[:, 0], here).push(
                units[:, None]
            )
        made = by_unit[:, :, :, 0].permute(1, 2, 3, 0).contiguous()
        if self.kept is not None:
            self.kept[position] = made
        return made

    def _entered(self, read: torch.Tensor, first: int, after: int) -> torch.Tensor:
        """Of some tokens of the window by themselves: (which, text, query head, token, unit) from (text, token, unit)."""
        cut = _of_tokens(self.held + len(self.read), slice(self.held + first, self.held + after))
        arguments, keywords = (each_tensor(value, cut) for value in (self.arguments, dict(self.keywords)))
        product = entering(self.module, read, *arguments, **keywords)
        return torch.stack(_by_query_head(product))


def _by_query_head(product: Product) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values, each with as many heads as there are queries."""
    return product.query, product.by_query_head(product.key), product.by_query_head(product.value)


def _of_tokens(tokens: int, some: slice) -> Callable[[torch.Tensor], torch.Tensor | None]:
    """Cuts what an attention module is called with down to some of the tokens: rotations, (text, token, unit), and positions,
    (text, token) or (token,). A mask, (text, head, query, key), says nothing of queries, keys and values."""

    def cut(value: torch.Tensor) -> torch.Tensor | None:
        if value.ndim == 4:
            return None
        if value.ndim in (2, 3) and value.shape[1] == tokens:
            return value[:, some]
        return value[some] if value.ndim == 1 and len(value) == tokens else value

    return cut


class _Derivative:
    """Of a function from one tensor to another, at a point; the function's own value is computed once for all columns.

    Forwards is backwards twice: what a cotangent gives is linear in it, so the derivative of that is the transpose. It
    costs as much as torch's forward mode, which cannot be loaded without a warning.
    """

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor) -> None:
        backwards: Any = torch.func.vjp  # its type allows for a third result
        output, pull = backwards(function, at)
        _, push = backwards(lambda cotangent: pull(cotangent)[0], torch.zeros_like(output))
        self._pull, self._push = pull, push

    def push(self, tangents: torch.Tensor) -> torch.Tensor:
        """Tangents of the input, (column, ...), to those of the output."""
        return self._each(self._push, tangents)

    def pull(self, cotangents: torch.Tensor) -> torch.Tensor:
        """Cotangents of the output, (column, ...), to those of the input."""
        return self._each(self._pull, cotangents)

    @staticmethod
    def _each(through: Untyped, columns: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = torch.func.vmap(lambda column: through(column)[0])(columns)
        return made


def attention_core(
    exact: ExactParts, read: torch.Tensor, inputs: BlockInput, kept: dict[int, torch.Tensor] | None = None
) -> Attention:
    """Attention at what it reads, (token, unit), the tokens that are held still included.

    `kept` is filled with how queries, keys and values move, and read from, where that does not hang on the text.
    Raises `ModelError` where a token's do not follow from what is read of it alone.
    """
    anatomy, shape, held = exact.network.anatomy, exact.network.shape, inputs.held
    module: Untyped = copy.deepcopy(exact.network.part(exact.layer, anatomy.attention)).to(exact.device, torch.float64)
    module.config._attn_implementation = register()  # its own copy
    for path in anatomy.head_norms:
        module.set_submodule(path.removeprefix(f"{anatomy.attention}."), exact.norm(path))
    arguments, keywords = exact.all(inputs.arguments), exact.all(dict(inputs.keywords))
    linear = not anatomy.head_norms
    entry = Entrance(module, read[held:], held, arguments, keywords, linear, kept if linear else None)
    with torch.no_grad():
        product = entering(module, read[None], *arguments, **keywords)
        query, key, value = (part[0] for part in _by_query_head(product))
        _require_tokenwise(entry, torch.stack([query, key, value])[:, :, held:], shape.name)
        queries = torch.arange(held, len(read), device=exact.device)
        pattern = product.pattern(queries)[0]
        weights = pattern * product.slopes(queries)[0]
        mixed = pattern @ value
        turned = torch.stack(
            [
                ((value - mixed[:, t, None]) * weights[:, t, :, None]).transpose(1, 2) @ key
                for t in range(mixed.shape[1])
            ],
            dim=1,
        )
        out = exact.matrix("o")
        output = mixed.transpose(0, 1).flatten(1) @ out.T + exact.bias("o")
    mine = (query[:, held:], key[:, held:], value[:, held:])
    here = (mixed, pattern[:, :, held:], weights[:, :, held:], turned)
    return Attention(output, entry, *mine, *here, out, shape.kv_heads, held)


def _require_tokenwise(entry: Entrance, found: torch.Tensor, name: str) -> None:
    """Queries, keys and values of the window by itself are those that the whole text gives."""
    alone = entry.window(entry.read)
    if not torch.allclose(alone, found, rtol=0, atol=1e-9 * float(found.abs().max())):
        raise ModelError(
            f"Queries, keys and values of a token of model {name!r} do not follow from what its attention reads of that token; "
            "its Jacobian is not known."
        )
