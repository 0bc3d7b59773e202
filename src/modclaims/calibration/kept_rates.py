"""Rates of an earlier calibration, for families whose arithmetic has not changed since."""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from modclaims.calibration import grid
from modclaims.calibration.rates import CalibrationRates, Rate
from modclaims.errors import UsageError
from modclaims.planting.scenarios import Scenario


def read_rates(path: Path) -> tuple[Rate, ...]:
    """All rates of a rates.csv. Raises `UsageError` for a file that is none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return tuple(
                Rate(
                    Scenario(row["family"], row["design"], row["law"], row["truth"], row["question"]),
                    row["rate"],
                    float(row["alpha"]),
                    int(row["hits"]),
                    int(row["trials"]),
                    int(row["data_sets"]),
                    float(row["mean_effect"]),
                )
                for row in csv.DictReader(file)
            )
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise UsageError(f"{path} holds no rates of an earlier calibration ({type(fault).__name__}).") from None


def with_kept(measured: CalibrationRates, path: Path, families: Collection[str]) -> CalibrationRates:
    """What was measured of `families`, and beside it the rates that a file keeps of all others.

    Whether the arithmetic of these others is that of the file is for whoever asks to know; that their scenarios are is
    checked. Raises `UsageError` for a family whose scenarios the file lacks, or of which it holds others.
    """
    earlier = [rate for rate in read_rates(path) if rate.scenario.family not in families]
    for name, family in grid.FAMILIES.items():
        if name in families:
            continue
        held = {rate.scenario.name for rate in earlier if rate.scenario.family == name}
        if held != {one.name for one in family.scenarios()}:
            raise UsageError(f"The scenarios of {name} are not those of {path}; name it, so that it is measured anew.")
    order = {one.name: i for i, one in enumerate(grid.scenarios())}
    known = [rate for rate in earlier if rate.scenario.name in order]
    rates = sorted((*measured.rates, *known), key=lambda rate: order[rate.scenario.name])
    return replace(measured, rates=tuple(rates), kept=tuple(name for name in grid.FAMILIES if name not in families))
