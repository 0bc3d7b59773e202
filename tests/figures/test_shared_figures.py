"""Figures that several topics draw: small ones whose tables are worked out by hand, and a picture of each."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot

from modclaims.drawing.figure import FigureData
from modclaims.figures.curve_by_depth import CurveByDepth
from modclaims.figures.forest import Forest
from modclaims.figures.head_map import HeadMap
from modclaims.figures.null_histogram import NullHistogram
from modclaims.figures.raw_and_partial import RawAndPartial
from modclaims.figures.strip import Strip
from modclaims.figures.volcano import Volcano

WORDS = ("A title", "What is seen.")
DEPTH, LAYERS = np.array([0.0, 0.5, 1.0]), np.arange(3)

FOREST = Forest(
    *WORDS,
    effect=np.array([0.52, -0.25]),
    low=np.array([0.41, -0.5]),
    high=np.array([0.63, 0.125]),
    smallest=np.array([0.2, 0.1]),
    claims=("1 Clusters", "2 Fades"),
    outcomes=("supported", "inconclusive"),
    effect_names=("delta", "rise of delta"),
    interval="90 % interval",
)
CURVE = CurveByDepth(
    *WORDS,
    depth=DEPTH,
    layer=LAYERS,
    mean=np.array([0.25, 0.5, 0.75]),
    low=np.array([0.125, 0.25, 0.5]),
    high=np.array([0.375, 0.75, 1.0]),
    twin=np.array([[0.0, 0.25, 0.5], [0.5, 0.25, 0.0]]),
    quantity="share",
)
HEADS = HeadMap(
    *WORDS,
    effect=np.array([[0.25, 0.5], [np.nan, 0.75]]),
    p_adjusted=np.array([[0.5, 0.04], [1.0, 0.002]]),
    significant=np.array([[0, 1], [0, 1]]),
    effect_name="omega^2",
    unit="head",
)
NULL = NullHistogram(
    *WORDS, null=np.array([9.0, 1.0, 2.0, 3.0, 4.0, 5.0]), observed=9.0, statistic="F", cell="layer 1", exact="1"
)
SIDES = RawAndPartial(
    *WORDS,
    depth=DEPTH[:2],
    layer=LAYERS[:2],
    effect=np.array([[0.5, 0.25], [0.25, 0.125]]),
    low=np.array([[0.25, 0.0], [0.0, -0.25]]),
    high=np.array([[0.75, 0.5], [0.5, 0.5]]),
    share_left=np.array([0.5, 0.5]),
    smallest_effect=0.2,
    sides=("as it is", "beyond words"),
)
STRIP = Strip(
    *WORDS,
    responses=np.array([[1.0, 3.0, 2.0, 8.0, np.nan]]),
    panels=("layer 0, head 1",),
    categories=("code", "code", "code", "news", "news"),
    ids=("a", "b", "c", "d", "e"),
)
VOLCANO = Volcano(
    *WORDS,
    effect=np.array([0.5, 0.125, 0.75]),
    p_adjusted=np.array([0.04, 1.0, 0.002]),
    alpha=0.05,
    cells=("first", "second", "third"),
    effect_name="delta",
)
EVERY = (FOREST, CURVE, HEADS, NULL, SIDES, STRIP, VOLCANO)


@pytest.mark.parametrize("figure", EVERY, ids=lambda one: one.kind())
def test_it_can_be_drawn(figure: FigureData) -> None:
    drawn = figure.draw()
    assert drawn.axes
    pyplot.close(drawn)


@pytest.mark.parametrize(
    ("figure", "rows"),
    [
        (
            FOREST,
            [
                ("1 Clusters", "supported", "delta", "0.52", "[0.41, 0.63]", "0.20"),
                ("2 Fades", "inconclusive", "rise of delta", "−0.25", "[−0.50, 0.12]", "0.10"),
            ],
        ),
        (  # the mean of two untrained networks, (0, .25, .5) and (.5, .25, 0)
            CURVE,
            [
                ("0", "0.00", "0.25", "[0.12, 0.38]", "0.25"),
                ("1", "0.50", "0.50", "[0.25, 0.75]", "0.25"),
                ("2", "1.00", "0.75", "[0.50, 1.00]", "0.25"),
            ],
        ),
        (  # the strongest first, what is not known last
            HEADS,
            [
                ("1", "1", "0.75", ".002", "yes"),
                ("0", "1", "0.50", ".04", "yes"),
                ("0", "0", "0.25", ".5", "no"),
                ("1", "0", "–", "1", "no"),
            ],
        ),
        (  # of 1, 2, 3, 4, 5, 9: a quarter of the way from 1 to 2, between 3 and 4, three quarters of the way from 5 to 9
            NULL,
            [
                ("observed", "9.00"),
                ("lowest under chance", "1.00"),
                ("5 % quantile", "1.25"),
                ("median", "3.50"),
                ("95 % quantile", "8.00"),
                ("highest under chance", "9.00"),
                ("arrangements", "6"),
            ],
        ),
        (
            SIDES,
            [
                ("0", "0.00", "0.50 [0.25, 0.75]", "0.25 [0.00, 0.50]", "0.50"),
                ("1", "0.50", "0.25 [0.00, 0.50]", "0.12 [−0.25, 0.50]", "0.50"),
            ],
        ),
        (  # a text without a response is not counted
            STRIP,
            [
                ("layer 0, head 1", "code", "3", "1.00", "2.00", "3.00", "b"),
                ("layer 0, head 1", "news", "1", "8.00", "8.00", "8.00", "d"),
            ],
        ),
        (VOLCANO, [("third", "0.75", ".002"), ("first", "0.50", ".04"), ("second", "0.12", "1")]),
    ],
    ids=lambda one: one.kind() if isinstance(one, FigureData) else "",
)
def test_its_table_says_the_numbers(figure: FigureData, rows: list[tuple[str, ...]]) -> None:
    found = figure.table()
    assert list(found.rows) == rows
    assert {len(row) for row in found.rows} == {len(found.head)}
    assert not found.left_out
