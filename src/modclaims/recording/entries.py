"""What is kept of one text and network under one name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from modclaims import numerics

LOSS = "loss"
JACOBIAN = "jacobian."
ABLATED = "loss.ablated"
"""Losses of networks without some parts, or of a text's first tokens alone; which, says a digest."""
LOG_ODDS = "log_odds"
"""Log-odds; of which tokens, and without which parts, says a digest."""
TOKENS = "token_ids"
INDUCTION = "induction"
"""Of a sequence of random tokens, kept as if it were a text; its positions are those of the second half."""
WEIGHTS = "weights."
MADE_BY = "#"
"""Stands between an entry's name and the versions of `numerics` that made it. Older files have neither."""
KEY_LENGTH = 32
"""Hexadecimal digits of a SHA-256 that stand in names of files and entries: 128 bits."""


@dataclass(frozen=True)
class Entry:
    """What is kept of one text and network under one name: a site of a layer, at some positions, perhaps reduced."""

    site: str
    """One of `SITES`, `LOSS`, `ABLATED`, `LOG_ODDS`, `TOKENS` or `INDUCTION`; `jacobian.BLOCK` of a model, `weights.MATRIX`."""
    layer: int = 0
    positions: tuple[int, ...] = ()
    reduce: str = "none"

    @property
    def name(self) -> str:
        """What it is, whatever made it, such as `attn_out/3/475:512:4/none`."""
        if self.site == LOSS:
            return LOSS
        return f"{self.site}/{self.layer}/{_written(self.positions)}/{self.reduce}"

    @property
    def key(self) -> str:
        """The entry's name in its file: also which arithmetic made it, such as `attn_out/3/475:512:4/none#e1`, so that what
        another one made is not found."""
        return f"{self.name}{MADE_BY}{numerics.of_recording(jacobian=self.site.startswith(JACOBIAN))}"


@lru_cache
def _written(positions: tuple[int, ...]) -> str:
    if len(positions) > 2:
        step = positions[1] - positions[0]
        if step > 0 and positions == tuple(range(positions[0], positions[-1] + 1, step)):
            return f"{positions[0]}:{positions[-1] + 1}:{step}"
    return ",".join(map(str, positions))
