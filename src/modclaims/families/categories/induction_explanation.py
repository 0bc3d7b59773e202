"""InductionExplanation: is clustering more than what induction heads copy?"""

from __future__ import annotations

from modclaims.errors import ClaimError
from modclaims.families.categories.category_clustering import CategoryClustering


class InductionExplanation(CategoryClustering):
    """Texts of one category look alike beyond what induction heads copy.

    `CategoryClustering` with `beyond = "induction"`. Two texts can be alike inside a network because its induction heads
    copy the same tokens into them, and differ because more is copied in one of them; both are taken out, and the claim
    is about Cliff's delta of what is left, beside which the raw one stands. At a position that is read, an induction head
    copies the tokens right after earlier occurrences of the position's own token. Nuisances of a pair are (1) the mean over
    positions of the overlap of the tokens copied there (all followers alike), times how much either text copies; (2) minus
    the absolute difference of the induction-weighted repeat counts, the texts' means of how much is copied. How much is
    copied is the attention that was paid to such followers, summed over heads with an induction score of at least 0.1 in the
    layers up to the cell's, each weighted by that score. Where no such head reaches a layer, nothing is taken out there, and a
    verdict that names such a layer warns: say where induction could explain anything, with `holds = at(...)` or `layers`.

    p by exchanging rows and columns of what both nuisances' cubic splines leave (Freedman-Lane on pairs); exchangeable
    under the null: texts inside strata, given what is copied. Bounds from the bootstrap-t over texts, the fitted part held.
    A nuisance removes only its own share: heads that copy what is like the follower, and not the same token, are not seen,
    nor are skip-trigrams. A claim that induction explains it all expects refuted.
    """

    beyond: str | None = "induction"

    def validate(self) -> None:
        super().validate()
        if self.beyond != "induction":
            raise ClaimError("InductionExplanation is about what is left beyond induction; leave beyond as it is.")
