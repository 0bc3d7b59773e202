"""What the report says, before it is set in any format."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modclaims.drawing.rows import MOST_ROWS
from modclaims.report.document import Document
from modclaims.report.provenance import provenance_of
from modclaims.report.tables import exhibit_table
from modclaims.runs.run_folder import ClaimRecord, Run
from modclaims.stats.evidence import Exhibit


def test_the_lead_names_model_corpus_and_labels(run: Run) -> None:
    told = Document.of(run)
    assert told.title == "Claims about opt-mini, weighed on crossed"
    assert told.lead == (
        "9 modularity claims about opt-mini (a language model of 6 layers, 8 heads, width 256), tested on the 64 texts of crossed, "
        "labelled by category (4), style (4) and topic (4)."
    )


def test_a_network_that_is_not_causal_is_called_an_encoder(run: Run) -> None:
    facts = {**run.facts, "model": {**run.facts["model"], "causal": False}}
    assert "(an encoder of 6 layers, " in Document.of(dataclasses.replace(run, facts=facts)).lead


def test_outcomes_are_tallied_and_undecided_is_not_against(run: Run) -> None:
    told = Document.of(run)
    assert told.tally == (
        "3 supported",
        "2 refuted",
        "2 inconclusive",
        "1 error",
        "1 skipped",
        "4 of 7 judged claims as expected, 1 against expectation",
    )
    assert [c.number for c in told.claims if c.against] == [5]


def test_the_verdicts_carry_the_numbers_of_the_summary(run: Run) -> None:
    first, second = Document.of(run).claims[:2]
    assert (first.effect, first.interval, first.smallest, first.p_plus) == ("0.41", "[0.29, 0.52]", "0.20", ".0012")
    assert (second.verdict, second.standing, second.p_minus) == ("REFUTED", "as expected", ".0016")


def test_small_scales_get_more_decimals(one_claim: Callable[..., Run]) -> None:
    run = one_claim(effect=0.00412, effect_low=0.00311, effect_high=0.00523, smallest_effect=0.002)
    claim = Document.of(run).claims[0]
    assert (claim.effect, claim.interval) == ("0.004", "[0.003, 0.005]")


def test_a_summary_of_nulls_is_told_without_numbers(one_claim: Callable[..., Run]) -> None:
    bare = {k: None for k in one_claim().claims[0].summary if k not in ("id", "outcome")}
    for outcome in ("supported", "refuted", "inconclusive", "error", "skipped"):
        told = Document.of(Run({}, (ClaimRecord({**bare, "id": "f.py::Bare", "outcome": outcome}),)))
        claim = told.claims[0]
        assert (claim.name, claim.effect, claim.p_plus, claim.sentence) == ("Bare", "–", "–", "")
        assert told.forest is None
        assert "an unnamed model" in told.lead


def test_a_missing_sentence_is_made_from_the_numbers(one_claim: Callable[..., Run]) -> None:
    told = Document.of(one_claim(sentence=None, exact=True, draws=2100)).claims[0]
    assert told.sentence == (
        "Exchanging topic within style (exact, N\u00a0=\u00a02,100) gave delta = 0.41, 90\u00a0% interval [0.29, 0.52], "
        "p over cells = .0001."
    )


def test_unlike_effects_stand_in_the_forest_with_their_names(run: Run) -> None:
    forest = Document.of(run).forest
    assert forest is not None
    assert set(forest.exhibit.labels["effect_names"]) == {"delta", "ω²", "difference of ω²"}
    assert forest.notes == ("2 claims without an effect are not drawn.",)


def test_the_level_and_the_correction_are_those_of_the_run(one_claim: Callable[..., Run]) -> None:
    told = Document.of(one_claim(facts={"settings": {"alpha": 0.01, "correction": "bh"}}))
    meaning = dict(told.reading)
    assert "98 % interval" in meaning
    assert "p+ is at most .01 after Benjamini and Hochberg's correction" in meaning["SUPPORTED"]
    told = Document.of(one_claim(facts={"settings": {"correction": "none"}}))
    assert "not corrected" in dict(told.reading)["p+ and p−"]


OVER = "12 claims, of which 7 were weighed and 2 taken from an earlier run"


def test_wherever_a_corrected_level_stands_it_is_said_what_it_was_corrected_over(run: Run) -> None:
    told = Document.of(run)
    assert told.correction_name == f"after Holm's correction over {OVER}"
    assert f"Each side is corrected over {OVER}: all that were collected together" in dict(told.reading)["p+ and p−"]
    counted = dict(told.tested.rows)
    assert counted["claims corrected together, weighed or not"] == "12"
    assert counted["of these with the levels that an earlier run left"] == "2"
    rows = dict(next(t for t in told.claims[0].numbers if t.head[0] == "Test").rows)
    assert rows["p+, to support it"].startswith("alone .")
    assert f"; corrected over {OVER}: ." in rows["p+, to support it"]


def test_a_run_of_old_says_how_many_were_weighed_and_one_without_correction_nothing(run: Run) -> None:
    tests = {k: v for k, v in run.facts["tests"].items() if k not in ("corrected_over", "from_earlier_runs")}
    old = Document.of(Run({**run.facts, "tests": tests}, run.claims))
    assert old.correction_name == "after Holm's correction over 7 claims"
    raw = Document.of(Run({**run.facts, "settings": {**run.facts["settings"], "correction": "none"}}, run.claims))
    assert raw.correction_name == "without correction"
    assert all("corrected" not in c.levels for c in raw.claims)


def test_p_over_one_cell_is_not_called_one_over_cells(run: Run) -> None:
    for cells, word in ((1, "p, of any effect"), (6, "p over cells, of any effect")):
        claim = dataclasses.replace(run.claims[0], summary={**run.claims[0].summary, "n_cells": cells, "p": 0.01})
        table = next(t for t in Document.of(Run(run.facts, [claim])).claims[0].numbers if t.head[0] == "Test")
        assert dict(table.rows)[word] == ".01"


def test_what_was_tested_counts_skipped_and_degenerate_and_names_them(run: Run) -> None:
    told = Document.of(run)
    counted = dict(told.tested.rows)
    assert (
        counted["claims in this run"],
        counted["claims weighed"],
        counted["cells tested (layers, heads, axes)"],
    ) == (
        "9",
        "7",
        "133",
    )
    assert (
        counted["other claims weighed on this corpus and model before, on this machine (not in the correction)"] == "3"
    )
    scope = dict(told.scope)
    assert scope["Skipped"] == "8 AsksForALabelThatIsNotThere."
    assert scope["Degenerate cells"] == "4 SingleHeadsAnswerToStyle: layer 0, head 5; layer 1, head 1."
    assert scope["Locked or exploratory"].startswith("Exploratory.")
    assert scope["For what it holds"].startswith("New texts of these categories, for this network; not new categories")


@pytest.mark.parametrize("locked", ["locked", "exploratory"])
def test_a_locked_run_says_so(one_claim: Callable[..., Run], locked: str) -> None:
    scope = dict(Document.of(one_claim(facts={"locked": locked})).scope)
    assert scope["Locked or exploratory"].lower().startswith(locked)


def test_figures_are_named_by_class_and_kind_and_never_collide(one_claim: Callable[..., Run], every_kind: Any) -> None:
    one = one_claim(*every_kind(), *every_kind())
    run = Run(one.facts, (*one.claims, ClaimRecord(one.claims[0].summary, exhibits=one.claims[0].exhibits)))
    names = [f.name for f in Document.of(run).figures()]
    assert "figures/OneClaim-heat_maps.svg" in names
    assert "figures/OneClaim-heat_maps-2.svg" in names
    assert len({n.lower() for n in names}) == len(names) == 1 + 4 * len(every_kind()[:-1])
    assert len({n.lower() for n in names}) == len(names) == 1 + 4 * (len(every_kind()) - 1)


def test_hostile_names_become_harmless_paths(one_claim: Callable[..., Run], every_kind: Any) -> None:
    run = one_claim(*every_kind(), id="../x.py::../../<b>é|\u202e")
    for figure in Document.of(run).figures():
        assert figure.name.startswith("figures/")
        assert set(figure.name[8:]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
        assert ".." not in figure.name


def test_long_tables_are_cut_and_the_rest_is_counted(every_kind: Any) -> None:
    tables = {e.kind: exhibit_table(e) for e in every_kind()}
    assert len(tables["text_map"].rows) == MOST_ROWS
    assert "44 further rows left out (texts)" in tables["text_map"].left_out
    assert "2 further panels left out" in tables["text_map"].left_out
    assert "28 further rows left out" in tables["head_map"].left_out
    assert "6 x 64 x 64 single values" in tables["heat_maps"].left_out
    assert all(len(row) == len(t.head) for t in tables.values() for row in t.rows)


def test_arrays_that_do_not_fit_their_kind_are_listed_by_shape() -> None:
    broken = Exhibit("volcano", "t", "d", {"effect": np.zeros((2, 2)), "p_adjusted": np.zeros(3)}, {})
    assert exhibit_table(broken).rows == (("effect", "2 x 2", "float64"), ("p_adjusted", "3", "float64"))


def test_the_heat_map_table_separates_categories_without_the_diagonal() -> None:
    maps = np.array([[[1, 0.5, 0.1, 0.1], [0.5, 1, 0.1, 0.1], [0.1, 0.1, 1, 0.5], [0.1, 0.1, 0.5, 1]]])
    table = exhibit_table(
        Exhibit("heat_maps", "", "", {"maps": maps}, {"panels": ["layer 0"], "categories": list("aabb")})
    )
    assert table.rows == (("layer 0", "0.50", "0.10", "0.10", "0.50"),)


def test_provenance_holds_hashes_and_settings_but_not_when_or_where(run: Run) -> None:
    told = Document.of(run)
    rows = {(t.caption, name): value for t in told.provenance for name, value in t.rows}
    assert rows["Model", "SHA-256 of weights"] == "5f" * 32
    assert rows["Settings", "alpha"] == "0.05"
    assert rows["Corpus", "largest 8-gram overlap of two texts"] == "0.011"
    assert "a-host-name" not in repr(told)


def test_provenance_tells_what_weights_are_computed_and_stored_in() -> None:
    (table,) = provenance_of({"model": {"name": "m", "stored_dtype": "bfloat16", "attention": "1", "dtype": "float32"}})
    assert table.rows[1:3] == (("dtype", "float32"), ("dtype that weights are stored in", "bfloat16"))
