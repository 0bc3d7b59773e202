"""The runner on planted activations: record once, weigh each, and let no neighbour, order or worker move a verdict."""

import json

import numpy as np
import pytest
from planted import PlantedRecorder, planted_corpus, shuffled

from modclaims import CategoryClustering, HeadSelectivity, at, everywhere
from modclaims.corpus import Corpus, Text
from modclaims.errors import CorpusError, NothingSelected, RunFolderError
from modclaims.recording import Activations, Positions
from modclaims.runner import execute
from modclaims.runs.collect import Collected, collect
from modclaims.runs.digests import run_digest
from modclaims.runs.run_folder import read_run
from modclaims.runs.run_log import RunLog
from modclaims.runs.settings import Settings
from modclaims.runs.weighing import weigh

QUICK = {"permutations": 299, "resamples": 999}


class Clusters(CategoryClustering):
    """Same-style texts point the same way somewhere."""

    label, within, untrained = "style", "topic", 0


class ClustersWithUntrained(Clusters):
    """Same-style texts point the same way somewhere, untrained networks beside."""

    untrained = 5


class FirstLayer(Clusters):
    """Same-style texts point the same way in the first layer."""

    holds = at(0)
    expect = "inconclusive"


class Everywhere(Clusters):
    """Same-style texts point the same way in every layer."""

    holds = everywhere()
    expect = "refuted"


class Heads(HeadSelectivity):
    """A head answers style."""

    label, within, untrained = "style", "topic", 0


class Faulty(Clusters):
    """A claim at a layer that does not exist."""

    layers = (17,)


class UnknownSite(Clusters):
    """A claim at a site that does not exist."""

    site = "elsewhere"


def collected(*classes, is_shipped=False):
    return [Collected(f"t.py::{c.__name__}", None, c(), "", is_shipped) for c in classes]


def run(classes, tmp_path, corpus=None, recorder=None, out=None, **settings):
    return execute(
        classes if isinstance(classes, list) else collected(*classes),
        corpus=corpus or planted_corpus(),
        recorder=recorder or PlantedRecorder(),
        settings=Settings(**(QUICK | settings)),
        cwd=tmp_path,
        out=out,
    )


def summaries(finished):
    return {c.summary["id"].split("::")[1]: c.summary for c in finished.run.claims}


def test_the_planted_layer_and_head_are_named(tmp_path):
    found = summaries(run((Clusters, Heads), tmp_path))
    assert found["Clusters"]["outcome"] == "supported"
    assert found["Clusters"]["best"]["layer"] == 1
    assert found["Heads"]["outcome"] == "supported"
    assert (found["Heads"]["best"]["layer"], found["Heads"]["best"]["head"]) == (1, 1)


def test_no_other_cell_is_significant(tmp_path):
    finished = run((Clusters, Heads), tmp_path)
    for claim in finished.run.claims:
        hits = {
            (r["layer"], r["head"]) for r in claim.cells if r.get("p_adjusted") is not None and r["p_adjusted"] <= 0.05
        }
        assert len(hits) == 1


def test_a_claim_of_every_layer_is_refuted_by_an_empty_one(tmp_path):
    found = summaries(run((Everywhere,), tmp_path, corpus=planted_corpus(texts=6)))
    assert found["Everywhere"]["outcome"] == "refuted"
    assert found["Everywhere"]["as_expected"] is True


def test_one_recording_serves_all_claims(tmp_path):
    recorder = PlantedRecorder()
    run((Clusters, FirstLayer, Everywhere, Heads), tmp_path, recorder=recorder)
    assert recorder.calls == 1
    assert len(recorder.requests) == len(set(recorder.requests))


def test_neighbours_leave_raw_levels_alone(tmp_path):
    alone = summaries(run((Faulty, Clusters, UnknownSite, ClustersWithUntrained), tmp_path))["Clusters"]
    beside = summaries(run((Heads, Everywhere, Clusters, Faulty), tmp_path))["Clusters"]  # as many claims, other ones
    for name in ("effect", "effect_low", "effect_high", "p", "p_plus", "p_minus", "best"):
        assert alone[name] == beside[name]


def test_the_order_of_rows_changes_nothing(tmp_path):
    corpus = planted_corpus()
    straight = summaries(run((ClustersWithUntrained, Heads), tmp_path, corpus=corpus))
    mixed = summaries(run((ClustersWithUntrained, Heads), tmp_path, corpus=shuffled(corpus)))
    for name, one in straight.items():
        for key in ("effect", "effect_low", "effect_high", "p", "p_plus", "p_minus", "best", "controls"):
            assert one[key] == mixed[name][key], (name, key)


def test_category_names_change_nothing(tmp_path):
    corpus = planted_corpus()
    renamed = Corpus(
        corpus.name,
        tuple(Text(t.id, t.body, t.labels | {"style2": "zyxw"[int(t.labels["style"][-1])]}) for t in corpus.texts),
    )

    class Renamed(Clusters):
        """The same claim under other names."""

        label = "style2"

    Renamed.__name__ = "Clusters"
    first = summaries(run((Clusters,), tmp_path, corpus=corpus))["Clusters"]
    second = summaries(run((Renamed,), tmp_path, corpus=renamed))["Clusters"]
    assert (first["p"], first["p_plus"], first["effect"]) == (second["p"], second["p_plus"], second["effect"])


def test_a_faulty_claim_is_an_error_and_its_neighbours_run(tmp_path):
    found = summaries(run((Faulty, UnknownSite, Clusters), tmp_path, permutations=999))
    assert found["Faulty"]["outcome"] == "error"
    assert "Layer 17" in found["Faulty"]["message"]
    assert "elsewhere" in found["UnknownSite"]["message"]
    assert found["Clusters"]["outcome"] == "supported"


def test_a_missing_column_skips_a_shipped_claim_and_faults_a_users_own(tmp_path):
    corpus = Corpus(
        "plain", tuple(Text(t.id, t.body, {"category": t.labels["category"]}) for t in planted_corpus().texts)
    )
    recorder = PlantedRecorder(label="category")
    shipped_one = summaries(run(collected(Clusters, is_shipped=True), tmp_path, corpus=corpus, recorder=recorder))
    own = summaries(run(collected(Clusters), tmp_path, corpus=corpus, recorder=recorder))
    assert shipped_one["Clusters"]["outcome"] == "skipped"
    assert own["Clusters"]["outcome"] == "error"
    assert "has no label 'style'" in own["Clusters"]["message"]


def test_near_duplicates_are_refused_unless_they_share_a_block(tmp_path):
    texts = list(planted_corpus().texts)
    texts[1] = Text(texts[1].id, texts[0].body, texts[1].labels)
    with pytest.raises(CorpusError, match="8-word"):
        run((Clusters,), tmp_path, corpus=Corpus("twins", tuple(texts)))


def test_nothing_selected_says_so(tmp_path):
    with pytest.raises(NothingSelected):
        run([], tmp_path)


def test_two_runs_write_the_same_bytes_but_for_what_is_made(tmp_path):
    for name in ("a", "b"):
        run((ClustersWithUntrained, Heads), tmp_path, out=tmp_path / name)
    for file in ("cells.csv", "nulls.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    first, second = (json.loads((tmp_path / n / "run.json").read_text()) for n in "ab")
    assert first.pop("made")
    assert second.pop("made")
    assert first == second


def test_claims_of_earlier_runs_on_the_same_corpus_and_model_are_counted(tmp_path):
    log = RunLog(tmp_path / "home")

    def before(*classes, texts=3):
        finished = execute(
            collected(*classes),
            corpus=planted_corpus(texts=texts),
            recorder=PlantedRecorder(),
            settings=Settings(**QUICK),
            cwd=tmp_path,
            out=None,
            log=log,
        )
        return finished.run.facts["tests"]["weighed_before"]

    assert before(Clusters) == 0
    assert before(Clusters) == 0
    assert before(Heads) == 1
    assert before(Clusters, Heads) == 0
    assert before(Clusters, texts=2) == 0
    assert before(Faulty) == 2
    assert before(Heads) == 1  # what could not be weighed is no claim weighed


# ---- what is corrected together


class Chapters(Clusters):
    """A claim about a column that no corpus here has."""

    label, within = "chapter", None


def among(classes, others, tmp_path, *, log=None, shipped=(), recorder=None, **settings):
    """A run of some claims, the others collected with them."""
    return execute(
        collected(*classes),
        unselected=[*collected(*others), *collected(*shipped, is_shipped=True)],
        corpus=planted_corpus(),
        recorder=recorder or PlantedRecorder(),
        settings=Settings(**(QUICK | settings)),
        cwd=tmp_path,
        out=None,
        log=log,
    )


def levels(finished):
    return {n: (s["outcome"], s["p_plus_adjusted"], s["p_minus_adjusted"]) for n, s in summaries(finished).items()}


def counted(finished):
    return tuple(finished.run.facts["tests"][k] for k in ("corrected_over", "weighed", "from_earlier_runs"))


@pytest.fixture(scope="module")
def weak(tmp_path_factory):
    """A planted effect that supports a claim weighed alone, and would not among six."""
    for effect in np.arange(0.05, 1.0, 0.05):
        recorder = PlantedRecorder(effect=float(effect))
        found = summaries(run((Clusters,), tmp_path_factory.mktemp("weak"), recorder=recorder))["Clusters"]
        if 0.012 <= found["p_plus"] <= 0.03:
            return float(effect)
    raise AssertionError("no effect was weak enough")


def test_what_is_not_selected_counts_as_p_of_1(tmp_path):
    finished = among((Clusters,), (Heads, Everywhere, FirstLayer), tmp_path)
    found = summaries(finished)["Clusters"]
    assert found["p_plus_adjusted"] == pytest.approx(4 * found["p_plus"])
    assert counted(finished) == (4, 1, 0)


def test_selecting_one_claim_does_not_support_what_all_together_leave_open(tmp_path, weak):
    others, with_effect = (
        (Heads, Everywhere, FirstLayer, Faulty, UnknownSite),
        {"recorder": PlantedRecorder(effect=weak)},
    )
    everything, alone = run((Clusters, *others), tmp_path, **with_effect), run((Clusters,), tmp_path, **with_effect)
    some = summaries(among((Clusters,), others, tmp_path, **with_effect))["Clusters"]
    assert (levels(everything)["Clusters"][0], levels(alone)["Clusters"][0]) == ("inconclusive", "supported")
    assert some["outcome"] == "inconclusive"
    assert some["p_plus_adjusted"] == pytest.approx(6 * some["p_plus"])
    assert some["reason"] == "lost to correction over 6 claims"
    assert "; corrected over 6 claims, of which 1 was weighed, it is not (." in some["message"]
    assert "What is not weighed, or could not be, counts as p = 1" in some["message"]


def test_levels_that_an_earlier_run_left_make_a_selection_end_as_all_do(tmp_path):
    log = RunLog(tmp_path / "home")
    whole = levels(among((Clusters, Heads, Everywhere, FirstLayer), (), tmp_path, log=log))
    some = among((Heads, Everywhere), (Clusters, FirstLayer), tmp_path, log=log)
    assert counted(some) == (4, 2, 2)
    assert levels(some) == {name: whole[name] for name in ("Heads", "Everywhere")}
    half = among((Heads,), (Clusters, FirstLayer, Everywhere), tmp_path, log=log)
    assert levels(half)["Heads"] == whole["Heads"]


@pytest.mark.parametrize("changed", [{"seed": 1}, {"permutations": 499}, {"positions": "0:4:1"}, {"alpha": 0.1}])
def test_levels_of_another_seed_or_recording_are_not_used(tmp_path, changed):
    log = RunLog(tmp_path / "home")
    among((Clusters, Heads), (), tmp_path, log=log)
    assert counted(among((Heads,), (Clusters,), tmp_path, log=log)) == (2, 1, 1)
    assert counted(among((Heads,), (Clusters,), tmp_path, log=log, **changed)) == (2, 1, 0)


def test_levels_do_not_depend_on_how_they_were_corrected_then(tmp_path):
    log = RunLog(tmp_path / "home")
    among((Clusters, Heads), (), tmp_path, log=log, correction="bh")
    assert counted(among((Heads,), (Clusters,), tmp_path, log=log)) == (2, 1, 1)


def test_a_claim_with_another_constant_is_another_claim(tmp_path):
    log = RunLog(tmp_path / "home")
    among((Clusters, Heads), (), tmp_path, log=log)

    class Stricter(Clusters):
        """Same-style texts point the same way somewhere."""

        smallest_effect = 0.5

    Stricter.__name__ = "Clusters"
    assert counted(among((Heads,), (Stricter,), tmp_path, log=log)) == (2, 1, 0)


def test_an_error_counts_whether_it_shows_before_any_pass_or_after(tmp_path):
    class Late(Clusters):
        """A claim that breaks when it is weighed."""

        def measure(self, look):
            raise ZeroDivisionError("late")

    late = run((Clusters, AsksInVain, Late, Faulty), tmp_path)
    assert counted(late) == (4, 1, 0)
    unselected = among((Clusters,), (Faulty, UnknownSite), tmp_path)
    for finished, size in ((late, 4), (unselected, 3)):
        found = summaries(finished)["Clusters"]
        assert found["p_plus_adjusted"] == pytest.approx(size * found["p_plus"])


def test_a_file_that_does_not_load_counts_as_one_claim(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    (bad,) = collect(["bad.py"], tmp_path)
    assert counted(run([*collected(Clusters), bad], tmp_path)) == (2, 1, 0)


def test_skipped_claims_stand_outside_and_a_users_own_without_its_column_does_not(tmp_path):
    assert counted(among((Clusters,), (), tmp_path, shipped=(Chapters,))) == (1, 1, 0)
    assert counted(among((Clusters,), (Chapters,), tmp_path)) == (2, 1, 0)


def test_a_run_of_some_claims_is_another_run_than_that_of_these_alone(tmp_path):
    shape = PlantedRecorder().shape
    one, other, corpus, settings = collected(Clusters), collected(Heads), planted_corpus(), Settings()
    digests = {
        run_digest(one, corpus, shape, settings),
        run_digest(one, corpus, shape, settings, other),
        run_digest([*one, *other], corpus, shape, settings),
    }
    assert len(digests) == 3


def test_rerunning_with_other_seeds_is_counted(tmp_path):
    log = RunLog(tmp_path / "home")
    runs = [among((Clusters,), (), tmp_path, log=log, seed=seed) for seed in (0, 1, 1, 2)]
    assert [one.run.facts["tests"]["other_settings_before"] for one in runs] == [0, 1, 1, 2]


def test_claims_of_the_same_files_are_not_counted_as_others(tmp_path):
    log = RunLog(tmp_path / "home")
    among((Clusters, Heads), (), tmp_path, log=log)
    assert among((Heads,), (Clusters,), tmp_path, log=log).run.facts["tests"]["weighed_before"] == 0
    assert among((Heads,), (), tmp_path, log=log).run.facts["tests"]["weighed_before"] == 1


def test_a_killed_run_goes_on_with_what_it_had(tmp_path, monkeypatch):
    out, whole = tmp_path / "run", tmp_path / "whole"
    run((Clusters, Heads), tmp_path, out=whole)

    def killed(self, look):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(HeadSelectivity, "measure", killed)
        with pytest.raises(KeyboardInterrupt):
            run((Clusters, Heads), tmp_path, out=out)
    monkeypatch.setattr(CategoryClustering, "measure", killed)  # kept from before, so never asked again
    run((Clusters, Heads), tmp_path, out=out)
    assert (out / "cells.csv").read_bytes() == (whole / "cells.csv").read_bytes()
    assert not (out / "parts").exists()


def test_another_run_in_the_way_is_refused(tmp_path):
    run((Clusters,), tmp_path, out=tmp_path / "run")
    with pytest.raises(RunFolderError, match="other settings"):
        run((Clusters,), tmp_path, out=tmp_path / "run", seed=4)
    run((Clusters,), tmp_path, out=tmp_path / "run")  # the same again replaces it


def test_workers_change_no_number(tmp_path):
    (tmp_path / "claims.py").write_text(
        "from modclaims import CategoryClustering, HeadSelectivity\n"
        "class A(CategoryClustering):\n    'Styles cluster.'\n    label, within, untrained = 'style', 'topic', 0\n"
        "class B(HeadSelectivity):\n    'Heads answer.'\n    label, within, untrained = 'style', 'topic', 0\n"
    )
    claims = collect(["claims.py"], tmp_path)
    one = run(claims, tmp_path, out=tmp_path / "one")
    two = run(claims, tmp_path, out=tmp_path / "two", workers=2)
    assert [c.summary for c in one.run.claims] == [c.summary for c in two.run.claims]
    assert (tmp_path / "one" / "nulls.npz").read_bytes() == (tmp_path / "two" / "nulls.npz").read_bytes()


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    finished = run((Clusters, Heads), tmp_path, out=tmp_path / "run")
    back = read_run(tmp_path / "run")
    assert [c.summary["id"] for c in back.claims] == [c.summary["id"] for c in finished.run.claims]
    for ours, theirs in zip(finished.run.claims, back.claims, strict=True):
        assert [e.kind for e in ours.exhibits] == [e.kind for e in theirs.exhibits]
        for a, b in zip(ours.exhibits, theirs.exhibits, strict=True):
            assert all(np.array_equal(a.arrays[k], b.arrays[k], equal_nan=True) for k in a.arrays)


def test_pure_noise_supports_nothing(tmp_path):
    found = summaries(run((Clusters, FirstLayer, Heads), tmp_path, recorder=PlantedRecorder(effect=0.0)))
    assert "supported" not in {s["outcome"] for s in found.values()}


class AsksAgain(Clusters):
    """A claim that asks for the layer where texts differ most, once it has seen them."""

    def further(self, recording, weighing):
        ids = [t.id for t in recording.corpus.texts]
        assert ids == sorted(ids), "texts come as they are when weighed"
        widths = [recording.array(Activations("attn_out"), i).std() for i in range(recording.shape.layers)]
        return (Activations("mlp_out", (int(np.argmax(widths)),)),)

    def words(self, look, measured, named):
        assert look.recording.array(Activations("mlp_out", (1,)), 1).size
        return super().words(look, measured, named)


class AsksInVain(AsksAgain):
    """A claim that breaks when it sees the first recording."""

    def further(self, recording, weighing):
        raise ZeroDivisionError("nothing to divide")


def test_what_claims_ask_for_once_they_have_seen_the_recording_is_recorded_before_any_is_weighed(tmp_path):
    recorder = PlantedRecorder()
    several = collected(AsksAgain, Clusters, AsksInVain)
    finished = run(several, tmp_path, shuffled(planted_corpus()), recorder, permutations=999)
    assert recorder.calls == 2
    assert Activations("mlp_out", (1,)) in recorder.requests
    outcomes = {name: verdict.outcome.word for name, verdict in finished.verdicts.items()}
    assert outcomes == {"t.py::AsksAgain": "supported", "t.py::Clusters": "supported", "t.py::AsksInVain": "error"}
    assert "nothing to divide" in finished.verdicts["t.py::AsksInVain"].message
    assert finished.run.facts["made"]["passes"] == 2 * len(planted_corpus())
    alone = run((Clusters, Faulty, UnknownSite), tmp_path, shuffled(planted_corpus()), permutations=999)
    assert alone.weighed["t.py::Clusters"] == finished.weighed["t.py::Clusters"]


def test_one_recording_is_enough_where_no_claim_asks_again(tmp_path):
    recorder = PlantedRecorder()
    run((Clusters, Heads), tmp_path, recorder=recorder)
    assert recorder.calls == 1


class Little(Clusters):
    """Same-style texts point the same way in the first layer, which has nothing of them."""

    holds = at(0)
    smallest_effect = 0.3


OPEN = {"permutations": 499, "resamples": 499}
"""So few that the level of `Little`, .014, cannot be told from alpha / 4, alpha / 3 and alpha / 2."""


def test_a_claim_that_its_draws_leave_open_is_weighed_with_more_and_says_how_many(tmp_path):
    found = summaries(run((Little, Clusters, Heads, Everywhere), tmp_path, **OPEN))
    little, far = found["Little"], found["Clusters"]
    assert (little["checkpoint"], little["draws"], little["resamples"]) == (2, 20 * 499, 20 * 499)
    assert "went on to 9,980 arrangements and 9,980 resamples" in little["sentence"]
    assert (far["checkpoint"], far["draws"], far["resamples"]) == (0, 499, 499)
    assert "went on" not in far["sentence"]
    alone = summaries(run((Little,), tmp_path, **OPEN))["Little"]
    assert alone["checkpoint"] == 0, "alone it is held against alpha, from which .014 is far"


def test_what_is_far_from_deciding_is_weighed_as_if_draws_never_went_on(tmp_path):
    recorder, settings = PlantedRecorder(), Settings(**OPEN)
    finished = run((Little, Clusters, Heads, Everywhere), tmp_path, recorder=recorder, **OPEN)
    recording = recorder.record(
        planted_corpus(),
        Clusters().requests(recorder.shape),
        tokens=settings.tokens,
        positions=Positions(settings.positions),
    )
    once, _ = weigh(Clusters(), recording, settings.weighing)
    assert once.as_dict() == finished.weighed["t.py::Clusters"].as_dict()
    # and what is drawn on has the levels of its last checkpoint alone
    last, _ = weigh(Little(), recording, settings.weighing.at(2))
    assert last.as_dict() == finished.weighed["t.py::Little"].as_dict()
    assert last.p_minus != weigh(Little(), recording, settings.weighing)[0].p_minus


def test_neither_order_nor_neighbours_move_what_is_drawn_on(tmp_path):
    corpus, chosen = planted_corpus(), (Little, Clusters, Heads, Everywhere)
    first = run(chosen, tmp_path, corpus=corpus, **OPEN).weighed["t.py::Little"]
    turned = run(chosen[::-1], tmp_path, corpus=shuffled(corpus), **OPEN).weighed["t.py::Little"]
    others = run((Faulty, Little, UnknownSite, FirstLayer), tmp_path, corpus=corpus, **OPEN).weighed["t.py::Little"]
    assert first.checkpoint == 2
    assert first == turned == others


def test_a_level_that_more_draws_settle_is_drawn_no_further(tmp_path):
    settings = {"permutations": 99, "resamples": 199}
    found = summaries(run((Little, Clusters, Heads, Everywhere), tmp_path, **settings))
    assert 1 in {one["checkpoint"] for one in found.values()}
    for one in found.values():
        times = (1, 5, 20)[one["checkpoint"]]
        assert one["draws"] == 99 * times or one["exact"]
        assert one["resamples"] == 199 * times


def test_draws_that_would_not_fit_are_not_made(tmp_path, monkeypatch):
    monkeypatch.setattr("modclaims.stats.checkpoints.MOST_BYTES", 400_000)
    found = summaries(run((Little, Clusters, Heads, Everywhere), tmp_path, **OPEN))["Little"]
    assert found["checkpoint"] == 0
    monkeypatch.setattr("modclaims.stats.checkpoints.MOST_BYTES", 2_000_000)
    found = summaries(run((Little, Clusters, Heads, Everywhere), tmp_path, **OPEN))["Little"]
    assert (found["checkpoint"], found["draws"]) == (1, 5 * 499)


def test_workers_draw_on_as_one_process_does(tmp_path):
    (tmp_path / "claims.py").write_text(
        "from modclaims import CategoryClustering, HeadSelectivity, at\n"
        "class A(HeadSelectivity):\n    'Heads answer.'\n    label, within, untrained = 'style', 'topic', 0\n"
        + "".join(
            f"class {name}(CategoryClustering):\n    'Styles cluster.'\n    label, within, untrained = 'style', 'topic', 0\n"
            f"    holds = at({layer})\n"
            for name, layer in (("Little", 0), ("B", 1), ("C", 1))
        )
    )
    claims = collect(["claims.py"], tmp_path)
    one = run(claims, tmp_path, **OPEN)
    two = run(claims, tmp_path, workers=2, **OPEN)
    assert one.weighed["claims.py::Little"].checkpoint == 2
    assert one.weighed == two.weighed
