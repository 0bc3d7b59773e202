"""InductionExplanation: is clustering more than what induction heads copy?"""

from __future__ import annotations

from modclaims.errors import ClaimError
from modclaims.families.categories.category_clustering import CategoryClustering


class InductionExplanation(CategoryClustering):
    """Texts of one category look alike beyond what induction heads copy.

    `CategoryClustering` with `beyond = "induction"`: two texts can be alike inside a network because
    its induction heads copy the same tokens into both. The effect is Cliff's delta, 2 P(same >
    different) - 1, of the similarities that are left once this is taken out; positive when same-category
    texts are still more alike. The raw delta is shown beside it. Two nuisances of a pair of texts are
    taken out: (1) the overlap of the tokens copied (those that followed an earlier occurrence of the
    token at the position read), mean over positions, times how much either text copies; (2) minus the
    absolute difference of how much they copy. How much is copied is the attention paid to such
    followers, summed over heads with an induction score of at least 0.1 in the layers up to the cell's,
    each weighted by its score.

    p by exchanging rows and columns of what both nuisances' cubic splines leave; exchangeable under the
    null: texts inside strata, given what is copied. Bounds are those of the bootstrap-t over texts, the
    fitted part held as it is. A nuisance removes only its own share: heads that copy what is merely
    like the follower, and skip-trigrams, are not seen. Where no counted head reaches a layer nothing is
    taken out there, and a verdict that names such a layer warns.

    Attributes
    ----------
    beyond : str | None, default 'induction'
        Leave it: only 'induction' is allowed here.

    Notes
    -----
    A claim that induction explains all of the clustering sets `expect = "refuted"`. Say with `layers`
    or `holds = at(...)` where induction could explain anything.

    References
    ----------
    Olsson et al. (2022), In-context learning and induction heads. Freedman & Lane (1983), A
    nonstochastic interpretation of reported significance levels.

    Examples
    --------
    >>> from modclaims import InductionExplanation
    >>> from modclaims.calibration.examples import planted
    >>> class MoreThanCopying(InductionExplanation):
    ...     "Same-category texts are more alike than copying makes them."
    >>> print(planted(MoreThanCopying, 2))
    SUPPORTED  delta 0.48 [0.27, 0.64] at layer 0
    >>> print(planted(MoreThanCopying, 0))  # all there is was copied
    REFUTED  delta 0.06 [-0.11, 0.19] at layer 1
    """

    beyond: str | None = "induction"

    def validate(self) -> None:
        super().validate()
        if self.beyond != "induction":
            raise ClaimError("InductionExplanation is about what is left beyond induction; leave beyond as it is.")
