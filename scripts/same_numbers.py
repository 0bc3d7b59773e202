"""Whether code that was moved about still gives the numbers that it gave.

    python scripts/same_numbers.py OLD NEW         compares two folders of runs (or two runs), or two files of levels
    python scripts/same_numbers.py --levels FILE [FAMILY ...]
                                                   writes the levels of one data set of every calibration scenario

Of a run, cells.csv and nulls.npz must be the same to the byte, and run.json field by field, but for `hash`, `made`, `format`, the
names of classes inside `claims[].constants`, and `claims[].best` where it was empty before. Pages and pictures are words and may
change. Of levels every digit must be the same, and so must a digest of the effects, standard errors, resamples and null samples
that they were read off. Both hold on one machine: others differ in their last digits.

Exit codes: 0 all the same; 1 something is not, and is named; 2 wrong usage.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

NOT_NUMBERS = ("hash", "made", "format")
"""Fields of run.json that say when and by which code it was made."""
SHOWN = 12
"""Differences of a file that are printed."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line."""
    if len(arguments) >= 2 and arguments[0] == "--levels":
        levels = dict(levels_of_scenarios(tuple(arguments[2:])))
        Path(arguments[1]).write_text(json.dumps(levels, indent=0) + "\n", "utf-8")
        print(f"Levels of {len(levels)} scenarios: {arguments[1]}")
        return 0
    if len(arguments) != 2 or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    old, new = map(Path, arguments)
    found = list(differences(old, new))
    for line in found[:SHOWN]:
        print(line)
    if len(found) > SHOWN:
        print(f"... and {len(found) - SHOWN} more")
    print(f"{old} and {new}: " + (f"{len(found)} differences" if found else "the same numbers"))
    return int(bool(found))


# ---- what is compared


def differences(old: Path, new: Path) -> Iterator[str]:
    """A line for each number of two runs, folders of runs or files of levels that is not the same."""
    if old.is_file():
        yield from unlike(json.loads(old.read_text("utf-8")), json.loads(new.read_text("utf-8")), old.name)
        return
    runs = sorted(path.parent.relative_to(old) for path in old.rglob("run.json"))
    if not runs:
        yield f"{old}: no run.json anywhere in it"
    for run in runs:
        for name in ("cells.csv", "nulls.npz"):
            before, after = ((side / run / name) for side in (old, new))
            if not after.is_file() or before.read_bytes() != after.read_bytes():
                yield f"{run}/{name}: {_of_bytes(before, after)}"
        after = new / run / "run.json"
        if not after.is_file():
            yield f"{run}/run.json: is missing"
            continue
        sides = [json.loads((side / run / "run.json").read_text("utf-8")) for side in (old, new)]
        yield from unlike(*(numbers_of(side) for side in sides), f"{run}/run.json")
    for run in sorted(path.parent.relative_to(new) for path in new.rglob("run.json")):
        if run not in runs:
            yield f"{run}: was not there before"


def numbers_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """run.json without what may change."""
    kept = {name: value for name, value in run.items() if name not in NOT_NUMBERS}
    kept["claims"] = [{**claim, "constants": _nameless(claim.get("constants"))} for claim in run.get("claims", ())]
    return kept


def unlike(old: Any, new: Any, where: str) -> Iterator[str]:
    """A line for each leaf of two JSON values that differs; a `best` that was empty may be filled."""
    if isinstance(old, dict) and isinstance(new, dict):
        if where.endswith(".best") and not any(value is not None for value in old.values()):
            return
        for name in sorted({*old, *new}):
            if name not in old or name not in new:
                yield f"{where}.{name}: {'is gone' if name in old else 'is new'}"
            else:
                yield from unlike(old[name], new[name], f"{where}.{name}")
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{where}: {len(old)} entries, now {len(new)}"
        for number, (before, after) in enumerate(zip(old, new, strict=False)):
            yield from unlike(before, after, f"{where}[{number}]")
    elif (old != new or type(old) is not type(new)) and not (where.endswith(".best") and old is None):
        yield f"{where}: {old!r}, now {new!r}"


def _nameless(value: Any) -> Any:
    """Constants with the names of their classes taken off: {"Somewhere": {...}} becomes [{...}]."""
    if isinstance(value, dict):
        if len(value) == 1 and (name := next(iter(value)))[:1].isupper():
            return [_nameless(value[name])]
        return {name: _nameless(inner) for name, inner in value.items()}
    return [_nameless(inner) for inner in value] if isinstance(value, list) else value


def _of_bytes(old: Path, new: Path) -> str:
    """What is not the same in two files."""
    if not new.is_file():
        return "is missing"
    if old.suffix != ".npz":
        pairs = zip(old.read_text("utf-8").splitlines(), new.read_text("utf-8").splitlines(), strict=False)
        line = next((number for number, (a, b) in enumerate(pairs, 1) if a != b), None)
        return "another number of lines" if line is None else f"differs from line {line} on"
    import numpy as np

    with np.load(old) as before, np.load(new) as after:
        if before.files != after.files:
            return f"other arrays: {', '.join(sorted({*before.files} ^ {*after.files})[:SHOWN])}"
        names = [n for n in before.files if before[n].tobytes() != after[n].tobytes()]
    return f"{len(names)} arrays differ: {', '.join(names[:SHOWN])}"


# ---- levels of planted data


def levels_of_scenarios(families: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each calibration scenario's name, with the levels of its first data set and a digest of what they were read off."""
    import numpy as np

    from modclaims.calibration import grid
    from modclaims.cli import embedded_recording
    from modclaims.planting import shuffled
    from modclaims.runs.weighing import one_thread
    from modclaims.stats.streams import stream

    shuffled.share(embedded_recording())
    with one_thread():
        for scenario in grid.scenarios(families):
            rng = stream(0, scenario.name, "0")
            claim, evidence = grid.weighed(scenario, rng, grid.strengths_of(scenario))
            bounds, test = evidence.bounds, evidence.test
            arrays = [bounds.theta, bounds.se, bounds.t, *(() if test is None else (test.null, test.p_adjusted))]
            whole = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
            levels = grid.levels_of(scenario, claim, evidence)
            yield scenario.name, {**{name: values.tolist() for name, values in levels.items()}, "digest": whole}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
