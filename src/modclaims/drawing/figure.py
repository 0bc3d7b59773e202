"""FigureData: one kind of figure - its arrays by name and axes, how it is drawn, and how it is told as a table.

A kind is a frozen dataclass in a file of its own, and the kind's name is its class in snake case, as is the file's:
`CurveByDepth` is `curve_by_depth`. Kinds that families of several topics draw lie in `modclaims/figures/`, those of one topic
in `modclaims/families/<topic>/figures/`. Fields are the arrays and labels themselves: `Annotated[Floats, Axes("layer")]` says along
which axes an array runs, which is checked when a figure is read back, and `... | None = None` that it may be left out. An
`Exhibit` is what is stored of it: plain arrays under the fields' names, which are those in nulls.npz, and plain labels.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.numerals import plain, said
from modclaims.drawing.rows import Table
from modclaims.stats.evidence import Exhibit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Axes:
    """The axes that an array of a figure runs along, by name; none for a single number."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True)
class FigureData(ABC):
    """A figure as data: what it is called, what it says in words, and the arrays and labels of its kind."""

    title: str
    description: str
    """Read aloud in place of the picture: what is plotted, and what it shows."""

    shows_chance: ClassVar[bool] = False
    """Whether it shows what chance does, and no effect: such figures stand apart, and half as wide."""

    @abstractmethod
    def draw(self) -> Figure:
        """The picture, in names of colours."""

    def painted(self, most: int) -> Figure:
        """The picture, matrices averaged to at most so many rows; the same for kinds that paint none."""
        return self.draw()

    def images(self) -> int:
        """How many matrices it paints, which weigh far more than lines."""
        return 0

    def remarks(self, most: int) -> tuple[str, ...]:
        """What a reader must know of the picture that is painted with at most so many rows, as sentences."""
        return ()

    @abstractmethod
    def table(self) -> Table:
        """The same as rows of text."""

    @classmethod
    def kind(cls) -> str:
        """The class in snake case."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def exhibit(self) -> Exhibit:
        """What is stored: arrays and labels by the names of their fields."""
        arrays, labels = dict[str, NDArray[np.generic]](), dict[str, Sequence[str] | str]()
        for name, run in _fields(type(self)).items():
            value = getattr(self, name)
            if value is None:
                continue
            if run is not None:
                arrays[name] = np.asarray(value)
            else:
                labels[name] = value if isinstance(value, str) else list(value)
        return Exhibit(self.kind(), self.title, self.description, arrays, labels)

    @classmethod
    def from_exhibit(cls, exhibit: Exhibit) -> Self:
        """From what was stored; labels as one line of text each.

        Raises `LookupError` for an array that is missing, `ValueError` for one of another shape than its axes say, or empty.
        """
        found: dict[str, Any] = {}  # Any: fields of a kind are of several types, which mypy sees where they are used
        for name, run in _fields(cls).items():
            if run is not None and name in exhibit.arrays:
                found[name] = _checked(exhibit, name, run)
            elif run is not None and name in _needed(cls):
                raise LookupError(f"{exhibit.kind} has no array {name}")
            elif name in exhibit.labels and (label := _label(exhibit.labels[name], name in _lists(cls))):
                found[name] = label
        return cls(title=exhibit.title, description=exhibit.description, **found)


@cache
def _fields(cls: type[FigureData]) -> dict[str, Axes | None]:
    """The kind's own fields, in order: arrays with their axes, labels with None."""
    hints = get_type_hints(cls, include_extras=True)
    own = (one.name for one in fields(cls) if one.name not in ("title", "description"))
    return {name: _axes(hints[name]) for name in own}


def _axes(hint: object) -> Axes | None:
    """The axes that a type is annotated with, or one of its alternatives."""
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Annotated:
            return next((extra for extra in get_args(part)[1:] if isinstance(extra, Axes)), None)
    return None


@cache
def _needed(cls: type[FigureData]) -> frozenset[str]:
    """Fields without a default."""
    return frozenset(one.name for one in fields(cls) if one.default is MISSING)


@cache
def _lists(cls: type[FigureData]) -> frozenset[str]:
    """Fields that hold a label for each of several things."""
    return frozenset(name for name, hint in get_type_hints(cls).items() if get_origin(hint) is tuple)


def _label(value: Sequence[str] | str, listed: bool) -> str | tuple[str, ...]:
    """A label as its field holds it, a line of text each; empty where it says nothing, or is one line for many things."""
    if listed:
        return () if isinstance(value, str) else tuple(plain(word) for word in value)
    return said(value if isinstance(value, str) else ", ".join(value))


def _checked(exhibit: Exhibit, name: str, run: Axes) -> NDArray[np.generic] | float:
    """An array whose number of axes is that of its field, as float64; one number, alone in any shape, as such."""
    array = np.asarray(exhibit.arrays[name])
    if not run.names and array.size == 1:
        return float(array.ravel()[0])
    if array.ndim != len(run.names) or array.size == 0:
        raise ValueError(f"{name} of {exhibit.kind} has shape {array.shape}")
    return array.astype(np.float64)


def figure_of(exhibit: Exhibit) -> FigureData:
    """The figure that an exhibit was stored from.

    Raises `LookupError` where its kind is unknown or an array missing, `ValueError` where an array does not fit.
    """
    if (kind := kind_of(exhibit.kind)) is None:
        raise LookupError(f"No figure of kind {exhibit.kind!r} is known.")
    return kind.from_exhibit(exhibit)


def is_shipped(name: str) -> bool:
    """Whether the kind is modclaims' own, so that every process knows it."""
    return _shipped(name) is not None


def kind_of(name: str) -> type[FigureData] | None:
    """The class of a kind: from the file that has its name, or one of a family of one's own that has been loaded; else None."""
    return _shipped(name) or next((cls for cls in _loaded() if cls.kind() == name), None)


def _loaded() -> Iterator[type[FigureData]]:
    """Every kind that some module has defined, however far down."""
    waiting = list(FigureData.__subclasses__())
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        yield found


@cache
def _shipped(name: str) -> type[FigureData] | None:
    if not NAME.fullmatch(name) or (home := _home(name)) is None:
        return None
    module = import_module(home)
    made = (value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__)
    return next((cls for cls in made if issubclass(cls, FigureData) and cls.kind() == name), None)


def _home(name: str) -> str | None:
    """The module that is called as a kind is: a figure that topics share, or one of a topic."""
    families = find_spec("modclaims.families")
    topics = iter_modules(families.submodule_search_locations) if families else ()
    homes = ("modclaims.figures", *(f"modclaims.families.{topic.name}.figures" for topic in topics))
    return next((f"{home}.{name}" for home in homes if find_spec(home) and find_spec(f"{home}.{name}")), None)
