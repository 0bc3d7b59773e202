"""Examples of help(): a claim weighed on one planted data set whose answer is known."""

from __future__ import annotations

import pytest

import modclaims
from modclaims import Hypothesis
from modclaims.calibration.examples import planted
from modclaims.errors import ClaimError


class _Clusters(modclaims.CategoryClustering):
    """Texts cluster."""


def test_what_is_planted_is_what_is_found() -> None:
    outcomes = [planted(_Clusters, times).split()[0] for times in (0, 1, 3)]
    assert outcomes == ["REFUTED", "INCONCLUSIVE", "SUPPORTED"]
    assert planted(_Clusters, 3) == planted(_Clusters, 3)


def test_constants_of_the_claim_are_kept_and_those_that_the_network_needs_are_set() -> None:
    class Tight(modclaims.TightestAt):
        """Tightest early."""

        named = (1, 2)
        tokens = 2
        smallest_effect = 0.1

    assert planted(Tight, 3).startswith("SUPPORTED  narrowing")
    assert Tight.tokens == 2
    assert Tight.texts == 16


def test_what_cannot_be_planted_says_so() -> None:
    class Directions(modclaims.OVDirections):
        """Directions cohere."""

    with pytest.raises(ClaimError, match="times = 4: planted is 0, 1, 2 or 3 times"):
        planted(_Clusters, 4)
    with pytest.raises(ClaimError, match="Directions: no effect of 3 times the smallest is planted for OVDirections"):
        planted(Directions, 3)
    with pytest.raises(ClaimError, match=r"3 times the smallest, 3 x 0\.2; plant fewer times that"):
        planted(type("LowRank", (modclaims.LowRankSimilarity,), {"__doc__": "Low rank."}), 3)
    with pytest.raises(ClaimError, match="nothing is planted for claims of family"):
        planted(type("Own", (Hypothesis,), {"__doc__": "Own."}), 3)
