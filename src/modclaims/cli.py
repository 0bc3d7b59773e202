"""The command line: a door. Heavy modules are imported by the command that needs them, so `--help` and `list` are quick."""

from __future__ import annotations

import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modclaims import __version__
from modclaims.errors import InputError, ModclaimsError, NothingSelected
from modclaims.terminal import progress_bars, tell

if TYPE_CHECKING:
    from modclaims.corpus import Corpus
    from modclaims.recording import Recording
    from modclaims.runner import Finished
    from modclaims.runs.collect import Collected, Selection
    from modclaims.runs.settings import Settings

Given = Any  # Any: what click hands over, checked by `Settings`
OK, AGAINST, INTERRUPTED, NOT_WEIGHED, USAGE, NOTHING, STRICT, UNFORESEEN = 0, 1, 2, 3, 4, 5, 10, 12
F = TypeVar("F", bound=Callable[..., Given])


class Door(click.Group):
    """A group whose usage errors, input errors and unforeseen faults end with the promised exit codes."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # Any: as click declares it
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as fault:
            click.echo(fault.ctx.get_help())
            code = OK
        except click.exceptions.Exit as done:
            code = done.exit_code
        except click.UsageError as fault:
            fault.show()
            code = USAGE
        except click.ClickException as fault:
            fault.show()
            code = USAGE
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted; run the same command again to go on.", err=True)
            code = INTERRUPTED
        except NothingSelected as fault:
            click.echo(str(fault), err=True)
            code = NOTHING
        except (InputError, ModclaimsError) as fault:
            click.echo(f"Error: {fault}", err=True)
            code = USAGE
        except Exception as fault:
            click.echo(f"Error: an unforeseen {type(fault).__name__}: {fault}\nLog: {_log(fault)}", err=True)
            code = UNFORESEEN
        sys.exit(code if isinstance(code, int) else OK)


def _log(fault: BaseException) -> Path:
    """Where the full traceback was written."""
    import tempfile

    handle, name = tempfile.mkstemp(prefix="modclaims-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        traceback.print_exception(fault, file=out)
    return Path(name)


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modclaims")
def main() -> None:
    """Test modularity claims about transformer language models.

    `modclaims run` weighs the shipped claims on the embedded model and corpus; give it your own hypothesis files,
    --model and --corpus to weigh yours.
    """


def _selection(command: F) -> F:
    command = click.option(
        "-k",
        "keyword",
        metavar="EXPR",
        help="Only claims whose id matches: words with and, or, not, (). The others still count in the correction.",
    )(command)
    return click.argument("paths", nargs=-1, metavar="[PATH]...")(command)


_READING = (
    click.option(
        "--model",
        help="embedded, a folder, or a hub id[@revision]; #untrained[:SEED], #gaussian, #permuted for a variant.",
    ),
    click.option(
        "--beside",
        multiple=True,
        metavar="MODEL",
        help="A further model, for claims about scale; may be given several times. All others see --model alone.",
    ),
    click.option("--corpus", help="embedded (crossed), study, python, a JSONL or CSV file, or a folder of folders."),
    click.option("--text", metavar="COLUMN", help="Column that holds the texts (default: text)."),
    click.option("--label", metavar="COLUMN", help="Column that is the category (default: category)."),
    click.option("--tokens", type=int, help="Tokens kept of each text (512)."),
    click.option("--positions", help="Positions read: last:10:4, 475:512:4, or 475,479 (last:10:4)."),
)
"""What is read: options that `run`, `plan` and `list` share."""
_DESIGN = (
    *_READING,
    click.option(
        "--dtype",
        help="stored, float32, float64, bfloat16 or float16 (stored: what the weights are in; "
        "but float32 in place of half precision on the CPU, where that rounds less and is mostly faster).",
    ),
    click.option("--offline", is_flag=True, default=None, help="Never reach for a hub."),
    click.option("--allow-bin", is_flag=True, default=None, help="Also load weights that are not safetensors."),
    click.option("--trust-remote-code", is_flag=True, default=None, help="Let a model folder run its own code."),
    click.option("--alpha", type=float, help="Error rate of each side, over all claims of the files (.05)."),
    click.option(
        "--correction", type=click.Choice(["holm", "bh", "by", "none"]), help="Correction over claims (holm)."
    ),
    click.option("--permutations", type=int, help="Relabellings drawn, and the most that are enumerated (9999)."),
    click.option("--resamples", type=int, help="Resamples of the texts behind every bound (9999)."),
    click.option("--seed", type=int, help="Seed of every random stream (0)."),
)


def _design(command: F) -> F:
    """What is weighed, and how hard: options that `run` and `plan` share."""
    for option in reversed(_DESIGN):
        command = option(command)
    return command


def _reading(command: F) -> F:
    """What is read."""
    for option in reversed(_READING):
        command = option(command)
    return command


@main.command(name="list")
@_selection
@_reading
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of lines.")
def list_claims(paths: tuple[str, ...], keyword: str | None, as_json: bool, **options: Given) -> int:
    """Every claim, its family and what it needs; nothing is run.

    With --model or --corpus also what a run on these would say of each before any pass: layers that are not there, columns
    that are missing, positions that leave nothing.
    """
    import json

    from modclaims.claim_files import claim_files

    claim_files(paths, Path.cwd())  # raises where there is no file to look in, before anything heavier is loaded
    from modclaims.runs.collect import collect

    found = collect(paths, Path.cwd(), keyword or "")
    if not found:
        raise NothingSelected("No claim is selected.")
    rows = [_listed(one) for one in found]
    if options["model"] or options["corpus"]:
        rows = [row | said for row, said in zip(rows, _said_before(found, options), strict=True)]
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        for row in rows:
            if row["fault"]:
                click.echo(f"{row['id']}\n    {row.get('outcome', 'error').upper()}  {row['fault']}")
                continue
            several = f" and {row['models']} models or more (--beside)" if row["models"] > 1 else ""
            click.echo(
                f"{row['id']}\n    {row['claim']}\n    {row['family']}, {row['holds']}; needs {', '.join(row['needs']) or 'no label'}{several}; "
                f"{row['effect_name']} of at least {row['smallest_effect']:g}; expects {row['expect']}"
            )
        click.echo(f"{len(rows)} claims")
    return NOT_WEIGHED if any(r["fault"] and r.get("outcome") != "skipped" for r in rows) else OK


def _said_before(found: Sequence[Collected], options: Mapping[str, Given]) -> list[dict[str, Given]]:
    """What a run would say of each claim before any pass, in the same words: nothing, or its outcome and why."""
    from modclaims.corpus_files import read_corpus
    from modclaims.lm.outline import read_outlines
    from modclaims.recording import Positions
    from modclaims.runs.planned import context, prepare, readable

    settings = _settings(Path.cwd(), options)
    corpus = read_corpus(settings.corpus, text_column=settings.text, label=settings.label)
    outline, several = read_outlines(settings.model, settings.beside, **settings.loading())
    recorder = several or outline
    recorder.check(corpus, settings.tokens, Positions(settings.positions))
    planned = prepare(found, context(corpus, recorder.shape, settings))
    planned = [one if one.outcome else readable(one, corpus, recorder, settings) for one in planned]
    return [{} if one.outcome is None else {"outcome": one.outcome.word, "fault": one.message} for one in planned]


def _listed(one: Collected) -> dict[str, Given]:
    """What `list` says of one claim, or of what is wrong with it."""
    from modclaims import asking
    from modclaims.errors import ClaimError

    claim = one.claim
    row: dict[str, Given] = {
        "id": one.id,
        "family": None,
        "claim": None,
        "expect": None,
        "needs": [],
        "fault": one.fault,
    }
    if claim is None:
        return row
    try:
        asking.examine(claim)
    except ClaimError as fault:
        return row | {"family": claim.family(), "claim": claim.sentence(), "fault": asking.text_of(fault)}
    return row | {
        "family": claim.family(),
        "claim": claim.sentence(),
        "expect": claim.expect,
        "needs": list(asking.columns(claim)),
        "models": asking.models(claim),
        "holds": claim.holds.words,
        "smallest_effect": claim.smallest_effect,
        "effect_name": claim.effect,
        "constants": claim.declared(),
    }


@main.command()
@_selection
@_design
@click.option("--device", help="cpu, cuda, cuda:1, ...")
@click.option("--device-map", help="Spread the model over devices, as transformers does (auto).")
@click.option(
    "--batch-size",
    type=int,
    help="Texts a forward pass (8; 1 where half precision is computed in); no verdict depends on it.",
)
@click.option("--out", metavar="DIR", help="The run folder (default: reports/CORPUS-MODEL-HASH).")
@click.option("--strict", is_flag=True, default=None, help="An INCONCLUSIVE claim ends with exit code 10.")
@click.option("--no-cache", is_flag=True, default=None, help="Neither read nor keep recordings.")
@click.option(
    "-n", "workers", type=int, metavar="N", help="Processes that weigh claims (as many as there are processors)."
)
def run(paths: tuple[str, ...], **options: Given) -> int:
    """Extract, test, judge and report.

    Exit codes: 0 all as expected; 1 some claim against its expectation; 2 interrupted; 3 some claim could not be
    weighed; 4 usage, corpus or model error; 5 nothing selected; 10 inconclusive under --strict; 12 unforeseen.
    Running again until a claim passes is p-hacking: a claim is settled by its first run on a corpus.
    """
    cwd = Path.cwd()
    settings = _settings(cwd, options)
    finished = weigh_claims(paths, settings, cwd)
    return exit_code(finished, settings.strict)


def _settings(cwd: Path, options: Mapping[str, Given]) -> Settings:
    """Settings files, with the command line before them."""
    from modclaims.runs.settings import Settings, from_files
    from modclaims.workers import cores

    given = {k: v for k, v in options.items() if v is not None and v != ()}
    settings = Settings(**{"workers": cores()} | from_files(cwd) | given)
    if settings.offline:  # before anything imports huggingface_hub
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    return settings


def _claims_and_texts(paths: tuple[str, ...], settings: Settings, cwd: Path) -> tuple[Selection, Corpus]:
    """What is weighed, and on what. Raises `NothingSelected` for no claim at all."""
    from modclaims.corpus_files import read_corpus
    from modclaims.runs.collect import select

    selection = select(paths, cwd, settings.keyword)
    if not selection.chosen:
        raise NothingSelected("No claim is selected; see `modclaims list` for what there is.")
    return selection, read_corpus(settings.corpus, text_column=settings.text, label=settings.label)


def weigh_claims(paths: tuple[str, ...], settings: Settings, cwd: Path) -> Finished:
    """Collect, load, run and print: the whole of `modclaims run`."""
    from modclaims import workers

    selection, corpus = _claims_and_texts(paths, settings, cwd)
    if min(settings.workers, len(selection.chosen)) > 1:
        workers.ready()

    from modclaims.lm.model import load_models
    from modclaims.lm.store import RecordingStore

    recorder = load_models(
        settings.model,
        settings.beside,
        **settings.loading(),
        store=None if settings.no_cache else RecordingStore(),
    )

    from modclaims.report import render
    from modclaims.runner import execute
    from modclaims.runs.digests import run_digest
    from modclaims.runs.run_log import RunLog

    digest = run_digest(selection.chosen, corpus, recorder.shape, settings, selection.others)
    out = cwd / (settings.out or f"reports/{_slug(corpus.name)}-{_slug(recorder.shape.name)}-{digest[:8]}")
    with progress_bars() as progress:
        finished = execute(
            selection.chosen,
            unselected=selection.others,
            corpus=corpus,
            recorder=recorder,
            settings=settings,
            cwd=cwd,
            out=out,
            render=partial(render, workers=settings.workers),
            progress=progress,
            command=repeat_command(paths, settings),
            log=RunLog(),
        )
    tell(finished, cwd)
    return finished


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"


def repeat_command(paths: tuple[str, ...], settings: Settings) -> str:
    """The command that repeats this run: paths and every setting that differs from its default."""
    from modclaims.declarations import written
    from modclaims.runs.settings import Settings as Defaults

    words, plain = ["modclaims", "run", *map(written, paths)], Defaults().as_dict()
    names = {"keyword": "-k", "workers": "-n"}
    for key, value in settings.as_dict().items():
        if value == plain[key] or key in ("out", "workers", "batch_size", "no_cache", "strict"):
            continue
        option = names.get(key, "--" + key.replace("_", "-"))
        if value is True:
            words.append(option)
        for one in value if isinstance(value, tuple) else () if value is True else (value,):
            words += [option, str(one)]
    return shlex.join(words)


def exit_code(finished: Finished, strict: bool) -> int:
    """The promised code: 3 before 1 before 10."""
    outcomes = [c.summary["outcome"] for c in finished.run.claims]
    if "error" in outcomes:
        return NOT_WEIGHED
    if any(
        c.summary["as_expected"] is False and c.summary["outcome"] in ("supported", "refuted")
        for c in finished.run.claims
    ):
        return AGAINST
    if strict and any(
        c.summary["outcome"] == "inconclusive" and not c.summary["as_expected"] for c in finished.run.claims
    ):
        return STRICT
    if all(o == "skipped" for o in outcomes):
        return NOTHING
    return OK


@main.command()
@_selection
@_design
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def plan(paths: tuple[str, ...], as_json: bool, **options: Given) -> int:
    """What a run would take and what it can reach; nothing is run.

    Forward passes, tokens, bytes and draws; for each claim the smallest level that its design attains, before and after
    correction, which outcomes that allows, and the effect that would be SUPPORTED in 4 runs of 5. Exit codes: 0 every
    claim can reach an outcome; 3 some claim could not be weighed; 4 some claim can reach none, or usage, corpus or model
    error; 5 nothing selected; 12 unforeseen.
    """
    import json

    from modclaims.errors import UsageError

    cwd = Path.cwd()
    settings = _settings(cwd, options)
    selection, corpus = _claims_and_texts(paths, settings, cwd)

    from modclaims.lm.outline import read_outlines
    from modclaims.plans.plans import make_plan
    from modclaims.recording import Positions
    from modclaims.runs.planned import refuse_near_duplicates

    outline, lineup = read_outlines(settings.model, settings.beside, **settings.loading())
    positions = Positions(settings.positions)
    (lineup or outline).check(corpus, settings.tokens, positions)
    refuse_near_duplicates(corpus)

    whole = outline.reading(corpus, settings.tokens, positions)
    if lineup is not None:
        further = tuple(
            replace(lineup.of(shape.name).reading(corpus, settings.tokens, positions), shape=shape)
            for shape in lineup.shape.beside
        )
        whole = replace(whole, shape=lineup.shape, beside=further)
    made = make_plan(selection.chosen, corpus, whole, settings, lineup or outline, selection.others)
    if as_json:
        click.echo(json.dumps(made.as_dict(), indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(made.lines()))
    if made.refused:
        raise UsageError(made.refused)
    outcomes = [c.outcome.word if c.outcome is not None else "" for c in made.claims]
    if "error" in outcomes:
        return NOT_WEIGHED
    return NOTHING if all(outcomes) else OK


@main.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
def report(folder: Path) -> int:
    """Render a finished run again, without computing.

    Figures of a family of your own are drawn by the file of its claims, where that lies in the current folder.
    """
    from modclaims.report import load_figures, render
    from modclaims.runs.run_folder import read_run, write_atomically

    finished = read_run(folder)
    load_figures(finished, Path.cwd())
    for name, data in render(finished).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, data)
    click.echo(f"Report: {folder / 'report.html'}")
    return OK


@main.command()
@click.argument("families", nargs=-1, metavar="[FAMILY | FILE.py::CLASS]...")
@click.option(
    "--full",
    is_flag=True,
    help="2,000 data sets a scenario, as for the rates that are committed; 500 of the families that take longest.",
)
@click.option(
    "--sets",
    type=click.IntRange(min=1),
    help="Data sets per scenario, at least (150): what was counted before in --out stands.",
)
@click.option("-n", "workers", type=click.IntRange(min=1), default=2, metavar="N", help="Processes (2).")
@click.option("--seed", type=int, default=0, help="Seed of every random stream (0).")
@click.option("--out", metavar="DIR", default="reports/calibration", help="Where pages go (reports/calibration).")
@click.option("--keep", metavar="FILE", help="A rates.csv whose rates stand for the families that are not named.")
def calibrate(
    families: tuple[str, ...], full: bool, sets: int | None, workers: int, seed: int, out: str, keep: str | None
) -> int:
    """Measure error rates and power on data whose answer is known, for some families or all shipped ones.

    FILE.py::CLASS names a family of your own, or a claim of one, whose known answers stand in the same file
    (docs/new-family.md). Writes rates.csv, report.md and report.html. What was counted is kept in progress.jsonl there, and added
    up in counts.jsonl; the same command goes on from either, and --full from what fewer data sets left. Exit codes: 0 every promise holds; 1 one does not; 2
    interrupted; 4 usage error; 12 unforeseen.
    """
    from modclaims.calibration import grid, kept_rates, own_families, pages, rates
    from modclaims.errors import UsageError
    from modclaims.runs.run_folder import write_atomically

    asked = families
    families = tuple(own_families.add(name, Path.cwd()) if "::" in name else name for name in asked)
    for name in families:
        if name not in grid.FAMILIES and name not in grid.OWN:
            raise UsageError(
                f"Family {name!r} is unknown; there are: {', '.join(grid.FAMILIES)}; or write FILE.py::CLASS for one of yours."
            )
    if full and sets is not None:
        raise UsageError(f"--full is {rates.FULL:,} data sets; leave --sets out, or --full.")
    if keep is not None and not families:
        raise UsageError("--keep stands for the families that are not named; name those to be measured.")
    count = rates.FULL if full else sets or rates.BRIEF
    folder = Path.cwd() / out
    wanted = grid.scenarios(families)
    recording = embedded_recording() if any(one.recorded for one in wanted) else None
    with progress_bars() as progress:
        measured = rates.measure(
            wanted,
            sets=count,
            seed=seed,
            out=folder,
            workers=workers,
            progress=progress.weighing,
            recording=recording,
        )
    if keep is not None:
        measured = kept_rates.with_kept(measured, Path.cwd() / keep, families)
    words = [
        "modclaims",
        "calibrate",
        *asked,
        *(["--keep", Path(keep).name if Path(keep).is_absolute() else keep] if keep else []),
        *(["--full"] if full else ["--sets", str(count)]),
    ]
    command = shlex.join([*words, *(["--seed", str(seed)] if seed else [])])
    for name, data in pages.write(measured, command).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, data)
    broken = measured.of(rates.BROKEN)
    for rate in (*broken, *measured.of(rates.WARNING)):
        low, high = rate.interval
        click.echo(
            f"{rate.standing:8} {rate.scenario.name}: {rate.name} at alpha {rate.alpha:g}: {rate.estimate:.4g} "
            f"[{low:.4g}, {high:.4g}], limit {rate.bound:g}"
        )
    held = len(measured.of(rates.HOLDS))
    click.echo(
        f"{held + len(broken)} promises: {held} held, {len(broken)} broken.\nReport: {Path(out) / 'report.html'}"
    )
    return AGAINST if broken else OK


def embedded_recording() -> Recording:
    """What the embedded model does with the crossed corpus at the usual positions, in memory."""
    from modclaims.calibration import grid
    from modclaims.corpus_files import read_corpus
    from modclaims.lm.model import load_model
    from modclaims.lm.store import RecordingStore
    from modclaims.planting import shuffled
    from modclaims.recording import Positions
    from modclaims.runs.settings import Settings

    plain = Settings()
    recorder = load_model(plain.model, **plain.loading(), store=RecordingStore())
    corpus = read_corpus("crossed")
    recording = recorder.record(
        corpus, list(grid.requests()), tokens=plain.tokens, positions=Positions(plain.positions)
    )
    return shuffled.kept(recording.by_id(), grid.requests())


if __name__ == "__main__":
    main()
