"""TestSettings a session's claims, model by model, as its options and settings files say."""

from __future__ import annotations

import json
import os
import re
import shlex
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modclaims.pytest_plugin.judged import STATE, Judged, SelectedClaim, Verdicts

if TYPE_CHECKING:
    from modclaims.corpus import Corpus
    from modclaims.recording import Recorder
    from modclaims.runs.collect import Collected
    from modclaims.runs.progress import Progress
    from modclaims.runs.settings import Settings


@contextmanager
def usual_warnings() -> Iterator[None]:
    """Python's own filters: no verdict may hang on pytest's, which can make an error of anyone's deprecation."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for quiet in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", quiet)
        yield


def models_of(config: pytest.Config) -> list[str | None]:
    """Models that the options name, else None for that of the settings."""
    return list(dict.fromkeys(config.getoption("claims_model") or [None]))


def weigh_session(
    config: pytest.Config, asked: Sequence[SelectedClaim], beside: Sequence[SelectedClaim], workers: int = 1
) -> Verdicts:
    """Run the claims asked for, model by model. Raises `pytest.UsageError` for input at fault, before any forward pass."""
    from modclaims.claim_set import corrected_over
    from modclaims.errors import ModclaimsError
    from modclaims.report import render
    from modclaims.runner import execute
    from modclaims.runs.run_folder import dump_json
    from modclaims.runs.run_log import RunLog

    judged: Verdicts = {}
    try:
        with usual_warnings():
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
        if len(models_of(config)) == 1
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
