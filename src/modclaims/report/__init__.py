"""A run, told: one neutral document, drawn and written as Markdown, HTML and JUnit XML.

Run -> document.py (all wording) -> figures.py (drawings) -> markdown.py | html.py | junit.py

The document is put together from claims.py, pictures.py (figures with their words and tables) and provenance.py. How a figure is
drawn and told as a table is its class's own (`modclaims.drawing.figure`). Tables import no matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modclaims import workers as processes
from modclaims.drawing.figure import is_shipped, kind_of
from modclaims.runs.collect import load_module
from modclaims.runs.run_folder import Run
from modclaims.stats.evidence import Exhibit

if TYPE_CHECKING:
    from modclaims.drawing.svg import Drawing

__all__ = ["load_figures", "render"]
FEW = 12
"""Fewer pictures than this are drawn by this process."""


def render(run: Run, *, workers: int = 1) -> dict[str, bytes]:
    """The report's files by relative path: `report.md`, `report.html`, `figures/*.svg`, `junit.xml`.

    The bytes depend on the run alone, a run read back from its folder included; times, host and commit (`made`)
    are left out. A figure that cannot be drawn is replaced by its table and a line that says so. `workers` processes
    draw.
    """
    from modclaims.report import document, figures, html, junit, markdown

    told = document.Document.of(run)
    drawings = {}
    keys = {figure.name: (figures.identity(figure.exhibit), figure.limit) for figure in told.figures()}
    # claims that extend one another share pictures: each is drawn once
    wanted = {keys[figure.name]: (figure.exhibit, figure.limit) for figure in told.figures()}
    drawn = dict(zip(wanted, _drawn(wanted.values(), workers), strict=True))
    for name, key in keys.items():
        picture = drawn[key]
        if isinstance(picture, Exception):
            told = told.without_picture(name, picture)
        else:
            drawings[name] = picture
    files = {name: drawing.file() for name, drawing in drawings.items()}
    files["report.md"] = markdown.write(told).encode()
    files["report.html"] = html.write(told, drawings).encode()
    files["junit.xml"] = junit.write(told).encode()
    return files


def load_figures(run: Run, cwd: Path) -> None:
    """Load the files of those claims whose figures modclaims does not know, where they lie in the folder `cwd`.

    A run that is read back says which file each claim came from. A file that is gone or does not load is passed over: its
    figures are tables of their arrays then.
    """
    here = cwd.resolve()
    for claim in run.claims:
        path = (here / str(claim.summary["id"]).rpartition("::")[0]).resolve()
        unknown = any(kind_of(exhibit.kind) is None for exhibit in claim.exhibits)
        if unknown and path.suffix == ".py" and path.is_relative_to(here) and path.is_file():
            with suppress(Exception, SystemExit):
                load_module(path)


def _drawn(wanted: Iterable[tuple[Exhibit, int]], workers: int) -> list[Drawing | Exception]:
    jobs = list(wanted)
    if workers == 1 or len(jobs) < FEW:
        return [_draw(job) for job in jobs]
    # a family of one's own draws here, for no other process has loaded its file
    shared = [job for job in jobs if is_shipped(job[0].kind)]
    with processes.pool(workers) as pool:
        pictures = iter(list(pool.map(_draw, shared, chunksize=4)))
    return [next(pictures) if is_shipped(job[0].kind) else _draw(job) for job in jobs]


def _draw(job: tuple[Exhibit, int]) -> Drawing | Exception:
    """A picture, or what was wrong with its exhibit."""
    from modclaims.report import figures

    try:
        return figures.draw(job[0], limit=job[1])
    except (ArithmeticError, LookupError, TypeError, ValueError) as fault:
        return fault
