"""Pages: what was measured, as rates.csv, report.md and report.html, with a picture of power by effect and texts."""

from __future__ import annotations

import csv
import html
import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from modclaims.calibration.grid import ALPHAS, POWER
from modclaims.calibration.rates import BROKEN, ENOUGH, FULL, HOLDS, LEAST_POWER, MOST, WARNING, Measured, Rate
from modclaims.report.markdown import escape
from modclaims.report.numerals import NOTHING, count, said
from modclaims.report.svg import COLOURS, Drawing
from modclaims.report.tables import Table

COLUMNS = (
    "family",
    "question",
    "design",
    "texts",
    "smallest_category",
    "law",
    "truth",
    "rate",
    "part",
    "alpha",
    "data_sets",
    "trials",
    "hits",
    "estimate",
    "low",
    "high",
    "limit",
    "standing",
)
TITLE = "Calibration: error rates and power on known answers"
PARTS = {
    "i": (
        "(i) p at most alpha where there is no effect",
        "At most alpha, everywhere that chance may do what the test lets it do.",
    ),
    "ii": (
        "(ii) lower bound above s at an effect of exactly s",
        f"At most {MOST:g} at alpha .05 from {ENOUGH} units a category on; alpha .01 and smaller designs carry no promise.",
    ),
    "iii": (
        "(iii) upper bound below s at an effect of exactly s",
        f"At most {MOST:g} at alpha .05 from {ENOUGH} units a category on; alpha .01 and smaller designs carry no promise.",
    ),
    "power": (
        "Power of SUPPORTED",
        f"Before correction over claims. At .75 sd in one cell of 24, the adjusted p of that cell: at least {LEAST_POWER:g}.",
    ),
}
FIGURE = "figures/power.svg"


def write(measured: Measured, command: str) -> dict[str, bytes]:
    """The files by relative path; their bytes depend on what was measured and on the command alone."""
    drawing = power_figure(measured.rates)
    told = _Told.of(measured, command)
    found = {
        "rates.csv": rates_csv(measured.rates).encode(),
        "report.md": _markdown(told, drawing is not None).encode(),
        "report.html": _html(told, drawing).encode(),
    }
    return found if drawing is None else found | {FIGURE: drawing.file()}


def rates_csv(rates: Iterable[Rate]) -> str:
    """One row a rate and alpha; `low` and `high` are its two-sided 95 % limits."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for rate in rates:
        low, high = rate.interval
        one = rate.scenario
        writer.writerow(
            {
                "family": one.family,
                "question": one.question,
                "design": one.layout,
                "texts": one.texts.texts,
                "smallest_category": one.texts.smallest,
                "law": one.law,
                "truth": one.truth,
                "rate": rate.name,
                "part": rate.part,
                "alpha": f"{rate.alpha:g}",
                "data_sets": rate.sets,
                "trials": rate.trials,
                "hits": rate.hits,
                "estimate": f"{rate.estimate:.6g}",
                "low": f"{low:.6g}",
                "high": f"{high:.6g}",
                "limit": "" if rate.bound is None else f"{rate.bound:g}",
                "standing": rate.standing,
            }
        )
    return out.getvalue()


# ---- words


@dataclass(frozen=True)
class _Told:
    """The page before it is set: words and tables."""

    lead: tuple[str, ...]
    tally: str
    missed: Table
    sections: tuple[tuple[str, str, tuple[Table, ...]], ...]
    """(heading, what is promised, a table a family)."""
    command: str

    @classmethod
    def of(cls, measured: Measured, command: str) -> _Told:
        rates = measured.rates
        broken, warned = measured.of(BROKEN), measured.of(WARNING)
        held = measured.of(HOLDS)
        cores = measured.seconds / 60
        lead = (
            f"Every claim was weighed on planted data whose answer is known: {count(measured.sets, 'data set')} a scenario, "
            f"seed {measured.seed}. It took {cores:.0f} processor minutes, {cores / 2:.0f} on two cores.",
            "Rates stand with their two-sided 95 % Clopper-Pearson limits; where each cell is counted, the cells of one data set count "
            "as one trial together. (i) is broken where the one-sided 99.9 % lower limit exceeds alpha; (ii), (iii) and power are "
            f"held to their figure itself from {FULL:,} data sets on, and with fewer to the figure within that limit.",
        )
        tally = (
            f"{count(len(held) + len(broken), 'promise')}: {len(held):,} held, {len(broken):,} broken; "
            f"{count(len(warned), 'warning')} where there are too few texts for a promise."
        )
        sections = []
        for part, (heading, promise) in PARTS.items():
            mine = [rate for rate in rates if rate.part == part]
            if mine:
                families = list(dict.fromkeys(rate.scenario.family for rate in mine))
                tables = tuple(_table(name, [r for r in mine if r.scenario.family == name]) for name in families)
                sections.append((heading, promise, tables))
        return cls(lead, tally, _missed([*broken, *warned]), tuple(sections), command)


def _shown(value: float) -> str:
    return f"{value:.4f}".rstrip("0").ljust(4, "0").removeprefix("0") if value < 1 else "1"


def _rate(rate: Rate) -> str:
    low, high = rate.interval
    mark = {BROKEN: " broken", WARNING: " warning"}.get(rate.standing, "")
    return f"{_shown(rate.estimate)} [{_shown(low)}, {_shown(high)}]{mark}"


def _what(rate: Rate) -> str:
    return f"{rate.scenario.question}: {rate.name}" if rate.scenario.question else rate.name


def _table(family: str, rates: Sequence[Rate]) -> Table:
    """One row a scenario and event, a column an alpha."""
    rows: dict[tuple[str, ...], dict[float, Rate]] = {}
    for rate in rates:
        one = rate.scenario
        rows.setdefault((_what(rate), one.layout, one.law, one.truth), {})[rate.alpha] = rate
    body = []
    for key, found in rows.items():
        first = next(iter(found.values()))
        note = "" if first.promised else "no promise"
        body.append((*key, *(_rate(found[a]) if a in found else NOTHING for a in ALPHAS), note))
    head = ("event", "design", "law", "effect", *(f"alpha {a:g}" for a in ALPHAS), "")
    return Table(head, tuple(body), family, words=(0, 1, 2, 3, 6))


def _missed(rates: Sequence[Rate]) -> Table:
    rows = tuple(
        (
            rate.standing,
            rate.scenario.name,
            rate.name,
            f"{rate.alpha:g}",
            _rate(rate).removesuffix(f" {rate.standing}"),
            NOTHING if rate.bound is None else f"{rate.bound:g}",
        )
        for rate in rates
    )
    return Table(
        ("", "scenario", "event", "alpha", "rate", "limit"), rows, "Broken promises and warnings", words=(0, 1, 2)
    )


# ---- a picture


def power_figure(rates: Sequence[Rate]) -> Drawing | None:
    """Power at alpha .05 by number of texts, a panel a family, a line an effect; None where no power was measured."""
    curves = _curves(rates)
    if not curves:
        return None
    import matplotlib as mpl

    from modclaims.report.paper import RC, TEXT, WIDTH, Paper, category_style, colour_of
    from modclaims.report.paper import grid as rule

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a reader's own matplotlibrc must not change the page
        mpl.rcParams.update(RC)
        columns = min(3, len(curves))
        rows = -(-len(curves) // columns)
        wide, tall = (WIDTH - 34) / columns, 150.0
        paper = Paper.of(WIDTH, rows * tall + 24)
        effects = list(dict.fromkeys(effect for lines in curves.values() for effect in lines))
        for i, (family, lines) in enumerate(curves.items()):
            row, column = divmod(i, columns)
            left, bottom = 34 + column * wide, paper.height - (row + 1) * tall + 26
            axes = paper.axes(left, bottom, wide - 24, tall - 48)
            rule(axes)
            for effect, points in lines.items():
                colour, marker = category_style(effects.index(effect))
                axes.plot(*zip(*points, strict=True), color=colour_of(colour), marker=marker, markersize=4)
            axes.set(ylim=(-0.03, 1.03), xlabel="texts")
            paper.say(left, bottom + tall - 42, family, size=TEXT, colour="ink")
        keys = [(category_style(i)[1], category_style(i)[0], f"effect {effect}") for i, effect in enumerate(effects)]
        paper.key(34, 8, keys, WIDTH - 40)
        out = io.BytesIO()
        paper.figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    words = "; ".join(
        f"{family}, effect {effect}: " + ", ".join(f"{value:.2f} at {texts} texts" for texts, value in points)
        for family, lines in curves.items()
        for effect, points in lines.items()
    )
    title = "Power of SUPPORTED at alpha .05 by effect and number of texts"
    return Drawing.of(out.getvalue(), paper.width, paper.height, title, f"{title}. {words}.")


def _curves(rates: Sequence[Rate]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Family -> effect -> (texts, power) of the normal law, by number of texts."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for rate in rates:
        one = rate.scenario
        if rate.name == POWER and rate.alpha == ALPHAS[0] and one.law == "normal":
            found.setdefault(one.family, {}).setdefault(one.truth, []).append((one.texts.texts, rate.estimate))
    return {f: {e: sorted(points) for e, points in lines.items()} for f, lines in found.items()}


# ---- set as Markdown and as HTML


def _markdown(told: _Told, drawn: bool) -> str:
    blocks = [f"# {TITLE}", *map(escape, told.lead), f"**{escape(told.tally)}**"]
    if told.missed.rows:
        blocks += [f"## {told.missed.caption}", _markdown_table(told.missed)]
    for heading, promise, tables in told.sections:
        blocks += [f"## {escape(heading)}", escape(promise)]
        if drawn and heading == PARTS["power"][0]:
            blocks.append(f"![Power by effect and number of texts]({FIGURE})")
        for table in tables:
            blocks += [f"### {escape(table.caption)}", _markdown_table(table)]
    blocks += ["## To repeat this", f"```\n{told.command}\n```", "Raw numbers: [rates.csv](rates.csv)."]
    return "\n\n".join(blocks) + "\n"


def _markdown_table(table: Table) -> str:
    rule = ["---" if i in table.words else "---:" for i in range(len(table.head))]
    rows = [[escape(cell) for cell in row] for row in (table.head, *table.rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))


def _html(told: _Told, drawing: Drawing | None) -> str:
    """One file in the style sheet and colours of the evidence report; nothing is fetched and no script runs."""

    def text(words: str) -> str:
        return html.escape(said(words))

    parts = [f"<header><p class=kind>Calibration</p><h1>{text(TITLE)}</h1>"]
    parts += [f"<p class=lead>{text(told.lead[0])}</p>", *(f"<p>{text(words)}</p>" for words in told.lead[1:])]
    parts.append(f'<p class="tally"><span>{text(told.tally)}</span></p></header><main>')
    if told.missed.rows:
        parts += [f"<h2>{text(told.missed.caption)}</h2>", _html_table(told.missed)]
    for heading, promise, tables in told.sections:
        parts += [f"<h2>{text(heading)}</h2>", f"<p>{text(promise)}</p>"]
        if drawing is not None and heading == PARTS["power"][0]:
            parts.append(
                f'<figure><div class="plot" tabindex="0" role="group" aria-label="Figure: {text(drawing.title)}">'
                f"{drawing.inline('f0-', 'f0-words')}</div>"
                f'<figcaption id="f0-words">{text(drawing.description)}</figcaption></figure>'
            )
        for table in tables:
            parts += [f"<h3>{text(table.caption)}</h3>", _html_table(table)]
    parts.append(
        f'<h2>To repeat this</h2><pre tabindex="0"><code>{html.escape(told.command)}</code></pre>'
        '<p>Raw numbers: <a href="rates.csv">rates.csv</a>.</p></main>'
    )
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(TITLE)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _html_table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        kinds = ["" if i in table.words else ' class="number"' for i in range(len(cells))]
        scope = ' scope="col"' if tag == "th" else ""
        inside = "".join(
            f"<{tag}{scope}{kind}>{html.escape(said(cell))}</{tag}>" for cell, kind in zip(cells, kinds, strict=True)
        )
        return f"<tr>{inside}</tr>"

    label = html.escape(table.caption)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{label}"><table><thead>{row(table.head, "th")}</thead>\n<tbody>'
        + "\n".join(row(cells, "td") for cells in table.rows)
        + "</tbody></table></div>"
    )


def _style() -> str:
    """The evidence report's style sheet, and its colours in light and dark."""
    light, dark = ("".join(f"--fig-{name}:{values[i]};" for name, values in COLOURS.items()) for i in (0, 1))
    sheet = (files("modclaims.report") / "page.css").read_text("utf-8")
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{sheet}"
