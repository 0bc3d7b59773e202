"""The document as Markdown for a code-hosting page, with the figures beside it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from modclaims.drawing.rows import Table
from modclaims.report.claims import Claim
from modclaims.report.document import Document
from modclaims.report.pictures import Figure

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;", "@": "&#64;"}
_MARKUP = re.compile(r"[\\`*~]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|#(?=\d)")
_LEADING = re.compile(r"^(?:[-+=]+|#+|\d+[.)])(?=\s|$)")


def write(document: Document) -> str:
    """`report.md`."""
    blocks = [
        f"# {escape(document.title)}",
        escape(document.lead),
        f"**{escape(' · '.join(document.tally))}**",
        "## Verdicts",
        _verdicts(document),
        *(_figure(document.forest) if document.forest else ()),
        "## How to read this page",
        _terms(document.reading),
        "## The claims",
    ]
    for claim in document.claims:
        blocks += _claim(claim)
    blocks += ["## What was tested", _table(document.tested), _terms(document.scope), "## Provenance"]
    for table in document.provenance:
        blocks += [f"**{escape(table.caption)}**", _table(table)]
    if document.command:
        blocks += ["To repeat this run:", _fenced(document.command)]
    blocks += ["## Raw numbers", "\n".join(f"- [{name}]({name}): {escape(what)}" for name, what in document.raw)]
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Text as text: no markup, no HTML, no table border, on one line."""
    safe = "".join(_ENTITIES.get(c, c) for c in _MARKUP.sub(lambda m: f"\\{m[0]}", text))
    safe = safe.replace("://", "&#58;//")
    return _LEADING.sub(lambda m: m[0][:-1] + "\\" + m[0][-1], safe)


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(table: Table) -> str:
    rule = ["---" if i in table.words else "---:" for i in range(len(table.head))]
    lines = [_line(map(escape, table.head)), _line(rule), *(_line(map(escape, row)) for row in table.rows)]
    return "\n".join(lines) + (f"\n\n{escape(table.left_out)}" if table.left_out else "")


def _folded(summary: str, table: Table) -> str:
    """A table that opens on a click; inside a tag there is no Markdown, only HTML."""
    return f"<details><summary>{html.escape(summary)}</summary>\n\n{_table(table)}\n\n</details>"


def _terms(terms: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"- **{escape(term)}**: {escape(meaning)}" for term, meaning in terms)


def _verdicts(document: Document) -> str:
    head = ("", "claim", "verdict", "effect", document.interval_name, "smallest that matters", "p+", "p−")
    rows = [_line(head), _line(("---:", "---", "---", "---:", "---:", "---:", "---:", "---:"))]
    for c in document.claims:
        verdict = f"**{c.verdict}**" + (f", {escape(c.standing)}" if c.standing else "")
        effect = f"{escape(c.effect_name)} {c.effect}".strip()
        name = f"[{escape(c.name)}](#{c.anchor})<br>{escape(c.claim)}"
        rows.append(_line((str(c.number), name, verdict, effect, c.interval, c.smallest, c.p_plus, c.p_minus)))
    return "\n".join(rows) + f"\n\np+ and p− {document.correction_name}."


def _figure(figure: Figure) -> list[str]:
    blocks = []
    if figure.drawn:
        blocks.append(f"![{escape(figure.description)}]({figure.name})")
    blocks.append(" ".join([f"**{escape(figure.title)}.**", escape(figure.description), *map(escape, figure.notes)]))
    blocks.append(_folded(f"The numbers: {figure.title}", figure.table))
    return blocks


def _claim(claim: Claim) -> list[str]:
    standing = f", {escape(claim.standing)}" if claim.standing else ""
    blocks = [
        f'<a id="{claim.anchor}"></a>\n\n### {claim.number}. {escape(claim.claim)}',
        f"**{claim.verdict}**{standing} · {escape(claim.id)}" + (f" · {escape(claim.family)}" if claim.family else ""),
    ]
    if claim.sentence:
        blocks.append(escape(claim.sentence))
    if claim.message:
        blocks.append("\n".join(f"> {escape(line)}" + "  " for line in claim.message))
    blocks += [f"*Warning:* {escape(warning)}" for warning in claim.warnings]
    blocks += [_table(table) for table in claim.numbers]
    for figure in claim.figures:
        blocks += _figure(figure)
    if claim.controls:
        blocks.append("**Rival explanations**")
    for control in claim.controls:
        blocks.append(f"*{escape(control.name)}.* {escape(control.sentence)}")
        if control.numbers:
            blocks.append(_table(Table(("number", "value"), control.numbers)))
    for figure in claim.null:
        blocks += _figure(figure)
    for table in claim.more:
        blocks.append(_folded(table.caption, table))
    return blocks
