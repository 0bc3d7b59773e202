"""One forward pass serves every site and position asked for, and runs no further than the last of them.

Values are taken by hooks where a module's input or output is the site, and by the tap of `attention` where attention
multiplies. Only the rows at the positions asked for are copied, so memory does not grow with the length of the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from numpy.typing import NDArray

from modclaims.lm.attention import Product, tapped
from modclaims.lm.network import Network
from modclaims.lm.untyped import Untyped
from modclaims.recording import Array, Entry
from modclaims.recording.entries import INDUCTION, LOSS

LOGITS_AT_ONCE = 2**22
"""Logits that are held at a time for the loss: 16 MiB of float32."""


class _Enough(Exception):
    """Raised inside the forward pass once everything asked for has been taken."""


def extract(network: Network, ids: NDArray[Untyped], entries: Iterable[Entry]) -> dict[Entry, Array]:
    """Entries of one batch, each with a leading text axis, as float32 (float64 from a float64 network).

    `ids` is (text, token): texts of equal token count, so that nothing is padded. After the text axis an entry has
    (position, unit), or (position, head, unit) for the sites of heads; `norm`, `first` and `induction` take the last axis
    away, `mean` the positions; induction scores are (head,); the loss is one float64 a text. Layers after the last one needed are not run, nor the head unless the
    loss is asked for. Positions must be below the token count.
    """
    entries = frozenset(entries)
    loss = Entry(LOSS) if Entry(LOSS) in entries else None
    tokens = torch.from_numpy(ids).to(network.device)
    take = _Take(network, tokens, entries - {loss}, stop=loss is None)
    with torch.inference_mode(), take.hooked():
        try:
            hidden = network.trunk(input_ids=tokens, use_cache=False).last_hidden_state
        except _Enough:
            return take.taken
        if loss is not None:
            assert network.head is not None, "a network whose loss is wanted is loaded with its head"
            take.taken[loss] = next_token_loss(hidden, network.head, tokens, network.logit_cap).numpy()
    return take.taken


def next_token_loss(
    hidden: torch.Tensor, head: torch.nn.Module, ids: torch.Tensor, logit_cap: float | None = None
) -> torch.Tensor:
    """Mean negative log-probability, in nats, of each text's tokens after the first, given those before: (text,) float64.

    `hidden` is (text, token, unit), `ids` (text, token) with at least two tokens. Logits are made a few rows at a time,
    and squashed below `logit_cap`, where there is one, by cap * tanh(logit / cap).
    """
    weight = max(head.parameters(), key=len)  # a logit for each row
    rows = max(1, LOGITS_AT_ONCE // len(weight))
    losses = []
    for states, targets in zip(hidden[:, :-1].to(weight.device), ids[:, 1:].to(weight.device), strict=True):
        nats = torch.zeros((), dtype=torch.float64)
        for some, next_ones in zip(states.split(rows), targets.split(rows), strict=True):
            logits = _logits(some, head, logit_cap)
            nats += torch.nn.functional.cross_entropy(logits, next_ones, reduction="none").double().sum().cpu()
        losses.append(nats / len(targets))
    return torch.stack(losses)


def log_odds(
    hidden: torch.Tensor, head: torch.nn.Module, among: Sequence[int], logit_cap: float | None = None
) -> torch.Tensor:
    """ln P(next token among these) - ln P(it is another), mean over each text's tokens but the last: (text,) float64.

    `hidden` is (text, token, unit). The last token's prediction is left out, as it is of the loss.
    """
    weight = max(head.parameters(), key=len)  # a logit for each row
    rows = max(1, LOGITS_AT_ONCE // len(weight))
    mine = torch.zeros(len(weight), dtype=torch.bool, device=weight.device)
    mine[list(among)] = True
    means = []
    for states in hidden[:, :-1].to(weight.device):
        total = torch.zeros((), dtype=torch.float64)
        for some in states.split(rows):
            logits = _logits(some, head, logit_cap)
            inside, outside = logits[:, mine].logsumexp(dim=1), logits[:, ~mine].logsumexp(dim=1)
            total += (inside - outside).double().sum().cpu()
        means.append(total / len(states))
    return torch.stack(means)


def _logits(states: torch.Tensor, head: torch.nn.Module, cap: float | None) -> torch.Tensor:
    logits = _exact(head(states))
    return logits if cap is None else cap * torch.tanh(logits / cap)


def _exact(values: torch.Tensor) -> torch.Tensor:
    """At least float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class _Take:
    """What one forward pass leaves behind: hooks put rows into `taken`, and end the pass when nothing is missing."""

    def __init__(self, network: Network, ids: torch.Tensor, entries: Iterable[Entry], *, stop: bool) -> None:
        self.network = network
        self.ids = ids
        self.texts, self.tokens = ids.shape
        self.missing = set(entries)
        self.stop = stop
        self.taken: dict[Entry, Array] = {}
        self._indices: dict[tuple[tuple[int, ...], torch.device], torch.Tensor] = {}

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Hooks are there while the context lasts."""
        at: dict[tuple[int, str], list[Entry]] = {}
        for entry in self.missing:
            at.setdefault((entry.layer, entry.site), []).append(entry)
        products: dict[int, dict[str, list[Entry]]] = {}
        with ExitStack() as stack:
            for (layer, site), entries in at.items():
                if site in _PRODUCT_ROWS:
                    products.setdefault(layer, {})[site] = entries
                else:
                    stack.callback(self._hook(layer, site, entries).remove)
            for layer, by_site in products.items():
                attention = self.network.part(layer, self.network.anatomy.attention)
                stack.enter_context(tapped(attention, self._tap(by_site)))
            yield

    def _hook(self, layer: int, site: str, entries: list[Entry]) -> torch.utils.hooks.RemovableHandle:
        """Take a site that is a module's input (`before`) or output."""
        before, path = self.network.anatomy.site(site)

        def keep(states: torch.Tensor) -> None:
            states = states.reshape(self.texts, self.tokens, -1)  # OPT's MLP makes texts and tokens one axis
            self._keep(entries, lambda index: self._shaped(layer, site, states.index_select(1, index)), states.device)

        def on_input(_: torch.nn.Module, args: tuple[Untyped, ...], kwargs: dict[str, Untyped]) -> None:
            keep(args[0] if args else kwargs["hidden_states"])

        def on_output(_: torch.nn.Module, __: tuple[Untyped, ...], output: Untyped) -> None:
            keep(output[0] if isinstance(output, tuple) else output)

        module = self.network.part(layer, path)
        if before:
            return module.register_forward_pre_hook(on_input, with_kwargs=True)
        return module.register_forward_hook(on_output)

    def _shaped(self, layer: int, site: str, rows: torch.Tensor) -> torch.Tensor:
        """(text, position, unit) with heads apart for the sites of heads."""
        if site not in ("head_z", "head_write"):
            return rows
        z = rows.view(*rows.shape[:2], self.network.shape.heads, -1)
        if site == "head_z":
            return z
        matrix = _exact(self.network.matrix(layer, "o"))  # (unit of the residual, head and unit)
        return torch.einsum("tphu,dhu->tphd", _exact(z), matrix.view(len(matrix), *z.shape[2:]))

    def _tap(self, by_site: dict[str, list[Entry]]) -> Callable[[Product], None]:
        """Take sites where attention multiplies."""

        def tap(product: Product) -> None:
            for site, entries in by_site.items():
                self._keep(entries, partial(_PRODUCT_ROWS[site], product), product.query.device)

        return tap

    def _index(self, positions: tuple[int, ...], device: torch.device) -> torch.Tensor:
        if (positions, device) not in self._indices:
            self._indices[positions, device] = torch.tensor(positions, device=device)
        return self._indices[positions, device]

    def _keep(self, entries: list[Entry], rows: Callable[[torch.Tensor], torch.Tensor], device: torch.device) -> None:
        """Copy the rows at each entry's positions, reduced, to the CPU. `rows` gives (text, position, ..., unit)."""
        at: dict[tuple[int, ...], torch.Tensor] = {}
        for entry in entries:
            if entry.positions not in at:
                at[entry.positions] = _exact(rows(self._index(entry.positions, device)))
            values = at[entry.positions]
            if entry.reduce == "norm":
                values = torch.linalg.vector_norm(values, dim=-1)
            elif entry.reduce == "mean":
                values = values.mean(dim=1)
            elif entry.reduce == "first":
                values = values[..., 0]
            elif entry.reduce == "induction":
                followers = after_earlier(self.ids.to(device), self._index(entry.positions, device))
                values = (values * followers[:, :, None]).sum(dim=-1)
            self.taken[entry] = values.cpu().contiguous().numpy()
            self.missing.discard(entry)
        if self.stop and not self.missing:
            raise _Enough


def after_earlier(ids: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """(text, query, token) whether a token stands before the query and right after an earlier occurrence of its token."""
    same = ids[:, None, :-1] == ids.index_select(1, queries)[:, :, None]  # where the query's token occurs
    after = torch.nn.functional.pad(same, (1, 0))
    return after & (torch.arange(ids.shape[1], device=ids.device) < queries[:, None])


def _induction(product: Product, queries: torch.Tensor) -> torch.Tensor:
    """(text, query, head) attention of the second half of random tokens that come twice, all of it asked for, to what
    followed each of them in the first."""
    return product.paid(queries, queries + 1 - len(queries)).transpose(1, 2)


_PRODUCT_ROWS: dict[str, Callable[[Product, torch.Tensor], torch.Tensor]] = {
    "q": lambda product, index: (product.query.index_select(2, index) * product.scale).transpose(1, 2),
    "k": lambda product, index: product.key.index_select(2, index).transpose(1, 2),
    "v": lambda product, index: product.value.index_select(2, index).transpose(1, 2),
    "attn_pattern": lambda product, index: product.pattern(index).transpose(1, 2),
    INDUCTION: _induction,
}
"""Sites that are taken where attention multiplies, (text, position, head, unit or key), and (text, position, head)."""
