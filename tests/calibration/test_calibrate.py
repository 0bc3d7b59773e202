"""`modclaims calibrate`: what is planted is what it is said to be, and counting it depends on nothing but the seed."""

from __future__ import annotations

import csv
import importlib
import io
import json
import pkgutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import before
from scipy.stats import binomtest
from terminal import call

from modclaims import cli, families, numerics
from modclaims.calibration import grid, pages, rates
from modclaims.calibration.grid import FAMILIES
from modclaims.calibration.rates import BROKEN, HOLDS, SHOWN, WARNING, CalibrationRates, Rate, measure
from modclaims.errors import RunFolderError
from modclaims.families.categories import known_clustering as clustering
from modclaims.families.categories.known_clustering import GAP_TRUTH, ONE_CELL
from modclaims.families.responses.known_answers import NAMED
from modclaims.planting import known, responses
from modclaims.planting.family import Family
from modclaims.planting.known import LAWS, LAYOUTS
from modclaims.planting.scenarios import (
    BESIDE,
    EDGE,
    FLAT,
    LOWER,
    LOWER_CELLS,
    NONE,
    PLACED,
    POWER,
    POWER_P,
    SIZE,
    SIZE_CELLS,
    UPPER,
    WRONG,
    Scenario,
)
from modclaims.stats.streams import stream

MIDDLE = LAYOUTS["48 (4 x 12)"]
QUICK = [
    Scenario("TightestAt", "12 texts", "normal", FLAT),
    Scenario("TighterThanAttention", "6 texts", "heavy tails", EDGE),
    Scenario("HeadSelectivity", "10 (4/3/3)", "normal", NONE),
]


# ---- the grid


def test_every_scenario_has_a_name_of_its_own_and_a_valid_claim_that_its_corpus_carries() -> None:
    every = grid.scenarios()
    assert len({one.name for one in every}) == len(every)
    for one in every:
        claim = FAMILIES[one.family].claim(one)
        claim.validate()
        if not one.recorded:
            claim.check(before(known.corpus(one.texts), positions=(40, 44, 48)))


def test_every_family_of_every_room_is_in_the_grid() -> None:
    rooms = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(families.__path__, f"{families.__name__}.")
        if found.name.rpartition(".")[2].startswith("known_")
    ]
    entries = {id(one) for room in rooms for one in vars(room).values() if isinstance(one, Family)}
    assert entries == {id(one) for one in FAMILIES.values()}


def test_the_grid_holds_what_was_promised() -> None:
    mine = grid.scenarios(("CategoryClustering",))
    designs = {"10 (4/3/3)", "12 (4/4/4)", "48 (4 x 12)", "64 crossed", "100 unequal", "96 in blocks"}
    for truth in (NONE, EDGE):
        found = {(one.layout, one.law) for one in mine if one.truth == truth and not one.question}
        assert found >= {(design, law) for design in designs for law in LAWS}
    assert {one.question for one in mine} >= {
        clustering.BEYOND,
        clustering.NOISY,
        clustering.SPREAD,
        clustering.SCALED,
        clustering.DISTANCES,
        clustering.ONE_MASSIVE,
        clustering.THREE_MASSIVE,
    }
    assert {one.question for one in mine} >= {
        clustering.ALONG,
        clustering.EVERYWHERE,
        clustering.HALF,
        clustering.SMALLEST,
    }
    assert Scenario("CategoryClustering", MIDDLE.name, "normal", GAP_TRUTH, ONE_CELL) in mine
    assert {one.family for one in grid.scenarios()} == set(FAMILIES)


def test_the_grid_holds_responses_that_are_no_bell_and_sizes_that_are_no_match() -> None:
    mine = [one for one in grid.scenarios(("HeadSelectivity",)) if one.truth == EDGE]
    for question in ("", NAMED):
        found = {(one.layout, one.law) for one in mine if one.question == question}
        for law in ("1 % outliers", "3 % outliers", responses.SKEWED, responses.SILENT, known.HEAVIEST):
            assert ("48 (4 x 12)", law) in found
        assert {(layout, responses.WIDER) for layout in ("72 (60/12)", "132 (120/12)")} <= found
        assert {("24 (2 x 12)", "normal"), ("144 (12 x 12)", "normal")} <= found
    promised = FAMILIES["HeadSelectivity"]
    assert all(promised.promises(one, rate) for one in mine for rate in (LOWER, UPPER))


@pytest.mark.parametrize(
    ("family", "layout", "question"),
    [
        ("CategoryClustering", "12 (4/4/4)", ""),
        ("CategoryClustering", "12 (4/4/4)", clustering.ALONG),
        ("HeadSelectivity", "12 (4/4/4)", ""),
        ("HeadSelectivity", "48 (4 x 12)", NAMED),
        ("TightPass", "6 texts", ""),
    ],
)
def test_levels_are_those_of_the_claims_quantifier(family: str, layout: str, question: str) -> None:
    null = FLAT if question == clustering.ALONG else NONE
    for truth in (null, EDGE, "3 s"):
        scenario = Scenario(family, layout, "normal", truth, question)
        claim, evidence = grid.weighed(scenario, stream(10, scenario.name), grid.strengths_of(scenario))
        found = grid.levels_of(scenario, claim, evidence)
        levels = claim.holds.levels(evidence, claim.smallest_effect, 0.05)
        if truth == null:
            at_zero = levels.p if levels.p is not None else claim.holds.levels(evidence, 0.0, 0.05).p_plus
            assert found[SIZE].tolist() == [at_zero]
        elif truth == EDGE:
            assert found[UPPER].tolist() == [levels.p_minus]
            assert found[LOWER][0] <= levels.p_plus
        else:
            assert found[POWER].tolist() == [levels.p_plus]


@pytest.mark.parametrize("question", [clustering.EVERYWHERE, clustering.HALF])
def test_claims_about_several_layers_are_read_off_their_own_quantifier(question: str) -> None:
    scenario = Scenario("CategoryClustering", "12 (4/4/4)", "normal", NONE, question)
    edge = replace(scenario, truth=EDGE)
    for one in (scenario, edge):
        claim, evidence = grid.weighed(one, stream(23, one.name), grid.strengths_of(one))
        levels = claim.holds.levels(evidence, 0.2, 0.05)
        found = grid.levels_of(one, claim, evidence)
        expected = {SIZE: [levels.p]} if one is scenario else {LOWER: [levels.p_plus], UPPER: [levels.p_minus]}
        assert {name: values.tolist() for name, values in found.items()} == expected


def test_location_is_claimed_where_f2_finds_it_too() -> None:
    scenario = Scenario("CategoryClustering", "72 (60/12)", "unequal spread", NONE, clustering.ONE_MASSIVE)
    claim, evidence = grid.weighed(scenario, stream(24, "x"), grid.strengths_of(scenario))
    found = grid.levels_of(scenario, claim, evidence)
    assert found[WRONG] <= 0.05 < found[PLACED]  # its cosines do differ
    assert found[PLACED][0] in evidence.secondary[grid.LOCATION]
    away = replace(scenario, truth=clustering.APART)
    claim, evidence = grid.weighed(away, stream(24, "x"), grid.strengths_of(away))
    assert grid.levels_of(away, claim, evidence) == {POWER_P: [evidence.secondary[grid.LOCATION].min()]}
    assert evidence.secondary[grid.LOCATION].min() <= 0.05


def test_each_cell_is_counted_beside_the_claim() -> None:
    scenario = Scenario("HeadSelectivity", "12 (4/4/4)", "normal", NONE)
    claim, evidence = grid.weighed(scenario, stream(11, "x"), grid.strengths_of(scenario))
    assert grid.levels_of(scenario, claim, evidence)[SIZE_CELLS].shape == (16,)
    edge = replace(scenario, truth=EDGE)
    assert grid.levels_of(edge, claim, evidence)[LOWER_CELLS].shape == (16,)


# ---- counting


def counts(measured: CalibrationRates) -> list[tuple[Any, ...]]:
    return [(rate.scenario.name, rate.name, rate.alpha, rate.hits, rate.trials) for rate in measured.rates]


def test_counts_are_those_of_the_levels_data_set_by_data_set() -> None:
    scenario = QUICK[2]
    by_hand = {(name, alpha): 0 for name in (SIZE, SIZE_CELLS) for alpha in (0.05, 0.01)}
    for number in range(5):
        claim, evidence = grid.weighed(scenario, stream(12, scenario.name, str(number)), grid.strengths_of(scenario))
        for name, levels in grid.levels_of(scenario, claim, evidence).items():
            for alpha in (0.05, 0.01):
                by_hand[name, alpha] += int((levels < alpha + 1e-9).sum())
    found = measure([scenario], sets=5, seed=12, out=None)
    assert {(r.name, r.alpha): r.hits for r in found.rates} == by_hand
    assert {r.name: r.trials for r in found.rates} == {SIZE: 5, SIZE_CELLS: 80}


def test_the_embedded_models_recording_serves_every_scenario_that_exchanges_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODCLAIMS_HOME", str(tmp_path))
    mine = [one for one in grid.scenarios() if one.recorded]
    assert {one.family for one in mine} == {"AxisStreams", "CategoryClustering", "HeadSelectivity"}
    recording = cli.embedded_recording()
    alone = measure(mine, sets=2, seed=1, out=None, recording=recording)
    assert {rate.standing for rate in alone.rates} == {HOLDS}
    assert counts(measure(mine, sets=2, seed=1, out=None, workers=2, recording=recording)) == counts(alone)
    drawn = [grid.weighed(mine[0], stream(22, str(i)), ())[1].bounds.theta for i in range(2)]
    assert not np.array_equal(drawn[0], drawn[1])


def test_neither_workers_nor_neighbours_change_a_count() -> None:
    alone = measure(QUICK[:1], sets=5, seed=1, out=None)
    together = measure(QUICK, sets=5, seed=1, out=None)
    assert counts(together)[: len(alone.rates)] == counts(alone)
    assert counts(measure(QUICK, sets=5, seed=1, out=None, workers=2)) == counts(together)


def test_an_interrupted_calibration_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "CHUNK", 2)
    whole = measure(QUICK, sets=5, seed=1, out=None)

    def stop(done: int, total: int, what: str) -> None:
        assert total == 15
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(QUICK, sets=5, seed=1, out=tmp_path, progress=stop)
    progress = tmp_path / rates.PROGRESS
    lines = progress.read_text().splitlines()
    assert len(lines) == 5  # a head, three chunks of the first scenario and one of the second (5 + 2 >= 6)
    progress.write_text("\n".join(lines) + '\n{"scenario": "half a li')
    made: list[int] = []
    original = rates.counted

    def noted(*args: Any) -> dict[str, Any]:
        made.append(args[4])
        return original(*args)

    monkeypatch.setattr(rates, "counted", noted)
    resumed = measure(QUICK, sets=5, seed=1, out=tmp_path)
    assert sum(made) == 15 - 7
    assert counts(resumed) == counts(whole)
    made.clear()
    assert counts(measure(QUICK, sets=5, seed=1, out=tmp_path)) == counts(whole)
    assert made == []


def test_sums_of_what_was_counted_go_on_without_the_lines_that_they_were_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "CHUNK", 2)
    measure(QUICK[:2], sets=4, seed=1, out=tmp_path)
    head, *lines = [json.loads(line) for line in (tmp_path / rates.COUNTS).read_text().splitlines()]
    assert head["statistics"] == numerics.STATISTICS
    assert [(line["scenario"], line["first"], line["sets"]) for line in lines] == [(s.name, 0, 4) for s in QUICK[:2]]
    (tmp_path / rates.PROGRESS).unlink()  # what is under version control stays
    made: list[int] = []
    original = rates.counted

    def noted(*args: Any) -> dict[str, Any]:
        made.append(args[4])
        return original(*args)

    monkeypatch.setattr(rates, "counted", noted)
    assert counts(measure(QUICK[:2], sets=4, seed=1, out=tmp_path)) == counts(
        measure(QUICK[:2], sets=4, seed=1, out=None)
    )
    assert sum(made) == 8  # those of the run without a folder alone
    made.clear()
    more = measure(QUICK, sets=6, seed=1, out=tmp_path)
    assert sum(made) == 2 + 2 + 6
    assert counts(more) == counts(measure(QUICK, sets=6, seed=1, out=None))
    made.clear()
    fewer = measure(QUICK[:1], sets=2, seed=1, out=tmp_path)  # what was counted stands
    assert made == []
    assert counts(fewer) == counts(measure(QUICK[:1], sets=6, seed=1, out=None))
    (tmp_path / rates.COUNTS).write_text("damaged")
    two = measure(QUICK[:1], sets=2, seed=1, out=tmp_path)
    assert counts(two) == counts(measure(QUICK[:1], sets=2, seed=1, out=None))
    monkeypatch.setattr(numerics, "STATISTICS", numerics.STATISTICS + 1)
    made.clear()
    (tmp_path / rates.PROGRESS).unlink()
    measure(QUICK[:1], sets=2, seed=1, out=tmp_path)  # of other arithmetic: no sums
    assert sum(made) == 2


def test_progress_of_another_seed_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    measure(QUICK[:1], sets=1, seed=1, out=tmp_path)
    with pytest.raises(RunFolderError, match="begun with other settings"):
        measure(QUICK[:1], sets=1, seed=2, out=tmp_path)
    (tmp_path / rates.PROGRESS).write_text("no json\n")
    with pytest.raises(RunFolderError, match="damaged"):
        measure(QUICK[:1], sets=1, seed=1, out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="is a file"):
        measure(QUICK[:1], sets=1, seed=1, out=tmp_path / "file")


def rate(name: str, hits: int, sets: int, alpha: float = 0.05, trials: int | None = None, **changes: str) -> Rate:
    scenario = replace(Scenario("CategoryClustering", MIDDLE.name, "normal", NONE), **changes)
    return Rate(scenario, name, alpha, hits, trials or sets, sets)


def test_intervals_are_clopper_and_pearsons() -> None:
    for hits in (0, 3, 20):
        exact = binomtest(hits, 20).proportion_ci(0.95, method="exact")
        assert rate(SIZE, hits, 20).interval == pytest.approx((exact.low, exact.high))
    assert rate(SIZE, 0, 10).limit(0.05, upper=True) == pytest.approx(1 - 0.05**0.1)
    assert rate(SIZE, 10, 10).limit(0.001, upper=False) == pytest.approx(0.001**0.1)
    # 12 of 80 cells in 20 data sets are as uncertain as 3 of 20
    assert rate(SIZE_CELLS, 12, 20, trials=80).interval == pytest.approx(rate(SIZE, 3, 20).interval)


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (rate(SIZE, 9, 100), HOLDS),
        (rate(SIZE, 20, 100), BROKEN),
        (rate(SIZE, 9, 100, 0.01), BROKEN),
        (rate(SIZE, 90, 100, family="HeadSelectivity", law="unequal spread"), SHOWN),
        (rate(LOWER, 12, 100), HOLDS),
        (rate(LOWER, 30, 100), BROKEN),
        (rate(LOWER, 170, 2000), BROKEN),
        (rate(LOWER, 150, 2000), HOLDS),
        (rate(LOWER, 30, 100, 0.01), SHOWN),
        (rate(UPPER, 30, 100, layout="12 (4/4/4)"), WARNING),
        (rate(UPPER, 9, 100, layout="12 (4/4/4)"), SHOWN),
        (rate(POWER, 0, 100), SHOWN),
        (rate(POWER_P, 75, 100), HOLDS),
        (rate(POWER_P, 60, 100), BROKEN),
        (rate(POWER_P, 1599, 2000), BROKEN),
        (rate(POWER, 60, 100, truth=BESIDE, question=clustering.BEYOND), BROKEN),
        (rate(SIZE, 90, 100, question=clustering.DISTANCES), SHOWN),
        (rate(WRONG, 90, 100, question=clustering.SPREAD), SHOWN),
        (rate(WRONG, 90, 100, question=clustering.DISTANCES), BROKEN),
        (rate(PLACED, 90, 100, question=clustering.DISTANCES), BROKEN),
        (rate(SIZE, 90, 100, question=clustering.BEYOND), SHOWN),
        (rate(WRONG, 90, 100, question=clustering.BEYOND), BROKEN),
        (rate(WRONG, 90, 100, question=clustering.NOISY), SHOWN),
        (rate(LOWER, 30, 100, family="HeadSelectivity", law=known.HEAVIEST), BROKEN),
    ],
)
def test_a_promise_is_broken_only_beyond_doubt_and_where_it_was_made(found: Rate, standing: str) -> None:
    assert found.standing == standing


# ---- pages and the command


def test_the_table_has_its_columns_and_a_row_a_rate() -> None:
    found = list(csv.DictReader(io.StringIO(pages.rates_csv([rate(SIZE, 1, 20), rate(LOWER, 2, 20, 0.01)]))))
    assert tuple(found[0]) == pages.COLUMNS
    assert found[0] | {"low": "", "high": ""} == {
        "family": "CategoryClustering",
        "question": "",
        "design": "48 (4 x 12)",
        "texts": "48",
        "smallest_category": "12",
        "law": "normal",
        "truth": "none",
        "rate": "p at effect 0",
        "part": "i",
        "alpha": "0.05",
        "data_sets": "20",
        "trials": "20",
        "hits": "1",
        "estimate": "0.05",
        "low": "",
        "high": "",
        "limit": "0.05",
        "standing": "holds",
        "mean_effect": "nan",
    }
    assert float(found[0]["low"]) == pytest.approx(0.00127, abs=1e-5)
    assert (found[1]["limit"], found[1]["standing"]) == ("", "no promise")


def test_pages_tell_what_was_broken_and_draw_power() -> None:
    found = CalibrationRates((rate(SIZE, 90, 100), rate(POWER, 60, 100, truth="2 s")), 100, 0, 120.0)
    files = pages.write(found, "modclaims calibrate")
    assert set(files) == {"rates.csv", "report.md", "report.html", pages.FIGURE}
    told, page = files["report.md"].decode(), files["report.html"].decode()
    assert "1 promise: 0 held, 1 broken" in told
    assert "It took 2 processor minutes, 1 on two cores." in told
    assert "Broken promises and warnings" in page
    assert "<script" not in page
    assert 'id="power-words"' in page
    assert pages.write(found, "modclaims calibrate") == files
    assert pages.FIGURE not in pages.write(replace(found, rates=found.rates[:1]), "x")


def test_the_bias_of_a_noisy_proxy_is_drawn_and_told() -> None:
    found = tuple(
        replace(rate(name, hits, 100, question=clustering.NOISY, law=law), effect=0.25)
        for law, hits in (("0 % of words misread", 4), ("50 % of words misread", 80))
        for name in (SIZE, WRONG)
    )
    files = pages.write(CalibrationRates(found, 100, 0, 60.0), "modclaims calibrate")
    assert set(files) == {"rates.csv", "report.md", "report.html", pages.BIAS}
    page = files["report.html"].decode().replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "p at most .05: 0.04 at 0 %, 0.80 at 50 %" in page
    assert "It explains about 8" in page
    assert "0 promises" in files["report.md"].decode()


@pytest.fixture
def corner(corner: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(grid, "scenarios", lambda families: [s for s in QUICK if not families or s.family in families])
    return corner


def test_the_command_writes_its_pages_and_ends_with_zero(
    corner: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(monkeypatch, capsys, "calibrate", "TightestAt", "--sets", "2")
    folder = corner / "reports" / "calibration"
    assert code == 0
    assert "promise" in out and "reports/calibration/report.html" in out
    assert "weighing 2/2" in err
    assert {p.name for p in folder.iterdir()} == {
        "progress.jsonl",
        "counts.jsonl",
        "rates.csv",
        "report.md",
        "report.html",
    }
    assert "modclaims calibrate TightestAt --sets 2" in (folder / "report.md").read_text()
    head, *lines = map(json.loads, (folder / "progress.jsonl").read_text().splitlines())
    assert head["seed"] == 0 and [line["sets"] for line in lines] == [2]


def test_a_broken_promise_ends_with_one_and_is_named(
    corner: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = CalibrationRates((rate(SIZE, 90, 100),), 100, 0, 1.0)
    monkeypatch.setattr(rates, "measure", lambda *args, **options: broken)
    code, out, _ = call(monkeypatch, capsys, "calibrate")
    assert code == 1
    assert "broken   CategoryClustering / 48 (4 x 12) / normal / none: p at effect 0 at alpha 0.05: 0.9 [" in out


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ["Nonsense"],
            "Family 'Nonsense' is unknown; there are: ",
        ),
        (["--full", "--sets", "3"], "--full is 2,000 data sets; leave --sets out, or --full."),
        (["--sets", "0"], "0 is not in the range"),
        (["-n", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_one_sentence_and_four(
    corner: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str], sentence: str
) -> None:
    code, out, err = call(monkeypatch, capsys, "calibrate", *args)
    assert code == 4
    assert sentence in out + err
    assert not (corner / "reports").exists()


def test_importing_the_calibration_costs_numpy_and_the_reports_template_only() -> None:
    heavy = ("torch", "transformers", "scipy", "statsmodels", "pandas", "matplotlib", "sklearn")
    script = f"import sys, modclaims.calibration.pages\nprint(*sorted(set(sys.modules) & set({heavy!r})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
