"""Rates of an earlier calibration beside those that were measured anew."""

from pathlib import Path

import pytest

from modclaims.calibration import grid
from modclaims.calibration.kept_rates import read_rates, with_kept
from modclaims.calibration.pages import rates_csv, write
from modclaims.calibration.rates import CalibrationRates, Rate
from modclaims.errors import UsageError

OTHERS = [one for one in grid.scenarios() if one.family != "HeadMagnitudes"]
OWN = list(grid.scenarios(("HeadMagnitudes",)))


def rates(scenarios: list, hits: int) -> tuple[Rate, ...]:
    return tuple(Rate(one, "supported", alpha, hits, 200, 200, 0.25) for one in scenarios for alpha in (0.05, 0.01))


def test_rates_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(rates_csv(rates(OTHERS, 7)))
    assert read_rates(path) == rates(OTHERS, 7)


def test_kept_rates_stand_beside_measured_ones_in_the_order_of_the_grid(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(rates_csv((*rates(OTHERS, 7), *rates(OWN, 7))))
    found = with_kept(CalibrationRates(rates(OWN, 9), 200, 0, 1.0), path, ("HeadMagnitudes",))
    assert {rate.hits for rate in found.rates if rate.scenario.family == "HeadMagnitudes"} == {9}
    assert {rate.hits for rate in found.rates if rate.scenario.family != "HeadMagnitudes"} == {7}
    assert list(dict.fromkeys(rate.scenario.name for rate in found.rates)) == [one.name for one in grid.scenarios()]
    assert "HeadMagnitudes" not in found.kept
    page = write(found, "modclaims calibrate HeadMagnitudes")["report.md"].decode()
    assert "are those of an earlier calibration" in page


def test_a_family_with_other_scenarios_must_be_measured(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text(rates_csv(rates(OTHERS[1:], 7)))
    with pytest.raises(UsageError, match="name it, so that it is measured anew"):
        with_kept(CalibrationRates(rates(OWN, 9), 200, 0, 1.0), path, ("HeadMagnitudes",))


def test_what_holds_no_rates_is_said_to(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="holds no rates"):
        read_rates(path)
    with pytest.raises(UsageError, match="holds no rates"):
        read_rates(tmp_path / "none.csv")
