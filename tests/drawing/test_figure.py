"""A figure as data: what is stored of it, what is read back, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pytest
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData, figure_of, is_shipped, kind_of
from modclaims.drawing.rows import Table
from modclaims.families.categories.figures.heat_maps import HeatMaps
from modclaims.figures.null_histogram import NullHistogram
from modclaims.stats.evidence import Exhibit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class OfATest(FigureData):
    """A kind of one's own, with each kind of field."""

    curve: Annotated[NDArray[np.float64], Axes("layer")]
    level: Annotated[float, Axes()]
    further: Annotated[NDArray[np.float64], Axes("seed", "layer")] | None = None
    names: tuple[str, ...] = ()
    of: str = ""

    def draw(self) -> Figure:
        raise NotImplementedError  # no test draws it

    def table(self) -> Table:
        return Table(("layer",), tuple((str(v),) for v in self.curve))


FIGURE = OfATest("A title", "What is seen.", np.arange(3.0), 0.5, names=("a", "b"), of="delta")


def test_a_kind_is_called_as_its_class_and_known_once_it_is_loaded() -> None:
    assert OfATest.kind() == "of_atest"
    assert kind_of("of_atest") is OfATest
    assert not is_shipped("of_atest")
    assert kind_of("heat_maps") is HeatMaps
    assert is_shipped("heat_maps")
    assert kind_of("nothing_of_the_kind") is None


def test_what_is_stored_is_read_back() -> None:
    stored = FIGURE.exhibit()
    assert set(stored.arrays) == {"curve", "level"}
    assert stored.labels == {"names": ["a", "b"], "of": "delta"}
    found = figure_of(stored)
    assert isinstance(found, OfATest)
    np.testing.assert_array_equal(found.curve, FIGURE.curve)
    assert (found.level, found.further, found.names, found.of) == (0.5, None, ("a", "b"), "delta")


@pytest.mark.parametrize(
    ("arrays", "fault", "said"),
    [
        ({"level": np.array(1.0)}, LookupError, "has no array curve"),
        ({"curve": np.zeros((2, 2)), "level": np.array(1.0)}, ValueError, r"curve of of_atest has shape \(2, 2\)"),
        ({"curve": np.zeros(0), "level": np.array(1.0)}, ValueError, "has shape"),
        ({"curve": np.zeros(2), "level": np.zeros(2)}, ValueError, "level of of_atest"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(
    arrays: dict[str, NDArray[np.float64]], fault: type[Exception], said: str
) -> None:
    with pytest.raises(fault, match=said):
        figure_of(Exhibit("of_atest", "", "", arrays))


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(LookupError, match="No figure of kind 'x' is known"):
        figure_of(Exhibit("x", "", "", {}))


def test_a_figure_answers_for_what_it_paints_and_whether_it_shows_chance() -> None:
    maps = HeatMaps("", "", maps=np.zeros((2, 200, 200)))
    assert (FIGURE.images(), FIGURE.remarks(64), FIGURE.shows_chance) == (0, (), False)
    assert maps.images() == 2
    assert [len(maps.remarks(most)) for most in (200, 128)] == [1, 2]
    assert "squares of 2 x 2 of the 200 x 200 values" in maps.remarks(128)[1]
    assert NullHistogram.shows_chance
