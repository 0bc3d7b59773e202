"""Several models as one recorder: who answers what, in which order, and what is refused before any pass."""

from dataclasses import replace

import numpy as np
import pytest
from planted import PlantedRecorder, planted_corpus

from modclaims import CategoryClustering, ModelsDiffer
from modclaims.errors import ClaimError, CorpusError, ModelError
from modclaims.model_set import ModelSet
from modclaims.outcome import Outcome
from modclaims.recording import Activations, Loss, Positions, for_model
from modclaims.runner import execute
from modclaims.runs.collect import Collected
from modclaims.runs.digests import run_digest
from modclaims.runs.run_log import RunLog
from modclaims.runs.settings import Settings

CORPUS = planted_corpus(topics=2, styles=2, texts=4)
SPOKEN = {"tokens": 64, "positions": Positions("0,1,2")}
SITE = Activations("attn_out")


class Model(PlantedRecorder):
    def __init__(self, name, parameters, log=None, layers=3, origin=None, weights=None):
        super().__init__(layers=layers, seed=parameters or 0)
        facts = {"model": origin or name, "weights_sha256": weights or f"{name} {parameters}"}
        self.shape = replace(self.shape, name=name, parameters=parameters, provenance=facts)
        self.log = [] if log is None else log

    def record(self, corpus, requests, **options):
        self.log.append(f"{self.shape.name} reads")
        return super().record(corpus, requests, **options)

    def release(self):
        self.log.append(f"{self.shape.name} goes")


class Differ(ModelsDiffer):
    """Larger ones part styles further."""

    label, within, untrained = "style", "topic", 0


class Alone(CategoryClustering):
    """Styles cluster."""

    label, within, untrained = "style", "topic", 0


def collected(*classes):
    return [Collected(f"t.py::{c.__name__}", None, c()) for c in classes]


def run(classes, recorder, tmp_path=None, log=None, **settings):
    told = Settings(**{"tokens": 64, "positions": "0,1,2", "permutations": 199, "resamples": 399} | settings)
    return execute(
        collected(*classes), corpus=CORPUS, recorder=recorder, settings=told, cwd=tmp_path, out=None, log=log
    )


def test_models_are_read_one_after_the_other_by_size_and_let_go_before_the_next():
    log = []
    own, large, small = (Model(name, size, log) for name, size in (("own", 20), ("large", 30), ("small", 10)))
    lineup = ModelSet(own, [large, small])
    assert [m.name for m in lineup.shape.models] == ["small", "own", "large"]
    asked = [SITE, for_model(SITE, "large"), for_model(SITE, "small")]
    recording = lineup.record(CORPUS, asked, **SPOKEN)
    assert log == ["own goes", "small reads", "small goes", "large reads", "large goes", "own reads"]
    assert recording.passes == 3 * len(CORPUS)
    for model, reader in (("own", own), ("large", large), ("small", small)):
        alone = reader.record(CORPUS, [SITE], **SPOKEN)
        np.testing.assert_array_equal(recording.of(model).array(SITE, 1), alone.array(SITE, 1))
        assert recording.of(model).shape == reader.shape
    np.testing.assert_array_equal(
        recording.by_id().array(for_model(SITE, "large"), 1),
        large.record(CORPUS, [SITE], **SPOKEN).by_id().array(SITE, 1),
    )


def test_a_model_that_nobody_asks_is_not_read():
    log = []
    ModelSet(Model("own", 20, log), [Model("other", 30, log)]).record(CORPUS, [SITE], **SPOKEN)
    assert log == ["own reads"]


def test_what_no_model_can_answer_is_refused():
    lineup = ModelSet(Model("own", 20), [Model("other", 30)])
    with pytest.raises(ClaimError, match="none of those beside"):
        lineup.record(CORPUS, [for_model(SITE, "third")], **SPOKEN)
    with pytest.raises(ClaimError, match="none of those that this run reads"):
        lineup.record(CORPUS, [SITE], **SPOKEN).of("third")
    with pytest.raises(ClaimError, match="Only activations"):
        for_model(Loss(), "other")


def test_the_same_model_twice_and_one_of_unknown_size_are_refused():
    with pytest.raises(ModelError, match="are the same"):
        ModelSet(Model("own", 20), [Model("own", 20)])
    with pytest.raises(ModelError, match="'own' and 'copy' are the same"):
        ModelSet(Model("own", 20, weights="w"), [Model("copy", 20, weights="w")])
    with pytest.raises(ModelError, match="cannot be told"):
        ModelSet(Model("own", 20), [Model("odd", None)])


def test_models_of_one_name_go_by_where_they_came_from():
    lineup = ModelSet(Model("model", 20, origin="a/model"), [Model("model", 30, origin="b/model"), Model("c", 40)])
    assert [m.name for m in lineup.shape.models] == ["a/model", "b/model", "c"]
    assert lineup.record(CORPUS, [SITE, for_model(SITE, "b/model")], **SPOKEN).of("b/model").shape.name == "b/model"


def test_a_text_too_short_for_one_of_the_models_names_that_model():
    class Short(Model):
        def check(self, corpus, tokens, positions):
            raise CorpusError("Text 't1' is too short.")

    lineup = ModelSet(Model("own", 20), [Short("terse", 30)])
    with pytest.raises(CorpusError, match=r"'terse', given with --beside.*'t1'"):
        lineup.check(CORPUS, 64, Positions("0,1,2"))
    with pytest.raises(CorpusError, match="terse"):
        run([Alone], lineup)


def test_positions_that_a_claim_declares_concern_the_models_that_it_reads():
    class Short(Model):
        def check(self, corpus, tokens, positions):
            if max(positions.resolve(tokens)) > 10:
                raise CorpusError("Text 't1' is too short.")

    class Late(Alone):
        """Styles cluster late."""

        def _request(self):
            return Activations(self.site, positions=Positions("20"))

    finished = run([Late], ModelSet(Model("own", 20), [Short("terse", 30)]))
    assert finished.run.claims[0].summary["outcome"] != "error"


def test_other_claims_have_the_numbers_that_they_have_without_models_beside(tmp_path):
    own = Model("own", 20)
    alone = run([Alone], own).run.claims[0]
    beside = run([Alone, Differ], ModelSet(own, [Model("other", 30)]), correction="none").run.claims[0]
    leave = ("p_plus_adjusted", "p_minus_adjusted")
    assert {k: v for k, v in alone.summary.items() if k not in leave} == {
        k: v for k, v in beside.summary.items() if k not in leave
    }


def test_a_claim_about_scale_alone_is_skipped_and_says_what_to_give():
    finished = run([Alone, Differ], Model("own", 20))
    assert finished.verdicts["t.py::Differ"].outcome is Outcome.SKIPPED
    assert "give others with --beside MODEL" in finished.verdicts["t.py::Differ"].message
    assert finished.verdicts["t.py::Alone"].outcome is not Outcome.SKIPPED


def test_models_are_part_of_the_digest_and_of_the_facts_and_their_order_is_not():
    a, b, c = Model("a", 30), Model("b", 20), Model("c", 40)

    def digest(recorder, *beside):
        return run_digest(collected(Differ), CORPUS, recorder.shape, Settings(model="a", beside=beside))

    both = digest(ModelSet(a, [b, c]), "b", "c")
    assert both == digest(ModelSet(a, [c, b]), "c", "b")
    assert len({both, digest(a), digest(ModelSet(a, [b]), "b"), digest(ModelSet(a, [c]), "c")}) == 4
    facts = run([Differ], ModelSet(a, [b, c])).run.facts
    assert [(m["name"], m["parameters"]) for m in facts["models"]] == [("b", 20), ("a", 30), ("c", 40)]
    assert facts["model"] == facts["models"][1]
    assert facts["made"]["passes"] == 3 * len(CORPUS)


def test_a_claim_beside_other_models_is_another_claim_to_the_log(tmp_path):
    log, own = RunLog(tmp_path), Model("own", 20)

    def before(*beside):
        recorder = ModelSet(own, list(beside)) if beside else own
        return run([Differ] if beside else [Alone], recorder, log=log).run.facts["tests"]["weighed_before"]

    first, second = Model("first", 30), Model("second", 40)
    assert [before(first), before(first), before(second), before()] == [0, 0, 1, 2]
