"""Jacobians of single blocks at real inputs, in float64: exact where they are small, as operators where they are not.

A block is what it adds to the residual, as a function of its input stream: its own normalisation, a core (the MLP or
attention), and a sandwich norm where there is one. So is its Jacobian: a product of three, of which the outer two act on
each token by itself, and are a projection, a diagonal and a number there. An MLP acts on each token by itself too, and
is as many small Jacobians as there are tokens; attention joins them, and is formed from pairs of tokens. Tokens may stand in
the middle of a text (a window): those before it are read and held still.

Weights are copied to float64 a block at a time. Beyond that the numbers are those that the network itself computes
with, which it may have rounded: streams, masks and rotations are taken from its own forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from modclaims.errors import ClaimError, ModelError
from modclaims.lm.attention_core import Attention, attention_core
from modclaims.lm.block_cores import NUMBER, Core, Mlp, mlp_core
from modclaims.lm.block_inputs import BlockInput
from modclaims.lm.exact_norms import NormJacobian
from modclaims.lm.exact_parts import ExactParts
from modclaims.lm.network import Network
from modclaims.lm.untyped import Untyped

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Float64 = NDArray[np.float64]

BATCH_MEMORY = 2**28
"""Bytes that a batch of columns may take while an operator is applied to it, if no less is allowed."""
MAX_MEMORY = 2**31
"""Bytes that a result may take if nothing else is said."""


def block_jacobian(
    network: Network,
    inputs: BlockInput,
    *,
    normalised: bool = True,
    max_memory: int = MAX_MEMORY,
    kept: dict[int, torch.Tensor] | None = None,
) -> BlockJacobian:
    """d (what a block adds to the residual) / d (its input stream), at inputs that one text gave it.

    `network` may be a variant's, with other weights than those that made the inputs. What the block adds comes after a
    sandwich norm and before a post-norm. With `normalised` the block's own normalisation, with this network's weights, is
    part of it; without, the Jacobian is taken with respect to what that norm gives (a post-norm block has none: there it
    makes no difference). `max_memory` is in bytes. `kept` may be one dictionary for all texts that read a layer of one network:
    what is the same for all of them is put there, and taken from it.

    Raises `ModelError` where values are not finite, or the network is not as its anatomy says.
    """
    anatomy, layer = network.anatomy, inputs.layer
    device = network.part(layer, anatomy.path("o")).weight.device
    assert isinstance(device, torch.device)
    if device.type == "mps":  # has no float64
        device = torch.device("cpu")
    exact = ExactParts(network, layer, device)
    with torch.no_grad():
        stream: torch.Tensor = exact.all(inputs.stream)
        before = None
        if anatomy.is_pre_norm(network.trunk.config):
            norm = exact.norm(anatomy.norms[inputs.block])
            before = norm.jacobian(stream[inputs.held if inputs.block == "attention" else 0 :]) if normalised else None
            stream = norm(stream)
        core = mlp_core(exact, stream) if inputs.block == "mlp" else attention_core(exact, stream, inputs, kept)
        output, after = core.output, None
        if path := anatomy.sandwich.get(inputs.block):
            norm = exact.norm(path)
            output, after = norm(output), norm.jacobian(output)
    if not torch.isfinite(output).all():
        raise ModelError(
            f"The {inputs.block} of layer {layer} of model {network.shape.name!r} gives values that are not finite; "
            "try --dtype float32."
        )
    name = f"the {inputs.block} of layer {layer} of model {network.shape.name!r}"
    return BlockJacobian(name, output.cpu().numpy(), core, before, after, max_memory)


@dataclass(frozen=True, eq=False)
class BlockJacobian:
    """A block's Jacobian at T tokens of width d: (T d, T d), rows and columns by token, then unit."""

    name: str
    """Of which block, as errors say it."""
    output: Float64
    """What the block adds to the residual, (token, unit)."""
    core: Core
    before: NormJacobian | None
    """Of the block's own normalisation, if it has one that is part of this."""
    after: NormJacobian | None
    """Of the sandwich norm, if there is one."""
    max_memory: int = MAX_MEMORY
    """Bytes that a result may take, together with what it takes to make it; the block's own weights come on top."""

    @property
    def tokens(self) -> int:
        """T."""
        return len(self.output)

    @property
    def width(self) -> int:
        """d, the units of the residual."""
        return len(self.output[0])

    @property
    def tokenwise(self) -> bool:
        """Whether each token's output depends on that token alone, so that all blocks off the diagonal are zero."""
        return isinstance(self.core, Mlp)

    @property
    def triangular(self) -> bool:
        """Whether each token's output depends on no later token, so that all blocks above the diagonal are zero.

        Then the ranks of the diagonal blocks add up to no more than the rank of the whole.
        """
        return not isinstance(self.core, Attention) or self.core.triangular

    @property
    def rank_at_most(self) -> int:
        """What algebra alone allows, whatever the weights.

        Of its d dimensions a token loses one to a LayerNorm, the mean, and one to any norm whose eps is 0, its input's
        direction. No token gets more dimensions out of the core than this lets through, which is little at the first
        tokens of a text where heads share keys and values.
        """
        lost_before, lost_after = (0 if norm is None else norm.taken for norm in (self.before, self.after))
        through = sum(min(self.width - lost_after, most) for most in self.core.ranks(self.tokens))
        return min(self.tokens * (self.width - lost_before), through)

    def blocks(self) -> Float64:
        """All of a tokenwise Jacobian that is not zero: (token, output unit, input unit).

        Raises `ClaimError` for attention, which has more, and where `max_memory` does not allow it.
        """
        if not self.tokenwise:
            raise ClaimError(
                f"Tokens meet in {self.name}: its Jacobian is more than its diagonal blocks. Use dense(), diagonal_blocks() "
                "or operator()."
            )
        self._columns_beside("as a block a token", self._numbers_of_blocks)
        made = np.empty((self.tokens, self.width, self.width))
        for token, _, block in self._pairs():
            made[token] = block.cpu().numpy()
        return made

    def diagonal_blocks(self) -> Float64:
        """What each token's output owes to its own input: (token, output unit, input unit).

        In attention that is through its own query, key and value, with the other tokens as they are; the others' blocks
        are not formed. Raises `ClaimError` where `max_memory` does not allow it.
        """
        core = self.core
        if not isinstance(core, Attention):
            return self.blocks()
        self._columns_beside("on its diagonal", self._numbers_of_pairs)
        made = np.empty((self.tokens, self.width, self.width))
        for token, block in enumerate(made):
            block[:] = self._between_norms(core.from_token(token)(token), token, token).cpu().numpy()
        return made

    def grams(self) -> Float64:
        """J_t J_t' of each token's output by itself, J_t being its rows of the whole: (token, output unit, output unit).

        Raises `ClaimError` where `max_memory` does not allow it.
        """
        self._columns_beside(
            "as a product a token", self._numbers_of_blocks if self.tokenwise else self._numbers_of_pairs
        )
        made = np.zeros((self.tokens, self.width, self.width))
        for token, _, block in self._pairs():
            made[token] += (block @ block.T).cpu().numpy()
        return made

    def dense(self) -> Float64:
        """The whole matrix, (token and output unit, token and input unit).

        Raises `ClaimError` where `max_memory` does not allow it.
        """
        tokens, width = self.tokens, self.width
        if self.tokenwise:
            form, instead = "as one matrix", "blocks(), which leave out the zeros"
            self._columns_beside(form, lambda t: (t * width) ** 2 + self._numbers_of_blocks(t), instead)
        else:
            self._columns_beside("as one matrix", lambda t: (t * width) ** 2 + self._numbers_of_pairs(1))
        made = np.zeros((tokens, width, tokens, width))
        for token, key, block in self._pairs():
            made[token, :, key] = block.cpu().numpy()
        return made.reshape(tokens * width, tokens * width)

    def _pairs(self) -> Iterator[tuple[int, int, torch.Tensor]]:
        """What is not zero: an output's token, an input's, and (output unit, input unit) of the two."""
        with torch.no_grad():
            if isinstance(self.core, Mlp):
                for token in range(self.tokens):
                    yield token, token, self._between_norms(self.core.block(token), token, token)
                return
            assert isinstance(self.core, Attention)
            for key in range(self.tokens):
                to = self.core.from_token(key)
                for token in range(self.tokens):
                    if self.core.attends(token, key):
                        yield token, key, self._between_norms(to(token), token, key)

    def _between_norms(self, block: torch.Tensor, token: int, key: int) -> torch.Tensor:
        """A block of the core's Jacobian, (output unit, input unit), with the norms on its sides."""
        if self.before is not None:
            block = self.before.at(key).vjp(block[:, None])[:, 0]
        if self.after is not None:
            block = self.after.at(token).jvp(block.T[:, None])[:, 0].T
        return block

    def active(self, floor: float) -> NDArray[np.int64]:
        """(token,) neurons whose slope lies above `floor`, in units of the token's largest. Only of an MLP."""
        assert isinstance(self.core, Mlp)
        return np.asarray(self.core.active(floor).cpu().numpy(), dtype=np.int64)

    def explained(self, active: NDArray[np.int64], floor: float, largest: Float64) -> NDArray[np.int64]:
        """(token,) the rank that so many active neurons and the norms leave. Only of an MLP.

        `largest` is (token,) sigma_1 of each. A norm loses the mean, if it takes that out, and its input's direction where
        no more than `floor` of sigma_1 is left of it.
        """
        most, threshold = active, torch.from_numpy(floor * largest).to(self.core.device)
        with torch.no_grad():
            for norm, through in ((self.before, self._jvp), (self.after, self._vjp)):
                if norm is None:
                    continue
                own = norm.directions if norm is self.before else norm.directions / norm.weight
                left = through(own[None])[0].norm(dim=1) / own.norm(dim=1)
                lost = int(norm.centred) + (left <= threshold).long()
                most = np.minimum(most, self.width - lost.cpu().numpy())
        return np.minimum(most, self.width)

    def operator(self) -> LinearOperator:
        """The same matrix, never formed: a scipy `LinearOperator` in float64, with its adjoint.

        Columns are taken some at a time, so that no more than `max_memory` (nor `BATCH_MEMORY`) is used beyond what goes
        in and what comes out. Raises `ClaimError` if that does not suffice for one column.
        """
        from scipy.sparse.linalg import LinearOperator  # here, because it takes most of a second

        at_once = self._columns_beside("for one column alone", lambda _: 0, instead=None)
        forward, backward = (partial(self._apply, through, at_once) for through in (self._jvp, self._vjp))
        size = self.tokens * self.width
        return LinearOperator(
            (size, size), matvec=forward, matmat=forward, rmatvec=backward, rmatmat=backward, dtype=np.float64
        )

    def _apply(
        self, through: Callable[[torch.Tensor], torch.Tensor], at_once: int, columns: NDArray[Untyped]
    ) -> NDArray[np.float64]:
        """Columns, (token and unit, column) or a single one, some at a time."""
        rows = np.asarray(columns, dtype=np.float64).reshape(self.tokens * self.width, -1).T
        made = np.empty((rows.shape[1], rows.shape[0]))
        for start in range(0, len(rows), at_once):
            some = np.ascontiguousarray(rows[start : start + at_once])
            tensor = torch.from_numpy(some.reshape(-1, self.tokens, self.width)).to(self.core.device)
            with torch.no_grad():
                made[:, start : start + at_once] = through(tensor).reshape(len(some), -1).T.cpu().numpy()
        return made.reshape(columns.shape)

    def _jvp(self, tangents: torch.Tensor) -> torch.Tensor:
        """Tangents of the input, (column, token, unit), to those of the output."""
        return self._through(self.core.jvp, tangents)

    def _vjp(self, cotangents: torch.Tensor) -> torch.Tensor:
        """Cotangents of the output, (column, token, unit), to those of the input."""
        if self.after is not None:
            cotangents = self.after.vjp(cotangents)
        cotangents = self.core.vjp(cotangents)
        return cotangents if self.before is None else self.before.vjp(cotangents)

    def _through(self, core: Callable[[torch.Tensor], torch.Tensor], tangents: torch.Tensor) -> torch.Tensor:
        """Tangents through the norms, and something between them."""
        if self.before is not None:
            tangents = self.before.jvp(tangents)
        tangents = core(tangents)
        return tangents if self.after is None else self.after.jvp(tangents)

    def _numbers_of_blocks(self, tokens: int) -> int:
        """Of all blocks of an MLP, and to make one of them."""
        return tokens * self.width**2 + (2 * self.core.inner + 4 * self.width) * self.width

    def _numbers_of_pairs(self, tokens: int) -> int:
        """Of one block of attention for each token, and to make one of them: how queries, keys and values move."""
        return tokens * self.width**2 + (7 * self.core.inner + 4 * self.width) * self.width

    def _columns_beside(
        self,
        form: str,
        numbers: Callable[[int], int],
        instead: str | None = "operator(), which never holds it",
    ) -> int:
        """How many columns may be taken at a time, beside numbers that are held, by tokens.

        Raises `ClaimError` if there is room for none.
        """

        def least(tokens: int) -> int:
            return NUMBER * numbers(tokens) + 2 * self.core.column_bytes(tokens)  # one for what the core holds itself

        if least(self.tokens) > self.max_memory:
            fitting = [tokens for tokens in range(1, self.tokens) if least(tokens) <= self.max_memory]
            fewer = f"{fitting[-1]} would fit" if fitting else "not even one would fit"
            raise ClaimError(
                f"The Jacobian of {self.name} at {self.tokens} tokens of width {self.width} takes {_size(least(self.tokens))} "
                f"{form}, and {_size(self.max_memory)} are allowed. Use fewer tokens ({fewer}), allow more memory"
                f"{f', or use {instead}' if instead else ''}."
            )
        room = min(self.max_memory - NUMBER * numbers(self.tokens), BATCH_MEMORY)
        return max(1, room // self.core.column_bytes(self.tokens) - 1)


def _size(number: int) -> str:
    """Bytes, to be read by people."""
    for unit, bytes_each in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= bytes_each:
            return f"{number / bytes_each:.1f} {unit}"
    return f"{number} bytes"
