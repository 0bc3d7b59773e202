"""A door: pytest, with one item a claim and model.

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
import os
import re
import shlex
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from modclaims.corpus import Corpus
    from modclaims.recording import Recorder
    from modclaims.runs.collect import Collected
    from modclaims.runs.progress import Progress
    from modclaims.runs.settings import Settings

FOLDER = "hypotheses"
"""Name of the folders whose files are taken without being named."""
EXPECTED, AGAINST, INCONCLUSIVE, ERROR, SKIPPED = (
    "as expected",
    "against expectation",
    "inconclusive",
    "error",
    "skipped",
)
STANDINGS = (EXPECTED, AGAINST, INCONCLUSIVE, ERROR, SKIPPED)
"""How a claim may stand to what was expected of it."""
NUMBERS = (
    *("outcome", "expect", "effect_name", "effect", "effect_low", "effect_high", "smallest_effect", "best_words"),
    *("p", "p_plus_adjusted", "p_minus_adjusted", "draws", "exact", "n_texts", "n_cells"),
)
"""What an item keeps of its claim in `user_properties`, named as in run.json."""
SELECTION, VERDICTS = "selection.json", "verdicts.json"
"""Files of the handover folder: written by workers, and by the controller."""

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """One claim that the session selected, and the model to weigh it on."""

    collected: Collected
    model: str | None
    """None for the model of the settings."""


@dataclass(frozen=True)
class Judged:
    """A claim's verdict among the claims that were weighed with it."""

    claim: Summary
    """Its object in run.json."""
    over: str
    """What levels were corrected over, in words that follow "over"."""
    correction: str
    strict: bool
    """Whether staying inconclusive fails."""

    @property
    def standing(self) -> str:
        """One of `STANDINGS`."""
        outcome = self.claim["outcome"]
        if outcome in (ERROR, SKIPPED):
            return str(outcome)
        if self.claim["as_expected"]:
            return EXPECTED
        return INCONCLUSIVE if outcome == INCONCLUSIVE else AGAINST

    def told(self) -> str:
        """The numbers on one line, then the claim and its verdict in words."""
        from modclaims.drawing.numerals import interval, number, p_value

        c = self.claim
        if c["effect"] is None:
            return str(c["message"])
        where = f" at {c['best_words']}" if c["n_cells"] > 1 else ""
        first = (
            f"{str(c['outcome']).upper()}, {c['expect']} was expected: "
            f"{c['effect_name']} {number(c['effect'])} {interval(c['effect_low'], c['effect_high'])}{where}, "
            f"smallest that matters {c['smallest_effect']:g}; "
            f"p+ {p_value(c['p_plus_adjusted'])}, p- {p_value(c['p_minus_adjusted'])} "
            f"({self._corrected()})"
        ).replace("−", "-")  # as in the sentence below, and found by who searches a log
        return "\n".join(part for part in (first, str(c["claim"]), str(c["sentence"]), str(c["message"])) if part)

    def _corrected(self) -> str:
        """Both levels before correction, and what it was over."""
        from modclaims.drawing.numerals import p_value

        if self.correction == "none":
            return "without correction"
        return (
            f"alone {p_value(self.claim['p_plus'])} and {p_value(self.claim['p_minus'])}; "
            f"{self.correction} over {self.over}"
        )


Verdicts = dict[tuple[str | None, str], Judged]
"""By model and claim id."""


@dataclass
class State:
    """What one session knows of its claims."""

    judged: Verdicts | None = None
    """None until they are there."""
    files: list[ClaimFile] = field(default_factory=list)
    """Hypothesis files that were met while pytest collected, asked for or not."""
    reports: list[Path] = field(default_factory=list)
    handover: Path | None = None
    """Folder shared by an xdist controller and its workers."""


STATE = pytest.StashKey[State]()


# ── what the user may say ──


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
        "for a variant. May be given several times: one item a claim and model, each model's claims corrected apart.",
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
        help="Write the run with its report into this folder (a folder a model inside it, where several are given).",
    )
    group.addoption(
        "--claims-strict",
        action="store_true",
        help="A claim that stays inconclusive fails. More texts may settle it; another try on the same ones must not.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "claim: a modularity claim about a language model (set on every claim's item).")
    state = config.stash[STATE] = State()
    if shared := _worker_input(config).get("modclaims"):
        state.handover = Path(shared)


def pytest_unconfigure(config: pytest.Config) -> None:
    state = config.stash.get(STATE, None)
    if state is not None and state.handover is not None and not _worker_input(config):
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
    if not _may_hold_claims(file_path, parent.session):
        return found
    mine = ClaimFile.from_parent(parent, path=file_path)
    if not _under_folder(file_path, parent.config) and not mine.collected:
        return found  # a named file that is about modclaims, yet states no claim
    parent.config.stash[STATE].files.append(mine)
    return [one for one in found if not isinstance(one, pytest.Module)] + [mine]


def _may_hold_claims(path: Path, session: pytest.Session) -> bool:
    """Whether name, place and bytes say that this is a hypothesis file; `modclaims run` leaves out the same names."""
    named = session.isinitpath(path)
    if path.suffix != ".py" or path.name.startswith(("test_", "conftest")):
        return False
    if _under_folder(path, session.config):
        if path.name.startswith("_") and not named:
            return False
    elif not named or any(path.match(pattern) for pattern in session.config.getini("python_files")):
        return False
    try:
        return b"modclaims" in path.read_bytes()
    except OSError:
        return False


def _under_folder(path: Path, config: pytest.Config) -> bool:
    """Whether a folder called hypotheses holds the file; one that holds the whole project does not count."""
    root = config.rootpath if config.inipath is not None else config.rootpath.parent
    inside = path.relative_to(root) if path.is_relative_to(root) else path
    return FOLDER in inside.parent.parts


def _claims_of(path: Path, config: pytest.Config) -> Sequence[Collected]:
    from modclaims.runs.collect import collect_file

    with _usual_warnings():
        return collect_file(path, config.rootpath)


@contextmanager
def _usual_warnings() -> Iterator[None]:
    """Python's own filters: no verdict may hang on pytest's, which can make an error of anyone's deprecation."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for quiet in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", quiet)
        yield


class ClaimFile(pytest.File):
    """A hypothesis file."""

    @cached_property
    def collected(self) -> Sequence[Collected]:
        """Its claims, or the one fault that kept it from being loaded."""
        return _claims_of(self.path, self.config)

    def collect(self) -> Iterator[ClaimItem]:
        """One item a claim and model, in the order of definition."""
        models = _models(self.config)
        for one in self.collected:
            for name in [one.name] if "::" in one.id else self._names_asked() or [self.path.name]:
                for model in models:
                    shown = f"{name}[{model}]" if len(models) > 1 else name
                    yield ClaimItem.from_parent(self, name=shown, asked=Asked(one, model))

    def _names_asked(self) -> list[str]:
        """Claims of this file that the command line names: what stands for them where the file cannot be loaded."""
        given = (arg.partition("::") for arg in self.config.args)
        here = self.config.invocation_params.dir
        mine = (name for file, _, name in given if name and (here / file).resolve() == self.path.resolve())
        return list(dict.fromkeys(mine))


class ClaimItem(pytest.Item):
    """One claim on one model; it reads the verdict that the session reached."""

    def __init__(self, *, asked: Asked, **options: Any) -> None:
        super().__init__(**options)
        self.asked = asked
        self.judged: Judged | None = None
        self.add_marker("claim")
        self.no_mark = ""
        if asked.collected.claim is not None:
            marks = list(_marks(type(asked.collected.claim)))
            self.own_markers.extend(one for one in marks if isinstance(one, pytest.Mark))
            self.no_mark = ", ".join(type(one).__name__ for one in marks if not isinstance(one, pytest.Mark))

    def setup(self) -> None:
        """Find the verdict. What cannot be weighed ends here: as an error, or skipped where a column is lacking."""
        if self.no_mark:
            pytest.fail(
                f"pytestmark holds a value of type {self.no_mark}; it holds marks, such as pytest.mark.xfail.",
                pytrace=False,
            )
        self.judged = _verdicts(self.config).get((self.asked.model, self.asked.collected.id))
        if self.judged is None:
            pytest.fail(f"{self.asked.collected.id} was not among the claims that this session weighed.", pytrace=False)
        if not self.user_properties:
            self.user_properties += _properties(self.judged.claim, self.asked.model)
        if self.judged.standing == ERROR:
            pytest.fail(str(self.judged.claim["message"]), pytrace=False)
        if self.judged.standing == SKIPPED:
            pytest.skip(str(self.judged.claim["message"]))

    def runtest(self) -> None:
        """Pass as expected, fail against expectation (with `--claims-strict` where undecided), else be undecided."""
        assert self.judged is not None  # set up, or never run
        if self.judged.standing == INCONCLUSIVE and not self.judged.strict:
            pytest.skip(_undecided(self.judged))
        if self.judged.standing != EXPECTED:
            pytest.fail(self.judged.told(), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the claim is stated."""
        return self.path, self._line, self.name

    @property
    def _line(self) -> int:
        import inspect

        claim = self.asked.collected.claim
        try:
            return max(0, inspect.getsourcelines(type(claim))[1] - 1) if claim is not None else 0
        except (OSError, TypeError):
            return 0


def _marks(claim: type) -> Iterator[object]:
    """Marks that the claim's file, its ancestors and the claim itself declare, and what stands in their place."""
    for holder in (sys.modules[claim.__module__], *reversed(claim.__mro__)):
        given = vars(holder).get("pytestmark", [])
        for one in given if isinstance(given, list) else [given]:
            yield one.mark if isinstance(one, pytest.MarkDecorator) else one


def _properties(claim: Summary, model: str | None) -> list[tuple[str, object]]:
    """Numbers of a claim that there are, and the model where it was chosen."""
    found: list[tuple[str, object]] = [(name, claim[name]) for name in NUMBERS if claim.get(name) is not None]
    return found if model is None else [("model", model), *found]


def _undecided(judged: Judged) -> str:
    return f"INCONCLUSIVE: {judged.claim['message'] or judged.claim['sentence']}"


# ── weighing, once a session ──


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Without xdist: weigh the session's claims before its first item, whoever's that is: bad input stops early."""
    stopped = session.testsfailed and not session.config.option.continue_on_collection_errors
    if session.config.option.collectonly or stopped or _worker_input(session.config):
        return
    if asked := _selected(session):
        session.config.stash[STATE].judged = _weigh(session.config, asked, _beside(session, asked))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist, controller: tell a worker where verdicts will be."""
    state = node.config.stash[STATE]
    if state.handover is None:
        state.handover = Path(tempfile.mkdtemp(prefix="modclaims-"))
    node.workerinput["modclaims"] = str(state.handover)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """xdist, worker: say which claims were selected, before xdist itself says that collecting is over."""
    handover = session.config.stash[STATE].handover
    if _worker_input(session.config) and handover is not None and (asked := _selected(session)):
        rows = {"asked": asked, "beside": _beside(session, asked)}
        _hand_over(
            handover / SELECTION,
            {key: [[str(a.collected.path), a.collected.id, a.model] for a in some] for key, some in rows.items()},
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """xdist, controller: weigh what the first worker selected (xdist sees to it that all select the same)."""
    config, state = node.config, node.config.stash[STATE]
    selection = state.handover / SELECTION
    if state.judged is not None or not selection.is_file():
        return
    told = json.loads(selection.read_text("utf-8"))
    every = [*told["asked"], *told["beside"]]
    paths = [Path(path) for path in dict.fromkeys(row[0] for row in every)]
    found = {one.id: one for path in paths for one in _claims_of(path, config)}
    if lost := [claim for _, claim, _ in every if claim not in found]:
        raise pytest.UsageError(f"Claim {lost[0]} is gone: its file changed while this session began; run it again.")
    asked, beside = ([Asked(found[claim], model) for _, claim, model in told[key]] for key in ("asked", "beside"))
    judged = state.judged = _weigh(config, asked, beside, node.workerinput["workercount"])
    told = [[model, claim, j.claim, j.over, j.correction, j.strict] for (model, claim), j in judged.items()]
    _hand_over(state.handover / VERDICTS, told)


def _selected(session: pytest.Session) -> list[Asked]:
    """The session's claims, file by file in the order of definition, so that no shuffling of items shows in a run."""
    items = [item for item in session.items if isinstance(item, ClaimItem)]
    places = {i.path: {one.id: n for n, one in enumerate(_file_of(i).collected)} for i in items}
    models = _models(session.config)

    def place(asked: Asked) -> tuple[int, Path, int]:
        path, claim = asked.collected.path, asked.collected.id
        return models.index(asked.model), path, places[path][claim]

    unique = {(i.asked.model, i.asked.collected.id): i.asked for i in items}
    return sorted(unique.values(), key=place)


def _beside(session: pytest.Session, asked: Sequence[Asked]) -> list[Asked]:
    """Claims that count in the correction though they are not selected, on every model that is asked for.

    They are all others of the files that the command line names, or that lie in its folders: `--lf` does not even open
    files in which nothing failed, and pytest meets the neighbours of a named file too.
    """
    selected = {(one.model, one.collected.id) for one in asked}
    met = sorted({one.path: one for one in session.config.stash[STATE].files}.items())
    whole = [one for path, one in met if any(session.isinitpath(place) for place in (path, *path.parents))]
    return [
        Asked(one, model)
        for model in dict.fromkeys(one.model for one in asked)
        for file in whole
        for one in file.collected
        if (model, one.id) not in selected
    ]


def _models(config: pytest.Config) -> list[str | None]:
    """Models that the options name, else None for that of the settings."""
    return list(dict.fromkeys(config.getoption("claims_model") or [None]))


def _file_of(item: ClaimItem) -> ClaimFile:
    assert isinstance(item.parent, ClaimFile)  # nothing else makes items of claims
    return item.parent


def _verdicts(config: pytest.Config) -> Verdicts:
    """What this process weighed, or the controller handed over to it."""
    state = config.stash[STATE]
    if state.judged is None and state.handover is not None and (state.handover / VERDICTS).is_file():
        rows = json.loads((state.handover / VERDICTS).read_text("utf-8"))
        state.judged = {(model, claim): Judged(*rest) for model, claim, *rest in rows}
    return state.judged or {}


def _weigh(config: pytest.Config, asked: Sequence[Asked], beside: Sequence[Asked], workers: int = 1) -> Verdicts:
    """Run the claims asked for, model by model. Raises `pytest.UsageError` for input at fault, before any forward pass."""
    from modclaims.claim_set import corrected_over
    from modclaims.errors import ModclaimsError
    from modclaims.report import render
    from modclaims.runner import execute
    from modclaims.runs.run_folder import dump_json
    from modclaims.runs.run_log import RunLog

    judged: Verdicts = {}
    try:
        with _usual_warnings():
            runs = []
            for model in dict.fromkeys(a.model for a in asked):  # all of them, before the first pass on any
                settings = _settings(config, model, workers)
                runs.append((model, settings, *load(settings)))
            for model, settings, corpus, recorder in runs:
                mine, others = ([a.collected for a in some if a.model == model] for some in (asked, beside))
                out = _report_folder(config, model)
                run = execute(
                    mine,
                    unselected=others,
                    corpus=corpus,
                    recorder=recorder,
                    settings=settings,
                    cwd=config.rootpath,
                    out=out,
                    render=partial(render, workers=workers),
                    progress=_progress(config, model),
                    command=_command(config, mine, others, model),
                    log=RunLog(),
                ).run
                tests = run.facts["tests"]
                over = corrected_over(tests["corrected_over"], tests["weighed"], tests["from_earlier_runs"])
                for record in run.claims:
                    summary = json.loads(dump_json(record.summary))  # as workers read it
                    judged[model, str(summary["id"])] = Judged(summary, over, settings.correction, settings.strict)
                if out is not None:
                    config.stash[STATE].reports.append(out / "report.html")
    except ModclaimsError as fault:
        raise pytest.UsageError(str(fault).replace("--out", "--claims-report")) from None
    return judged


def load(settings: Settings) -> tuple[Corpus, Recorder]:
    """The corpus and model that the settings name. Raises `InputError` for what cannot be read."""
    from modclaims.corpus_files import read_corpus

    corpus = read_corpus(settings.corpus, text_column=settings.text, label=settings.label)
    if settings.offline:  # before anything imports huggingface_hub
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"

    from modclaims.lm.model import load_models
    from modclaims.lm.store import RecordingStore

    recorder = load_models(
        settings.model,
        settings.beside,
        **settings.loading(),
        store=None if settings.no_cache else RecordingStore(),
    )
    return corpus, recorder


def _settings(config: pytest.Config, model: str | None, workers: int) -> Settings:
    """Settings of the root folder's files, over which options win; selecting and reporting are pytest's own part."""
    from modclaims.runs.settings import Settings, from_files

    told = from_files(config.rootpath)
    here = config.invocation_params.dir
    for name in ("model", "corpus"):  # a path in a file starts at that file, one in an option where the user stands
        if here != config.rootpath and name in told and (config.rootpath / told[name]).exists():
            told[name] = os.path.relpath(config.rootpath / told[name], here)
    if here != config.rootpath:
        told["beside"] = tuple(
            os.path.relpath(config.rootpath / one, here) if (config.rootpath / one).exists() else one
            for one in told.get("beside", ())
        )
    beside = config.getoption("claims_beside")
    chosen = {"model": model, "corpus": config.getoption("claims_corpus"), "beside": tuple(beside) if beside else None}
    told = {"workers": workers} | told | {k: v for k, v in chosen.items() if v is not None}
    if config.getoption("claims_strict"):
        told["strict"] = True
    return Settings(**told | {"keyword": "", "out": None})


def _report_folder(config: pytest.Config, model: str | None) -> Path | None:
    given = config.getoption("claims_report")
    if not given:
        return None
    folder = config.invocation_params.dir / str(given)
    return (
        folder
        if len(_models(config)) == 1
        else folder / (re.sub(r"[^A-Za-z0-9._-]+", "-", str(model)).strip("-.") or "model")
    )


def _command(config: pytest.Config, asked: Sequence[Collected], others: Sequence[Collected], model: str | None) -> str:
    """The command that repeats this run from the root folder, whichever way its claims were selected from their files."""
    from modclaims.declarations import written

    words = ["pytest"]
    for path in dict.fromkeys(one.path for one in (*asked, *others)):
        mine = [one.id for one in asked if one.path == path]
        name = written(Path(os.path.relpath(path, config.rootpath)).as_posix())
        if not mine:
            words += [name, "--deselect", name]
        elif all(one.path != path for one in others):
            words.append(name)
        else:
            words += [f"{name}::{one.rpartition('::')[2]}" for one in mine]
    beside = [("--claims-beside", one) for one in config.getoption("claims_beside") or ()]
    for option, value in (("--claims-model", model), *beside, ("--claims-corpus", config.getoption("claims_corpus"))):
        words += [option, str(value)] if value is not None else []
    return shlex.join(words)


def _progress(config: pytest.Config, model: str | None) -> Progress | None:
    """A line when recording begins and one when weighing does; none with -q."""
    from modclaims.runs.progress import Progress

    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or config.get_verbosity() < 0:
        return None
    on = f" on {model}" if model else ""

    def recording(done: int, total: int, what: str) -> None:
        if done == 0:
            terminal.write_line(f"claims: recording {total} texts{on}")

    def weighing(done: int, total: int, what: str) -> None:
        if done == 0:
            terminal.write_line(f"claims: weighing {total}{on}")

    return Progress(recording, weighing)


def _worker_input(config: pytest.Config) -> Mapping[str, Any]:
    """What an xdist controller told this worker; empty in any other process."""
    found: Mapping[str, Any] = getattr(config, "workerinput", {})
    return found


def _hand_over(path: Path, value: object) -> None:
    """Write a file whole or not at all."""
    from modclaims.runs.run_folder import dump_json, write_atomically

    write_atomically(path, dump_json(value).encode())


# ── telling ──


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note on the report of the phase that decides how the claim stands, and point skips at the claim."""
    report = yield
    if isinstance(item, ClaimItem) and item.judged is not None:
        standing = item.judged.standing
        if report.when == ("setup" if standing in (ERROR, SKIPPED) else "call"):
            reason = _undecided(item.judged) if standing == INCONCLUSIVE else ""
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
