"""ClaimSet: the claims that are corrected together, which statistics calls their family, weighed now or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modclaims.stats.chance.multiplicity import Correction


@dataclass(frozen=True)
class KeptLevels:
    """The levels of one claim, as the run that weighed it left them."""

    p_plus: float
    p_minus: float
    most_plus: float
    """Upper end of the 99 % interval of `p_plus` where arrangements were drawn."""
    most_minus: float


@dataclass(frozen=True)
class ClaimSet:
    """How many claims are corrected together, and what is known of those that a run does not weigh.

    They are the claims collected together before any selection, without those that are SKIPPED. One that is not
    selected enters with the levels that an earlier run left, or else, like one that ends in ERROR, with p = 1 on both
    sides: so no claim passes for want of its neighbours. Raises `ValueError` for fewer claims than levels.
    """

    size: int
    kept: tuple[KeptLevels, ...] = ()

    def corrected(
        self, levels: Sequence[float], of_kept: Callable[[KeptLevels], float], correction: Correction
    ) -> list[float]:
        """The levels of the claims weighed, in their order, corrected over all of the set; `of_kept` names the side."""
        import numpy as np  # here, so that what merely says these words loads no numpy

        from modclaims.stats.chance.multiplicity import adjust

        beside = [of_kept(one) for one in self.kept]
        unknown = self.size - len(levels) - len(beside)
        if unknown < 0:
            raise ValueError(f"{len(levels) + len(beside)} levels are given of {self.size} claims.")
        every = np.array([*levels, *beside, *[1.0] * unknown], dtype=np.float64)
        return [float(level) for level in adjust(every, correction)[: len(levels)]]

    def words(self, weighed: int) -> str:
        """`22 claims, of which 3 were weighed and 2 taken from an earlier run`."""
        return corrected_over(self.size, weighed, len(self.kept))


def corrected_over(size: int, weighed: int, earlier: int) -> str:
    """What a correction was over, in words that follow "over"."""
    words = f"{size:,} claim{'' if size == 1 else 's'}"
    if weighed == size:
        return words
    words += f", of which {weighed:,} {'was' if weighed == 1 else 'were'} weighed"
    return words + (f" and {earlier:,} taken from an earlier run" if earlier else "")
