"""A run, told: one neutral document, drawn and written as Markdown, HTML and JUnit XML.

Run -> document.py (all wording) -> figures.py (drawings) -> markdown.py | html.py | junit.py
"""

from __future__ import annotations

from modclaims.run_folder import Run

__all__ = ["render"]


def render(run: Run) -> dict[str, bytes]:
    """The report's files by relative path: `report.md`, `report.html`, `figures/*.svg`, `junit.xml`.

    The bytes depend on the run alone, a run read back from its folder included; times, host and commit (`made`)
    are left out. A figure that cannot be drawn is replaced by its table and a line that says so.
    """
    from modclaims.report import document, figures, html, junit, markdown

    told = document.Document.of(run)
    drawings, drawn = {}, {}  # claims that extend one another share pictures: each is drawn once
    for figure in told.figures():
        try:
            key = (figures.identity(figure.exhibit), figure.limit)
            if key not in drawn:
                drawn[key] = figures.draw(figure.exhibit, limit=figure.limit)
            drawings[figure.name] = drawn[key]
        except (ArithmeticError, LookupError, TypeError, ValueError) as fault:
            told = told.without_picture(figure.name, fault)
    files = {name: drawing.file() for name, drawing in drawings.items()}
    files["report.md"] = markdown.write(told).encode()
    files["report.html"] = html.write(told, drawings).encode()
    files["junit.xml"] = junit.write(told).encode()
    return files
