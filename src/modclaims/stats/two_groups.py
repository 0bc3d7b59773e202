"""Textbook effect sizes of one category's responses against the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def hedges_g(inside: Floats, outside: Floats) -> float:
    """Hedges' g of one category's responses against the rest, positive when the category responds more (pingouin)."""
    from pingouin import compute_effsize

    return float(compute_effsize(inside, outside, eftype="hedges"))


def auc(inside: Floats, outside: Floats) -> Floats:
    """Chance that a text of the category responds more than one of the rest, ties half (scipy's Mann-Whitney U).

    Of (text,) responses, or (cell,) such chances of (text, cell) responses.
    """
    from scipy.stats import mannwhitneyu

    u = mannwhitneyu(inside, outside, method="asymptotic", axis=0).statistic
    return np.asarray(u / (len(inside) * len(outside)))
