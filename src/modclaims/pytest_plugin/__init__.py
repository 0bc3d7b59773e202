"""A door: pytest, with one item per claim and model.

The claims of all files that a session collects are corrected together, whatever is selected of them, and whatever order
and process runs them: those selected are recorded, weighed and judged once, before the first item, and every item only
reads its verdict. The others count with the levels that an earlier run left, or as p = 1.

    alone           pytest_runtestloop weighs the session's claims
    with xdist      a worker writes what it collected and selected into the handover folder, the controller weighs that as soon as the
                    first worker has collected (idle workers lend their cores), and workers read the verdicts

Every pytest run on this machine loads this module, so it imports nothing but pytest and the standard library; what
weighs, and whatever that needs, is imported once a claim is at hand.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from modclaims.pytest_plugin.handover import SELECTION, VERDICTS, hand_over, worker_input
from modclaims.pytest_plugin.items import ClaimFile, ClaimItem, claims_of, file_of, may_hold_claims, under_folder
from modclaims.pytest_plugin.judged import (
    ERROR,
    INCONCLUSIVE,
    SKIPPED,
    STANDINGS,
    STATE,
    SelectedClaim,
    State,
    undecided,
)
from modclaims.pytest_plugin.weighing import models_of, weigh_session

# ── what the user may say ──


Node = Any  # Any: of xdist, untyped


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup(
        "modclaims",
        "modularity claims (modclaims): a claim is settled by its first run on a corpus; "
        "rerunning until a claim passes is p-hacking",
    )
    group.addoption(
        "--claims-model",
        action="append",
        metavar="MODEL",
        help="Weigh claims on this model: embedded, a folder, or a hub id[@revision]; #untrained[:SEED] and the like "
        "for a variant. May be given several times: one item per claim and model, each model's claims corrected apart.",
    )
    group.addoption(
        "--claims-beside",
        action="append",
        metavar="MODEL",
        help="A further model that claims about scale compare with the one they are weighed on; may be given several times.",
    )
    group.addoption(
        "--claims-corpus",
        metavar="CORPUS",
        help="The texts: embedded, study, python, a JSONL or CSV file, or a folder of folders.",
    )
    group.addoption(
        "--claims-report",
        metavar="DIR",
        help="Write the run with its report into this folder (a folder per model inside it, where several are given).",
    )
    group.addoption(
        "--claims-strict",
        action="store_true",
        help="A claim that stays inconclusive fails. More texts may settle it; another try on the same ones must not.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "claim: a modularity claim about a language model (set on every claim's item).")
    state = config.stash[STATE] = State()
    if shared := worker_input(config).get("modclaims"):
        state.handover = Path(shared)


def pytest_unconfigure(config: pytest.Config) -> None:
    state = config.stash.get(STATE, None)
    if state is not None and state.handover is not None and not worker_input(config):
        shutil.rmtree(state.handover, ignore_errors=True)


# ── collecting ──


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Take claim files, and take them away from collectors that would import them by their name as modules of tests.

    A wrapper, and not `pytest_pycollect_makemodule`, because doctest's collector must step aside as well, and other
    plugins' collectors (of linters, say) must not.
    """
    found = yield
    if not may_hold_claims(file_path, parent.session):
        return found
    mine = ClaimFile.from_parent(parent, path=file_path)
    if not under_folder(file_path, parent.config) and not mine.collected:
        return found  # a named file that is about modclaims, yet states no claim
    parent.config.stash[STATE].files.append(mine)
    return [one for one in found if not isinstance(one, pytest.Module)] + [mine]


# ── weighing, once a session ──


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Without xdist: weigh the session's claims before its first item, whoever's that is: bad input stops early."""
    stopped = session.testsfailed and not session.config.option.continue_on_collection_errors
    if session.config.option.collectonly or stopped or worker_input(session.config):
        return
    if asked := _selected(session):
        session.config.stash[STATE].judged = weigh_session(session.config, asked, _beside(session, asked))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Node) -> None:
    """xdist, controller: tell a worker where verdicts will be."""
    state = node.config.stash[STATE]
    if state.handover is None:
        state.handover = Path(tempfile.mkdtemp(prefix="modclaims-"))
    node.workerinput["modclaims"] = str(state.handover)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """xdist, worker: say which claims were selected, before xdist itself says that collecting is over."""
    handover = session.config.stash[STATE].handover
    if worker_input(session.config) and handover is not None and (asked := _selected(session)):
        rows = {"asked": asked, "beside": _beside(session, asked)}
        hand_over(
            handover / SELECTION,
            {key: [[str(a.collected.path), a.collected.id, a.model] for a in some] for key, some in rows.items()},
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Node) -> None:
    """xdist, controller: weigh what the first worker selected (xdist sees to it that all select the same)."""
    config, state = node.config, node.config.stash[STATE]
    selection = state.handover / SELECTION
    if state.judged is not None or not selection.is_file():
        return
    told = json.loads(selection.read_text("utf-8"))
    every = [*told["asked"], *told["beside"]]
    paths = [Path(path) for path in dict.fromkeys(row[0] for row in every)]
    found = {one.id: one for path in paths for one in claims_of(path, config)}
    if lost := [claim for _, claim, _ in every if claim not in found]:
        raise pytest.UsageError(f"Claim {lost[0]} is gone: its file changed while this session began; run it again.")
    asked, beside = (
        [SelectedClaim(found[claim], model) for _, claim, model in told[key]] for key in ("asked", "beside")
    )
    judged = state.judged = weigh_session(config, asked, beside, node.workerinput["workercount"])
    told = [[model, claim, j.claim, j.over, j.correction, j.strict] for (model, claim), j in judged.items()]
    hand_over(state.handover / VERDICTS, told)


def _selected(session: pytest.Session) -> list[SelectedClaim]:
    """The session's claims, file by file in the order of definition, so that no shuffling of items shows in a run."""
    items = [item for item in session.items if isinstance(item, ClaimItem)]
    places = {i.path: {one.id: n for n, one in enumerate(file_of(i).collected)} for i in items}
    models = models_of(session.config)

    def place(asked: SelectedClaim) -> tuple[int, Path, int]:
        path, claim = asked.collected.path, asked.collected.id
        return models.index(asked.model), path, places[path][claim]

    unique = {(i.asked.model, i.asked.collected.id): i.asked for i in items}
    return sorted(unique.values(), key=place)


def _beside(session: pytest.Session, asked: Sequence[SelectedClaim]) -> list[SelectedClaim]:
    """Claims that count in the correction though they are not selected, on every model that is asked for.

    They are all others of the files that the command line names, or that lie in its folders: `--lf` does not even open
    files in which nothing failed, and pytest meets the neighbours of a named file too.
    """
    selected = {(one.model, one.collected.id) for one in asked}
    met = sorted({one.path: one for one in session.config.stash[STATE].files}.items())
    whole = [one for path, one in met if any(session.isinitpath(place) for place in (path, *path.parents))]
    return [
        SelectedClaim(one, model)
        for model in dict.fromkeys(one.model for one in asked)
        for file in whole
        for one in file.collected
        if (model, one.id) not in selected
    ]


# ── telling ──


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note on the report of the phase that decides how the claim stands, and point skips at the claim."""
    report = yield
    if isinstance(item, ClaimItem) and item.judged is not None:
        standing = item.judged.standing
        if report.when == ("setup" if standing in (ERROR, SKIPPED) else "call"):
            reason = undecided(item.judged) if standing == INCONCLUSIVE else ""
            report.__dict__["modclaims"] = [standing, reason, item.judged.over, item.judged.correction]
            if report.skipped and not hasattr(report, "wasxfail"):
                path, line, _ = item.reportinfo()
                report.longrepr = (str(path), line + 1, f"Skipped: {reason or item.judged.claim['message']}")
    return report


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, Mapping[str, bool]]] | None:
    """INCONCLUSIVE has its own word, and stays a skip for whatever else reads reports."""
    standing = getattr(report, "modclaims", [""])[0]
    if standing == INCONCLUSIVE and report.skipped and not hasattr(report, "wasxfail"):
        return INCONCLUSIVE, "i", (INCONCLUSIVE.upper(), {"yellow": True})
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How the claims stand, over how many they were corrected, and where the report is."""
    told = {
        report.nodeid: report.__dict__["modclaims"]
        for reports in terminalreporter.stats.values()
        for report in reports
        if "modclaims" in getattr(report, "__dict__", {})
    }
    if not told:
        return
    counts = Counter(standing for standing, *_ in told.values())
    words = [f"{counts[standing]} {standing}" for standing in STANDINGS if standing in counts or standing != SKIPPED]
    sets = dict.fromkeys(over for *_, over, _ in told.values())
    correction = next(correction for *_, correction in told.values())
    terminalreporter.write_sep("=", "claims")
    if set(terminalreporter.reportchars) & {"i", "s"}:
        for nodeid, (standing, reason, *_) in told.items():
            if standing == INCONCLUSIVE:
                terminalreporter.write_line(f"{nodeid} - {reason}")
    over = "" if correction == "none" else f"; {correction} over {' or '.join(sets)}"
    terminalreporter.write_line(f"{', '.join(words)}{over}")
    for path in config.stash[STATE].reports:
        here = config.invocation_params.dir
        terminalreporter.write_line(f"Report: {path.relative_to(here) if path.is_relative_to(here) else path}")
