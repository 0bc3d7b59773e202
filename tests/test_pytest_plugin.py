"""Claims as pytest items, on planted activations: the second layer knows the style of a text, the first one nothing."""

import gc
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from modclaims.corpus import Corpus, Text
from modclaims.errors import ModelError
from modclaims.pytest_plugin import weighing
from modclaims.recording import MemorySource, ModelShape, Recording
from modclaims.report import render
from modclaims.runner import execute
from modclaims.runs.collect import collect_file
from modclaims.runs.settings import Settings, from_files

CARD = '''"""Planted claims."""

from modclaims import CategoryClustering, at


class _Planted(CategoryClustering):
    untrained = 0
    label = "style"
    holds = at(1)
    smallest_effect = 0.05


class SecondLayerTells(_Planted):
    """The second layer tells styles apart."""


class FirstLayerTells(_Planted):
    """The first layer tells styles apart."""

    holds = at(0)
    smallest_effect = 0.5


class FirstLayerIsBlind(FirstLayerTells):
    """The first layer does not tell styles apart."""

    expect = "refuted"


class FirstLayerTellsAHair(FirstLayerTells):
    """The first layer tells styles apart by a hair's breadth."""

    smallest_effect = 0.01


class LacksItsColumn(_Planted):
    """Authors differ."""

    label = "author"
'''
ENDS = {
    "SecondLayerTells": "PASSED",
    "FirstLayerTells": "FAILED",
    "FirstLayerIsBlind": "PASSED",
    "FirstLayerTellsAHair": "INCONCLUSIVE",
    "LacksItsColumn": "ERROR",
}
ONE = '''from modclaims import CategoryClustering, at


class SecondLayerTells(CategoryClustering):
    """The second layer tells styles apart."""

    untrained = 0
    label = "style"
    holds = at(1)
    smallest_effect = 0.05
'''
SETTINGS = 'tokens = 8\npositions = "last:3:2"\npermutations = 999\nresamples = 999\n'
STYLES = ("letter", "poem", "recipe")
CORPUS = Corpus(
    "planted",
    tuple(
        Text(f"text{i}", f"word{i} of text{i}", {"category": STYLES[i % 3], "style": STYLES[i % 3]}) for i in range(24)
    ),
)
EFFECT = 0.8
LOAD = weighing.load
WORDS = {"PASSED", "FAILED", "INCONCLUSIVE", "ERROR", "SKIPPED"}


class Planted:
    """A recorder of two layers, noise in both, a style's direction in the second."""

    shape = ModelShape("planted", 2, 2, 2, 16, 8, 64, 512, provenance={"weights_sha256": "0"})

    def __init__(self, effect=EFFECT):
        self.effect, self.calls = effect, 0

    def check(self, corpus, tokens, positions):
        positions.resolve(tokens)

    def record(self, corpus, requests, *, tokens, positions, progress=None):
        self.calls += 1
        at, arrays = positions.resolve(tokens), {}
        styles = np.random.default_rng(0).normal(size=(len(STYLES), 1, 16))
        for request in requests:
            for layer in self.shape.resolve_layers(request):
                rng = np.random.default_rng([layer, *request.site.encode()])
                noise = rng.normal(size=(len(corpus), 1, 16)) + rng.normal(size=(len(corpus), len(at), 16))
                known = styles[[STYLES.index(style) for style in corpus.values("style")]]
                arrays[request, layer] = noise + self.effect * layer * known
        return Recording(corpus, self.shape, at, tuple(t.body for t in corpus.texts), MemorySource(arrays), len(corpus))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Folder of the card's run without pytest. It loads all modules, for pytester forgets those it did not find."""
    root = tmp_path_factory.mktemp("reference")
    (root / "hypotheses").mkdir()
    (root / "hypotheses" / "card.py").write_text(CARD, encoding="utf-8")
    (root / "modclaims.toml").write_text(SETTINGS, encoding="utf-8")
    settings = Settings(**from_files(root))
    claims = collect_file(root / "hypotheses" / "card.py", root)
    given = {
        "corpus": CORPUS,
        "recorder": Planted(),
        "settings": settings,
        "cwd": root,
    }
    execute(claims, **given, out=root / "out", render=render)
    gc.collect()
    gc.freeze()  # correction collects garbage twice a run, and must not look through all modules for it
    yield root / "out"
    gc.unfreeze()


class Suite:
    """A project whose hypotheses/card.py states `CARD`, and pytest at work in it."""

    def __init__(self, pytester):
        self.pytester, self.root, self.recorders, self.effect = pytester, pytester.path, [], EFFECT
        self.write("pytest.ini", "[pytest]\nmarkers = slow\naddopts = --strict-markers\n")
        self.write("modclaims.toml", SETTINGS)
        self.write("hypotheses/card.py", CARD)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def load(self, settings):
        """Stands for `pytest_plugin.weighing.load`."""
        if settings.model == "absent":
            raise ModelError("There is no model 'absent'; give a folder.")
        self.recorders.append(Planted(effect=0.0 if settings.model == "blind" else self.effect))
        return CORPUS, self.recorders[-1]

    @property
    def recorded(self):
        """How often a network was recorded."""
        return sum(recorder.calls for recorder in self.recorders)

    def run(self, *args):
        plugins = ("-p", "xdist", "-p", "modclaims.pytest_plugin")
        known = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # by these tests
        return self.pytester.runpytest_inprocess(*plugins, "-W", "error", "-W", known, *args)

    def ends(self, *args):
        """Each item's word in the terminal, by what follows the file in the item's id."""
        found = {}
        for line in self.run("-v", *args).outlines:
            words = line.split()
            node = next((word for word in words if "::" in word), "")
            if "%]" in line and (ends := WORDS.intersection(words)):
                found[node.split("::", 1)[-1]] = ends.pop()
        return found

    def told(self, *args):
        """Of each item's JUnit test case: what it ended in, why, and its properties."""
        self.run(f"--junitxml={self.root / 'junit.xml'}", *args)
        found = {}
        for case in ET.parse(self.root / "junit.xml").getroot().iter("testcase"):
            ends = [child for child in case if child.tag in ("failure", "error", "skipped")]
            assert len(ends) < 2
            tag, why = (ends[0].tag, f"{ends[0].get('message')}\n{ends[0].text}") if ends else ("passed", "")
            found[case.get("name")] = tag, why, {p.get("name"): p.get("value") for p in case.iter("property")}
        return found


@pytest.fixture
def suite(reference, pytester, monkeypatch):
    made = Suite(pytester)
    monkeypatch.setattr(weighing, "load", made.load)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # quicker, and the same where modclaims is installed
    monkeypatch.setenv("MODCLAIMS_HOME", str(pytester.path / "home"))
    return made


@pytest.fixture
def unrendered(monkeypatch):
    """Leave out the pictures, which take seconds."""
    monkeypatch.setattr("modclaims.report.render", lambda run, **options: {"report.html": b""})


def claims_in(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))["claims"]


# how claims end


def test_each_verdict_has_its_word(suite):
    assert suite.ends("hypotheses") == ENDS


def test_a_session_tells_how_its_claims_stand_and_ends_like_any_with_failures(suite):
    done = suite.run("hypotheses")
    done.stdout.fnmatch_lines(
        [
            "hypotheses/card.py .F.iE*",
            "2 as expected, 1 against expectation, 1 inconclusive, 1 error; holm over 5 claims, of which 4 were weighed",
            "*1 failed, 2 passed, 1 error, 1 inconclusive in *",
        ]
    )
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_a_claim_against_expectation_fails_with_its_numbers_and_no_traceback(suite):
    done = suite.run("hypotheses", "-k", "FirstLayerTells and not Hair")
    done.stdout.re_match_lines(
        [
            r"REFUTED, supported was expected: delta -?0\.0\d \[-0\.\d\d, 0\.\d\d\], smallest that matters 0\.5; "
            r"p\+ 1, p- \.00\d+ \(alone 1 and \.00\d+; holm over 5 claims, of which 1 was weighed\)",
            r"The first layer tells styles apart\.",
            r"Exchanging style \(999 draws\) gave delta = ",
        ],
        consecutive=True,
    )
    done.stdout.no_fnmatch_line("*pytest_plugin*")
    done.stdout.no_fnmatch_line("*Traceback*")


def test_a_claim_that_cannot_be_weighed_is_an_error_at_setup_in_one_sentence(suite):
    done = suite.run("hypotheses", "-k", "LacksItsColumn or Second")
    done.stdout.fnmatch_lines(
        ["*ERROR at setup of LacksItsColumn*", "Corpus 'planted' has no label 'author'; it has: *"], consecutive=True
    )
    done.stdout.no_fnmatch_line("*pytest_plugin*")
    done.assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize("how", ["option", "file"])
def test_an_inconclusive_claim_fails_only_where_strictness_is_asked_for(suite, how):
    if how == "file":
        suite.write("modclaims.toml", SETTINGS + "strict = true\n")
    option = ["--claims-strict"] if how == "option" else []
    assert suite.ends("hypotheses", *option) == ENDS | {"FirstLayerTellsAHair": "FAILED"}


def test_reasons_of_inconclusive_claims_are_listed_like_those_of_skips(suite):
    reason = "hypotheses/card.py::FirstLayerTellsAHair - INCONCLUSIVE: About * texts would refute it*"
    suite.run("hypotheses", "-ra", "-k", "Hair").stdout.fnmatch_lines([reason])
    suite.run("hypotheses", "-k", "Hair").stdout.no_fnmatch_line(reason)


def test_junit_has_skips_with_their_reason_and_the_numbers_as_properties(suite):
    told = suite.told("hypotheses")
    assert {name: tag for name, (tag, _, _) in told.items()} == {
        "SecondLayerTells": "passed",
        "FirstLayerTells": "failure",
        "FirstLayerIsBlind": "passed",
        "FirstLayerTellsAHair": "skipped",
        "LacksItsColumn": "error",
    }
    assert told["FirstLayerTells"][1].startswith("Failed: REFUTED, supported was expected: delta ")
    assert told["FirstLayerTellsAHair"][1].startswith("INCONCLUSIVE: About ")
    assert "card.py:" in told["FirstLayerTellsAHair"][1]
    assert "Corpus 'planted' has no label 'author'" in told["LacksItsColumn"][1]
    numbers = told["SecondLayerTells"][2]
    assert numbers["outcome"] == "supported"
    assert float(numbers["effect_low"]) < float(numbers["effect"]) < float(numbers["effect_high"])
    assert float(numbers["p_plus_adjusted"]) <= 0.05
    assert (numbers["draws"], numbers["exact"], numbers["n_texts"]) == ("999", "False", "24")
    assert told["LacksItsColumn"][2] == {"outcome": "error", "expect": "supported"}


def test_a_shipped_claim_whose_column_the_corpus_lacks_is_skipped(suite, monkeypatch):
    monkeypatch.setattr("modclaims.runs.collect.shipped", suite.root.joinpath)
    assert suite.ends("hypotheses", "-rs") == ENDS | {"LacksItsColumn": "SKIPPED"}
    done = suite.run("hypotheses", "-rs", "-k", "LacksItsColumn")
    done.stdout.fnmatch_lines(
        ["0 as expected, *, 1 skipped*", "SKIPPED * hypotheses/card.py:*: Corpus 'planted' has no column 'author'*"]
    )
    assert done.ret == pytest.ExitCode.OK


# what is weighed together


def test_a_run_records_once_and_has_the_numbers_that_it_has_without_pytest(suite, reference):
    done = suite.run("hypotheses", "--claims-report", "out")
    assert suite.recorded == 1
    done.stdout.fnmatch_lines(["Report: out/report.html"])
    ours, theirs = suite.root / "out", reference
    assert {p.name for p in ours.iterdir()} == {p.name for p in theirs.iterdir()}
    for name in ("cells.csv", "nulls.npz", "junit.xml"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    mine, their = (json.loads((folder / "run.json").read_text(encoding="utf-8")) for folder in (ours, theirs))
    for body in (mine, their):
        del body["made"]
    assert mine.pop("command") == "pytest hypotheses/card.py"
    del their["command"]
    assert mine == their


SIX = (
    CARD.replace("class SecondLayerTells", "@pytest.mark.slow\nclass SecondLayerTells").replace(
        "from modclaims", "import pytest\nfrom modclaims", 1
    )
    + '\n\nclass LacksItToo(LacksItsColumn):\n    """Authors differ much."""\n'
)
OTHERS = [f"hypotheses/card.py::{name}" for name in (*list(ENDS)[1:], "LacksItToo")]
SELECTIONS = {
    "a word": ["hypotheses", "-k", "SecondLayerTells"],
    "an id": ["hypotheses/card.py::SecondLayerTells"],
    "a mark": ["hypotheses", "-m", "slow"],
    "others deselected": ["hypotheses", *(word for name in OTHERS for word in ("--deselect", name))],
    "workers": ["hypotheses", "-n2", "-k", "SecondLayerTells"],
}


@pytest.fixture(scope="module")
def weak(reference):
    """A planted effect that supports a claim weighed alone, and would not among six."""
    claims = collect_file(reference.parent / "hypotheses" / "card.py", reference.parent, "SecondLayerTells")
    settings = Settings(**from_files(reference.parent))
    for effect in np.arange(0.1, 0.8, 0.02):
        given = {"corpus": CORPUS, "recorder": Planted(float(effect)), "settings": settings, "cwd": reference.parent}
        if 0.012 <= execute(claims, **given, out=None).run.claims[0].summary["p_plus"] <= 0.03:
            return float(effect)
    raise AssertionError("no effect was weak enough")


@pytest.mark.parametrize("selection", SELECTIONS)
def test_no_selection_turns_an_open_claim_into_a_passing_one(suite, weak, selection):
    suite.effect = weak
    suite.write("hypotheses/card.py", SIX)
    suite.write("alone/hypotheses/card.py", ONE)
    told = [
        suite.told("alone"),
        suite.told(*SELECTIONS[selection]),  # nothing is known of the others
        suite.told("hypotheses"),
        suite.told(*SELECTIONS[selection]),  # which the log knows now
    ]
    assert [len(one) for one in told] == [1, 1, 6, 1]
    assert [one["SecondLayerTells"][0] for one in told] == ["passed", "skipped", "skipped", "skipped"]
    alone, unknown, every, known = (float(one["SecondLayerTells"][2]["p_plus_adjusted"]) for one in told)
    assert alone < 0.05 < every == known <= unknown


def test_what_earlier_runs_left_of_deselected_claims_is_said(suite):
    suite.run("hypotheses")
    done = suite.run("hypotheses", "-k", "SecondLayerTells")
    done.stdout.fnmatch_lines(
        ["1 as expected, *; holm over 5 claims, of which 1 was weighed and 3 taken from an earlier run"]
    )


def test_files_in_which_nothing_failed_count_though_pytest_does_not_open_them(suite):
    suite.write("hypotheses/fine.py", ONE)
    suite.run("hypotheses")
    done = suite.run("hypotheses", "--lf")
    done.stdout.fnmatch_lines(["*; holm over 6 claims, of which 1 was weighed and 4 taken from an earlier run"])
    for workers in ([], ["-n2"]):
        lost = suite.run("hypotheses", "--lf", "--claims-model", "blind", *workers)
        lost.stdout.fnmatch_lines(["*; holm over 6 claims, of which 1 was weighed"])


def test_neighbours_of_a_named_file_do_not_count(suite):
    suite.write("hypotheses/other.py", ONE)
    done = suite.run("hypotheses/card.py::SecondLayerTells", "-v")
    done.stdout.fnmatch_lines(["*; holm over 5 claims, of which 1 was weighed"])


def test_the_command_that_repeats_a_selection_has_the_same_claims_to_correct_over(suite, unrendered):
    suite.write("hypotheses/other.py", ONE)
    suite.write("hypotheses/third.py", ONE)
    suite.run("hypotheses", "-k", "card and SecondLayerTells or third", "--claims-report", "out")
    body = json.loads((suite.root / "out" / "run.json").read_text())
    assert body["tests"]["corrected_over"] == 7
    command = body["command"]
    assert command == (
        "pytest hypotheses/card.py::SecondLayerTells hypotheses/third.py hypotheses/other.py --deselect hypotheses/other.py"
    )
    suite.run(*command.split()[1:], "--claims-report", "again")
    again = json.loads((suite.root / "again" / "run.json").read_text())
    assert (again["hash"], again["command"]) == (body["hash"], command)


def test_marks_select_claims_and_claims_from_tests(suite):
    marked = (
        ONE.replace("class ", "@pytest.mark.slow\nclass ")
        + "\n\nclass Unmarked(SecondLayerTells):\n    pytestmark = []\n"
    )
    suite.write("hypotheses/card.py", f"import pytest\n\n{marked}")
    suite.write(
        "hypotheses/file.py", f"import pytest\n\npytestmark = pytest.mark.slow\n{ONE.replace('Second', 'Inner')}"
    )
    suite.write("test_ordinary.py", "def test_one(): pass\n")
    assert suite.ends("-m", "slow") == dict.fromkeys(["SecondLayerTells", "Unmarked", "InnerLayerTells"], "PASSED")
    assert suite.ends("-m", "not claim") == {"test_one": "PASSED"}
    assert suite.ends("-m", "claim and not slow") == {}


def test_only_the_claims_that_failed_are_weighed_again(suite):
    suite.run("hypotheses")
    assert suite.ends("hypotheses", "--lf") == {"FirstLayerTells": "FAILED", "LacksItsColumn": "ERROR"}
    assert suite.recorders[-1].calls == 1


def test_nothing_is_loaded_when_items_are_only_collected(suite):
    done = suite.run("--collect-only", "-q", "hypotheses", "--claims-corpus", "absent.jsonl")
    assert done.outlines[: len(ENDS)] == [f"hypotheses/card.py::{name}" for name in ENDS]
    assert done.ret == pytest.ExitCode.OK
    assert suite.recorders == []


def test_no_order_of_items_shows_in_the_run(suite, unrendered):
    suite.write("conftest.py", "def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    assert suite.ends("hypotheses", "--claims-report", "out") == ENDS
    assert [c["id"].split("::")[1] for c in claims_in(suite.root / "out")] == list(ENDS)


def test_with_several_models_there_is_one_item_a_claim_and_model(suite, unrendered):
    models = ["--claims-model", "blind", "--claims-model", "./seeing"]
    ends = suite.ends("hypotheses", *models, "--claims-report", "out", "-k", "Second or IsBlind")
    assert ends == {
        "SecondLayerTells[blind]": "INCONCLUSIVE",  # refuted alone, and not among the claims that were not selected
        "SecondLayerTells[./seeing]": "PASSED",
        "FirstLayerIsBlind[blind]": "PASSED",
        "FirstLayerIsBlind[./seeing]": "PASSED",
    }
    assert [recorder.calls for recorder in suite.recorders] == [1, 1]
    for folder in ("blind", "seeing"):
        assert [c["id"].split("::")[1] for c in claims_in(suite.root / "out" / folder)] == [
            "SecondLayerTells",
            "FirstLayerIsBlind",
        ]


@pytest.mark.parametrize("here", [".", "hypotheses"])
def test_models_beside_come_from_options_or_from_the_settings_file(suite, monkeypatch, unrendered, here):
    asked = []

    def load(settings):
        asked.append(settings.beside)
        return suite.load(settings)

    monkeypatch.setattr(weighing, "load", load)
    monkeypatch.chdir(suite.root / here)
    suite.write("models/second/config.json", "{}")
    suite.write("modclaims.toml", SETTINGS + 'beside = ["models/second", "some/other"]\n')
    card = "card.py" if here == "hypotheses" else "hypotheses/card.py"
    suite.run(f"{card}::SecondLayerTells")
    suite.run(f"{card}::SecondLayerTells", "--claims-beside", "a", "--claims-beside", "b", "--claims-report", "out")
    back = "" if here == "." else "../"
    assert asked == [(f"{back}models/second", "some/other"), ("a", "b")]
    command = json.loads((suite.root / here / "out" / "run.json").read_text())["command"]
    assert command.endswith("--claims-beside a --claims-beside b")


def test_a_claim_about_scale_is_skipped_where_one_model_is_read(suite):
    suite.write(
        "hypotheses/scale.py",
        'from modclaims import ModelsDiffer\n\n\nclass Larger(ModelsDiffer):\n    """The larger one parts styles."""\n',
    )
    tag, why, _ = suite.told("hypotheses/scale.py")["Larger"]
    assert tag == "skipped"
    assert "give others with --beside MODEL" in why


def test_no_filter_of_warnings_changes_a_verdict(suite):
    noisy = "import warnings\nwarnings.warn('old', DeprecationWarning)\nwarnings.warn('odd', UserWarning)\n"
    suite.write("hypotheses/noisy.py", noisy + ONE)
    assert suite.ends("hypotheses/noisy.py") == {"SecondLayerTells": "PASSED"}


# with xdist


def test_workers_find_what_the_controller_recorded_and_weighed_once(suite):
    alone = suite.told("hypotheses")
    before = suite.recorded
    together = suite.told("hypotheses", "-n2")
    assert {name: (tag, numbers) for name, (tag, _, numbers) in together.items()} == {
        name: (tag, numbers) for name, (tag, _, numbers) in alone.items()
    }
    assert suite.recorded == before + 1


def test_with_workers_ends_have_their_words_and_all_that_was_collected_is_corrected_together(suite):
    suite.write("modclaims.toml", SETTINGS + "workers = 1\n")
    suite.write("test_ordinary.py", "def test_one(): pass\n")
    done = suite.run("-n2", "-v", "-k", "not LacksItsColumn and not IsBlind", "--claims-strict")
    done.stdout.fnmatch_lines_random(
        [
            "*PASSED test_ordinary.py::test_one*",
            "*PASSED hypotheses/card.py::SecondLayerTells*",
            "*FAILED hypotheses/card.py::FirstLayerTellsAHair*",
            "1 as expected, 1 against expectation, 1 inconclusive, 0 error; holm over 5 claims, of which 3 were weighed",
        ]
    )
    assert suite.recorded == 1


def test_with_workers_bad_input_ends_in_one_sentence_too(suite):
    done = suite.run("-n2", "hypotheses", "--claims-model", "absent")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in done.errlines if line] == ["ERROR: There is no model 'absent'; give a folder."]


# which files are taken


def test_two_folders_may_each_hold_a_card(suite):
    for folder in ("a", "b"):
        suite.write(f"{folder}/hypotheses/card.py", ONE)
        suite.write(f"{folder}/hypotheses/deeper/card.py", ONE)
    done = suite.run("a", "b", "-v", "-o", "python_files=*.py")
    done.assert_outcomes(passed=4)
    assert suite.recorded == 1


def test_a_file_elsewhere_is_taken_when_it_is_named_and_only_then(suite):
    suite.write("elsewhere/claims.py", ONE)
    suite.run("elsewhere").assert_outcomes()
    suite.run("elsewhere/claims.py").assert_outcomes(passed=1)
    suite.run("elsewhere/claims.py::SecondLayerTells").assert_outcomes(passed=1)


def test_a_project_folder_called_hypotheses_is_not_full_of_claims(suite):
    suite.write("hypotheses/pytest.ini", "[pytest]\nmarkers = slow\n")
    suite.run(
        "--rootdir", suite.root / "hypotheses", "-c", suite.root / "hypotheses/pytest.ini", "hypotheses"
    ).assert_outcomes()


def test_files_without_claims_and_private_ones_give_no_items(suite):
    suite.write("hypotheses/_draft.py", ONE)
    suite.write("hypotheses/conftest.py", "import modclaims\n")
    suite.write("hypotheses/common.py", "from modclaims import CategoryClustering\n")
    suite.write("hypotheses/unrelated.py", "raise SystemExit('never imported')\n")
    assert suite.ends("hypotheses") == ENDS


ORDINARY = "import modclaims\n\ndef test_one():\n    assert modclaims.__name__ == 'modclaims'\n"


@pytest.mark.parametrize("name", ["test_beside.py", "hypotheses/test_inside.py", "beside_test.py", "checks.py"])
def test_an_ordinary_test_file_is_left_alone(suite, name):
    suite.write(name, ORDINARY)
    assert suite.ends(name) == {"test_one": "PASSED"}
    assert suite.recorders == []


def test_tests_and_claims_run_side_by_side(suite):
    suite.write("test_ordinary.py", ORDINARY)
    suite.write("hypotheses/test_ordinary_too.py", ORDINARY)
    assert suite.ends() == ENDS | {"test_one": "PASSED"}


def test_doctests_are_not_looked_for_in_claim_files(suite):
    for folder in ("a", "b"):
        suite.write(f"{folder}/hypotheses/card.py", f'"""\n>>> 1 + 1\n3\n"""\n\n{ONE}')
    suite.run("--doctest-modules", "a", "b").assert_outcomes(passed=2)


# what is wrong


def test_a_file_that_cannot_be_loaded_is_one_item_and_its_neighbours_are_weighed(suite):
    suite.write("hypotheses/broken.py", "import modclaims\nclass Oops(:\n")
    done = suite.run("hypotheses", "-k", "broken or Second")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(
        ["*ERROR at setup of broken.py*", "broken.py, line 2: SyntaxError: invalid syntax*"], consecutive=True
    )


def test_a_claim_named_in_a_file_that_cannot_be_loaded_is_an_error_and_not_missing(suite):
    suite.write("hypotheses/broken.py", "import modclaims\nclass Oops(:\n")
    assert suite.ends("hypotheses/broken.py::Oops") == {"Oops": "ERROR"}


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--claims-model", "seeing", "--claims-model", "absent"], "There is no model 'absent'; give a folder."),
        (["--claims-report", "pytest.ini"], "*pytest.ini is a file; give --claims-report a folder."),
        (["--claims-report", "hypotheses"], "*hypotheses is not empty and holds no run of modclaims*"),
    ],
)
def test_bad_input_ends_in_one_sentence_before_anything_is_recorded(suite, option, sentence):
    done = suite.run("hypotheses", *option)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: {sentence}"])
    assert len([line for line in done.errlines if line]) == 1
    assert suite.recorded == 0


def test_a_wrong_setting_is_one_sentence(suite):
    suite.write("modclaims.toml", "alhpa = 0.05\n")
    done = suite.run("hypotheses")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: modclaims.toml sets 'alhpa', which is no setting*"])


def test_corpus_and_model_are_looked_for_as_modclaims_run_does(suite, monkeypatch):
    monkeypatch.setattr(weighing, "load", LOAD)
    suite.write("texts.csv", "text,style\n" + "".join(f"word{i} other{i},{'ab'[i % 2]}\n" for i in range(8)))
    for corpus, sentence in (("absent.jsonl", "*absent.jsonl*"), ("texts.csv", "*absent-model*")):
        done = suite.run("hypotheses", "--claims-corpus", corpus, "--claims-model", "./absent-model")
        assert done.ret == pytest.ExitCode.USAGE_ERROR
        done.stderr.fnmatch_lines([f"ERROR: {sentence}"])


def test_a_path_in_a_settings_file_starts_at_that_file(suite, monkeypatch):
    monkeypatch.setattr(weighing, "load", LOAD)
    monkeypatch.chdir(suite.root / "hypotheses")
    suite.write("texts.jsonl", "not json\n")
    suite.write("modclaims.toml", SETTINGS + 'corpus = "texts.jsonl"\n')
    done = suite.run("card.py")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: Line 1 of '../texts.jsonl' is no JSON*"])


def test_the_help_warns_of_rerunning_until_a_claim_passes(suite):
    suite.run("--help").stdout.fnmatch_lines(
        ["modularity claims *rerunning until a claim passes is p-hacking:", "*--claims-model=MODEL*"]
    )


def test_where_modclaims_is_installed_pytest_finds_it(pytester):
    pytester.runpytest("--help").stdout.fnmatch_lines(["*--claims-model=MODEL*"])
