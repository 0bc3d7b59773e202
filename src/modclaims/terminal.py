"""What a run says on a terminal: how far it is, a line per claim, and where the report lies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modclaims.claim_set import corrected_over
from modclaims.decimals import decimals_of_effect, level_words, rounded

if TYPE_CHECKING:
    from modclaims.runner import Finished
    from modclaims.runs.progress import Progress

Told = Any  # Any: what rich makes of a task, and JSON
COLOURS = {"supported": "green", "refuted": "blue", "inconclusive": "yellow", "error": "red", "skipped": "bright_black"}


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """rich bars on a terminal, plain lines now and then otherwise; all on standard error."""
    from modclaims.runs.progress import Progress

    if not sys.stderr.isatty():
        said: set[tuple[str, int, int]] = set()

        def line(kind: str) -> Callable[[int, int, str], None]:
            def say(done: int, total: int, what: str) -> None:
                tenth = 10 * done // max(1, total)
                # the total grows where several models are read
                if (kind, tenth, total) not in said and (done == 0 or done == total or tenth in (3, 6)):
                    said.add((kind, tenth, total))
                    click.echo(f"{kind} {done}/{total} {what}".rstrip(), err=True)

            return say

        yield Progress(line("recording"), line("weighing"))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        tasks: dict[str, Told] = {}

        def bar(kind: str) -> Callable[[int, int, str], None]:
            def move(done: int, total: int, what: str) -> None:
                if kind not in tasks:
                    tasks[kind] = bars.add_task(kind, total=total, what=what)
                bars.update(tasks[kind], completed=done, total=total, what=what)

            return move

        yield Progress(bar("recording"), bar("weighing"))


def tell(finished: Finished, cwd: Path) -> None:
    """Print a line per claim, then the counts and where the report is."""
    claims = [c.summary for c in finished.run.claims]
    width = max(len(str(c["id"])) for c in claims)
    for c in claims:
        click.echo(verdict_line(c, width))
        for warning in c["warnings"]:
            click.echo(f"{'':{width}}  warning: {warning}")
    counts: dict[str, int] = {}
    for c in claims:
        counts[c["outcome"]] = counts.get(c["outcome"], 0) + 1
    against = sum(c["as_expected"] is False and c["outcome"] in ("supported", "refuted") for c in claims)
    told = ", ".join(f"{n} {word}" for word, n in counts.items())
    click.echo(f"\n{len(claims)} claim{'s' if len(claims) > 1 else ''}: {told}; {against} against expectation.")
    tests, correction = finished.run.facts["tests"], finished.run.facts["settings"]["correction"]
    if correction != "none":
        over = corrected_over(tests["corrected_over"], tests["weighed"], tests["from_earlier_runs"])
        click.echo(f"Corrected ({correction}) over {over}.")
    if finished.folder is not None:
        try:
            place = finished.folder.resolve().relative_to(cwd.resolve())
        except ValueError:
            place = finished.folder
        click.echo(f"Report: {place / 'report.html'}")


def verdict_line(c: Mapping[str, Told], width: int) -> str:
    """One claim on one line: id, outcome, effect with its interval, and what settles it."""
    outcome = str(c["outcome"])
    word = click.style(f"{outcome.upper():12}", fg=COLOURS[outcome], bold=True)
    head = f"{c['id']:{width}}  {word}"
    if c["effect"] is None:
        return f"{head}  {c['message']}"
    where = f" at {c['best_words']}" if c["n_cells"] > 1 else ""
    ends = c["effect_low"], c["effect_high"]
    decimals = decimals_of_effect(c["smallest_effect"], *ends)
    low, high = ("?" if v is None or v != v else rounded(v, decimals) for v in ends)
    numbers = f"{c['effect_name']} {rounded(c['effect'], decimals)} [{low}, {high}]{where}"
    expected = "expected" if c["as_expected"] else "AGAINST expectation"
    if outcome == "inconclusive":
        tail = str(c["reason"])
    elif outcome == "supported":
        how = f"exact, {c['draws']:,}" if c["exact"] else f"{c['draws']:,} draws"
        tail = f"p+ {_level(c['p_plus_adjusted'])} ({how})"
    else:
        tail = f"p- {_level(c['p_minus_adjusted'])}"
    if (outcome != "inconclusive" and c["expect"] != "supported") or not c["as_expected"]:
        tail += f"   {expected}" if outcome != "inconclusive" else ""
    return f"{head}  {numbers:58}  {tail}"


def _level(value: float) -> str:
    words = level_words(value)
    return f"0{words}" if words.startswith(".") else words
