"""Pages: what was measured, as rates.csv, report.md and report.html, with a picture of power by effect and texts."""

from __future__ import annotations

import csv
import html
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from modclaims.calibration.rates import BROKEN, FULL, HOLDS, LEAST_POWER, MOST, WARNING, CalibrationRates, Rate
from modclaims.drawing.numerals import NOTHING, count, said
from modclaims.drawing.rows import Table
from modclaims.drawing.svg import COLOURS, Drawing
from modclaims.families.categories.known_clustering import BEYOND, NOISY
from modclaims.families.common.units import ENOUGH
from modclaims.planting.family import MIDDLE
from modclaims.planting.known import LAYOUTS
from modclaims.planting.scenarios import ALPHAS, POWER, SIZE, WRONG
from modclaims.planting.words import MISREAD, REAL, collinearity
from modclaims.report.markdown import escape
from modclaims.stats.streams import stream

if TYPE_CHECKING:
    from modclaims.drawing.paper import Paper

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
    "mean_effect",
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
NOISY_PART = "noisy"
PARTS[NOISY_PART] = (
    "What a noisy proxy of shared words leaves",
    "Nothing is promised here: texts are alike through shared words alone, and the proxy reads some of the words wrongly.",
)
FIGURE, BIAS = "figures/power.svg", "figures/noisy-proxy.svg"
WORDS = (
    "Beyond shared words: nothing but shared words makes texts alike, through a straight or a curved link, and the proxy reads them "
    "as they are. It explains about {r2:.0f} % of what same category is (R^2 of the indicator on the spline, over pairs); the real "
    "effect beside shared words is an inner product of {real:g} inside categories."
)


def write(measured: CalibrationRates, command: str) -> dict[str, bytes]:
    """The files by relative path; their bytes depend on what was measured and on the command alone."""
    drawings = {
        name: drawing
        for name, drawing in ((FIGURE, power_figure(measured.rates)), (BIAS, bias_figure(measured.rates)))
        if drawing is not None
    }
    told = _Heading.of(measured, command)
    return {
        "rates.csv": rates_csv(measured.rates).encode(),
        "report.md": _markdown(told, drawings).encode(),
        "report.html": _html(told, drawings).encode(),
    } | {name: drawing.file() for name, drawing in drawings.items()}


def _fewer(measured: CalibrationRates) -> str:
    """How many data sets the scenarios have that take longest, if fewer, and those that had more before; of what was measured."""
    mine = [rate.sets for rate in measured.rates if rate.scenario.family not in measured.kept]
    least, most = min(mine, default=measured.sets), max(mine, default=measured.sets)
    more = f", up to {most:,} where so many had been counted before" if most > measured.sets else ""
    return f" ({least:,} where one takes longest)" * (least < measured.sets) + more


def _kept(measured: CalibrationRates) -> str:
    """Which families were not measured anew."""
    if not measured.kept:
        return ""
    return (
        f" The rates of {', '.join(measured.kept)} are those of an earlier calibration, the arithmetic of these families being "
        "what it was; rates.csv tells how many data sets each one has."
    )


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
                "mean_effect": f"{rate.effect:.6g}",
            }
        )
    return out.getvalue()


# ---- words


@dataclass(frozen=True)
class _Heading:
    """The page before it is set: words and tables."""

    lead: tuple[str, ...]
    tally: str
    largest: Table
    missed: Table
    sections: tuple[tuple[str, str, tuple[Table, ...]], ...]
    """(heading, what is promised, a table per family)."""
    command: str

    @classmethod
    def of(cls, measured: CalibrationRates, command: str) -> _Heading:
        rates = measured.rates
        broken, warned = measured.of(BROKEN), measured.of(WARNING)
        held = measured.of(HOLDS)
        cores = measured.seconds / 60
        lead: tuple[str, ...] = (
            f"Every claim was weighed on planted data whose answer is known: {count(measured.sets, 'data set')} a scenario{_fewer(measured)}, "
            f"seed {measured.seed}. It took {cores:.0f} processor minutes, {cores / 2:.0f} on two cores.{_kept(measured)}",
            "Each line of a table is one event of one scenario: a claim's design, the law of its data, the effect that was planted. "
            "Rates stand with their two-sided 95 % Clopper-Pearson limits; where each cell is counted, the cells of one data set count "
            "as one trial together. (i) is broken where the one-sided 99.9 % lower limit exceeds alpha; (ii), (iii) and power are "
            f"held to their figure itself from {FULL:,} data sets on, and with fewer to the figure within that limit.",
        )
        if any(rate.scenario.question in (BEYOND, NOISY) for rate in rates):
            r2 = [collinearity(stream(0, "collinearity", str(i)), LAYOUTS[MIDDLE]) for i in range(20)]
            lead += (WORDS.format(r2=100 * sum(r2) / len(r2), real=REAL),)
        tally = (
            f"{count(len(held) + len(broken), 'promise')}: {len(held):,} held, {len(broken):,} broken; "
            f"{count(len(warned), 'warning')} where there are too few texts for a promise."
        )
        sections = []
        for part, (heading, promise) in PARTS.items():
            mine = [rate for rate in rates if _part(rate) == part]
            if mine:
                families = list(dict.fromkeys(rate.scenario.family for rate in mine))
                tables = tuple(_table(name, [r for r in mine if r.scenario.family == name]) for name in families)
                sections.append((heading, promise, tables))
        return cls(lead, tally, _largest(rates), _missed([*broken, *warned]), tuple(sections), command)


def _shown(value: float) -> str:
    return f"{value:.4f}".rstrip("0").ljust(4, "0").removeprefix("0") if value < 1 else "1"


def _rate(rate: Rate) -> str:
    low, high = rate.interval
    mark = {BROKEN: " broken", WARNING: " warning"}.get(rate.standing, "")
    return f"{_shown(rate.estimate)} [{_shown(low)}, {_shown(high)}]{mark}"


def _what(rate: Rate) -> str:
    return f"{rate.scenario.question}: {rate.name}" if rate.scenario.question else rate.name


def _table(family: str, rates: Sequence[Rate]) -> Table:
    """One row per scenario and event, a column an alpha."""
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


def _largest(rates: Sequence[Rate]) -> Table:
    """Of every family and part, the rate at alpha .05 that comes nearest to what was promised of it."""
    rows = []
    for family in dict.fromkeys(rate.scenario.family for rate in rates):
        for part in ("i", "ii", "iii"):
            promised = [
                rate
                for rate in rates
                if rate.scenario.family == family and rate.part == part and rate.promised and rate.alpha == ALPHAS[0]
            ]
            if promised:
                worst = max(promised, key=lambda rate: rate.estimate)
                one = worst.scenario
                where = ", ".join(word for word in (one.question, one.layout, one.law) if word)
                rows.append(
                    (
                        family,
                        f"({part})",
                        f"{len(promised)}",
                        _rate(worst),
                        f"{worst.bound:g}",
                        f"{worst.name}: {where}",
                    )
                )
    head = ("family", "part", "promises", "largest rate", "limit", "where")
    return Table(head, tuple(rows), "The largest rates at alpha .05", words=(0, 1, 5))


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
    """Power at alpha .05 by number of texts, a panel per family, a line an effect; None where no power was measured."""
    curves = _curves(rates)
    if not curves:
        return None
    from modclaims.drawing.paper import TEXT, WIDTH, Paper, category_style, colour_of
    from modclaims.drawing.paper import grid as rule

    with _plain_settings():
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
        data = _svg(paper)
    words = "; ".join(
        f"{family}, effect {effect}: " + ", ".join(f"{value:.2f} at {texts} texts" for texts, value in points)
        for family, lines in curves.items()
        for effect, points in lines.items()
    )
    title = "Power of SUPPORTED at alpha .05 by effect and number of texts"
    return Drawing.of(data, paper.width, paper.height, title, f"{title}. {words}.")


@contextmanager
def _plain_settings() -> Iterator[None]:
    """matplotlib as the report has it, whatever a reader's own matplotlibrc says."""
    import matplotlib as mpl

    from modclaims.drawing.paper import RC

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


def _svg(paper: Paper) -> bytes:
    out = io.BytesIO()
    paper.figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return out.getvalue()


def bias_figure(rates: Sequence[Rate]) -> Drawing | None:
    """How often shared words alone pass for an effect beyond them, by the share of words that the proxy misreads."""
    noisy = [rate for rate in rates if rate.scenario.question == NOISY and rate.alpha == ALPHAS[0]]
    if not noisy:
        return None
    from modclaims.drawing.paper import WIDTH, Paper, category_style, colour_of
    from modclaims.drawing.paper import grid as rule

    curves: dict[str, list[tuple[float, float]]] = {}
    for name, words in ((SIZE, "p at most .05"), (WRONG, "SUPPORTED at alpha .05")):
        curves[words] = [(MISREAD[rate.scenario.law], rate.estimate) for rate in noisy if rate.name == name]
    curves["mean effect (none is there)"] = [
        (MISREAD[rate.scenario.law], rate.effect) for rate in noisy if rate.name == SIZE
    ]
    with _plain_settings():
        paper = Paper.of(WIDTH, 230.0)
        axes = paper.axes(44, 66, WIDTH - 70, 150)
        rule(axes)
        for i, points in enumerate(curves.values()):
            colour, marker = category_style(i)
            axes.plot(*zip(*points, strict=True), color=colour_of(colour), marker=marker, markersize=4)
        axes.set(ylim=(-0.05, 1.03), xlabel="share of the words that the proxy reads wrongly")
        paper.key(
            44, 8, [(category_style(i)[1], category_style(i)[0], name) for i, name in enumerate(curves)], WIDTH - 50
        )
        data = _svg(paper)
    title = "What a noisy proxy of shared words leaves"
    told = "; ".join(
        f"{name}: " + ", ".join(f"{value:.2f} at {100 * share:.0f} %" for share, value in points)
        for name, points in curves.items()
    )
    return Drawing.of(
        data, paper.width, paper.height, title, f"{title}, by the share of words that it misreads. {told}."
    )


def _curves(rates: Sequence[Rate]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Family -> effect -> (texts, power) of the normal law, by number of texts."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for rate in rates:
        one = rate.scenario
        if rate.name == POWER and rate.alpha == ALPHAS[0] and one.law == "normal":
            found.setdefault(one.family, {}).setdefault(one.truth, []).append((one.texts.texts, rate.estimate))
    return {f: {e: sorted(points) for e, points in lines.items()} for f, lines in found.items()}


# ---- set as Markdown and as HTML


def _markdown(told: _Heading, drawings: Mapping[str, Drawing]) -> str:
    blocks = [f"# {TITLE}", *map(escape, told.lead), f"**{escape(told.tally)}**"]
    if told.largest.rows:
        blocks += [f"## {told.largest.caption}", _markdown_table(told.largest)]
    if told.missed.rows:
        blocks += [f"## {told.missed.caption}", _markdown_table(told.missed)]
    for heading, promise, tables in told.sections:
        blocks += [f"## {escape(heading)}", escape(promise)]
        blocks += [f"![{drawings[name].title}]({name})" for name in _under(heading) if name in drawings]
        for table in tables:
            blocks += [f"### {escape(table.caption)}", _markdown_table(table)]
    blocks += ["## To repeat this", f"```\n{told.command}\n```", "Raw numbers: [rates.csv](rates.csv)."]
    return "\n\n".join(blocks) + "\n"


def _markdown_table(table: Table) -> str:
    rule = ["---" if i in table.words else "---:" for i in range(len(table.head))]
    rows = [[escape(cell) for cell in row] for row in (table.head, *table.rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))


def _part(rate: Rate) -> str:
    return NOISY_PART if rate.scenario.question == NOISY else rate.part


def _under(heading: str) -> tuple[str, ...]:
    """Figures that stand below a heading."""
    return {PARTS["power"][0]: (FIGURE,), PARTS[NOISY_PART][0]: (BIAS,)}.get(heading, ())


def _html(told: _Heading, drawings: Mapping[str, Drawing]) -> str:
    """One file in the style sheet and colours of the evidence report; nothing is fetched and no script runs."""

    def text(words: str) -> str:
        return html.escape(said(words))

    parts = [f"<header><p class=kind>Calibration</p><h1>{text(TITLE)}</h1>"]
    parts += [f"<p class=lead>{text(told.lead[0])}</p>", *(f"<p>{text(words)}</p>" for words in told.lead[1:])]
    parts.append(f'<p class="tally"><span>{text(told.tally)}</span></p></header><main>')
    if told.largest.rows:
        parts += [f"<h2>{text(told.largest.caption)}</h2>", _html_table(told.largest)]
    if told.missed.rows:
        parts += [f"<h2>{text(told.missed.caption)}</h2>", _html_table(told.missed)]
    for heading, promise, tables in told.sections:
        parts += [f"<h2>{text(heading)}</h2>", f"<p>{text(promise)}</p>"]
        for name in _under(heading):
            if (drawing := drawings.get(name)) is not None:
                key = "bias" if name == BIAS else "power"
                parts.append(
                    f'<figure><div class="plot" tabindex="0" role="group" aria-label="Figure: {text(drawing.title)}">'
                    f"{drawing.inline(f'{key}-', f'{key}-words')}</div>"
                    f'<figcaption id="{key}-words">{text(drawing.description)}</figcaption></figure>'
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
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{sheet}\nh3{{margin-top:2.2em}}"
