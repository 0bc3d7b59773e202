"""A run, told: one neutral document, drawn and written as Markdown, HTML and JUnit XML.

Run -> document.py (all wording) -> figures.py (drawings) -> markdown.py | html.py | junit.py

The document is put together from claims.py, pictures.py (figures with their words and tables) and provenance.py. How a figure is
drawn and told as a table is its class's own (`modclaims.drawing.figure`). Tables import no matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from modclaims import workers as processes
from modclaims.runs.run_folder import Run
from modclaims.stats.evidence import Exhibit

if TYPE_CHECKING:
    from modclaims.drawing.svg import Drawing

__all__ = ["render"]
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


def _drawn(wanted: Iterable[tuple[Exhibit, int]], workers: int) -> list[Drawing | Exception]:
    jobs = list(wanted)
    if workers == 1 or len(jobs) < FEW:
        return [_draw(job) for job in jobs]
    with processes.pool(workers) as pool:
        return list(pool.map(_draw, jobs, chunksize=4))


def _draw(job: tuple[Exhibit, int]) -> Drawing | Exception:
    """A picture, or what was wrong with its exhibit."""
    from modclaims.report import figures

    try:
        return figures.draw(job[0], limit=job[1])
    except (ArithmeticError, LookupError, TypeError, ValueError) as fault:
        return fault
