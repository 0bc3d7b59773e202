"""Claims as users write them: whatever one declares or does is its own ERROR, said plainly, and its neighbours go on."""

import hashlib
import json
import os
import re

import pytest
from planted import PlantedRecorder, planted_corpus
from terminal import call

import modclaims
from modclaims import CategoryClustering, Hypothesis
from modclaims.declarations import refuse_undeclared
from modclaims.errors import ClaimError, ModelError
from modclaims.pytest_plugin import weighing
from modclaims.recording import Activations
from modclaims.report import render
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings
from modclaims.shipped import shipped

HEAD = '''import sys
import numpy as np
from modclaims import CategoryClustering, Hypothesis, TightPass, along_depth, at, everywhere, in_fraction, somewhere
from modclaims.errors import ClaimError
from modclaims.measured import Words
from modclaims.recording import Activations, Positions
from modclaims.stats.evidence import Exhibit
from dataclasses import dataclass, replace


class _Base(CategoryClustering):
    label, within, untrained = "style", "topic", 0


class Good(_Base):
    """Same-style texts point the same way."""
'''
DEEP = "value = ()\n    for _ in range(9): value = (value,)\n    layers, _ = value, 0\n    del value"
DECLARED = {
    "a misspelt constant": ("smalest_effect = 0.5", r"smalest_effect .*did you mean smallest_effect\?"),
    "a constant without its s": ("hold = somewhere()", r"hold .*did you mean holds\?"),
    "letters swapped": ("lable = 'topic'", r"lable .*did you mean label\?"),
    "capitals": ("SITE = 'mlp_out'", r"SITE .*did you mean site\?"),
    "a constant of another family": ("sequences = 24", r"sequences .*is no constant of CategoryClustering.*Constants of"),
    "a misspelt method": ("def colums(self): return ()", r"colums .*overrides no method.*did you mean columns\?"),
    "a helper without underscore": ("def helper(self): return 1", r"helper .*begins with an underscore"),
    "a property of one's own": ("@property\n    def half(self): return 1", r"half .*overrides no method"),
    "a class inside": ("class Config: pass", r"Config .*overrides no method"),
    "an annotation for a value": ("smallest_effect: 0.5", r"smallest_effect: 0\.5 .*sets nothing; write smallest_effect ="),
    "an unknown annotation": ("smalest: float", r"smalest .*is no constant"),
    "an annotated misspelling": ("smalest_effect: float = 0.5", r"did you mean smallest_effect\?"),
    "a constant in place of a method": ("check = 3", r"check = 3 .*is a method"),
    "a method in place of a constant": ("def layers(self): return (0,)", r"layers .*the function layers, and must be a tuple"),
    "a property in place of a constant": ("@property\n    def expect(self): sys.exit(0)", r"expect .*property, and must be text"),
    "what belongs to the family": ("largest_effect = 9.0", r"largest_effect = 9\.0 .*belongs to the family"),
    "a function for a text": ("expect = len", r"expect .*the function len, and must be text"),
    "bytes": ("expect = b'x'", r"expect = b'x' .*cannot be declared"),
    "an unknown expectation": ("expect = 'yes'", r"expect = 'yes' is unknown; choose one of"),
    "brackets left out": ("holds = somewhere", r"lacks its brackets: write holds = somewhere\(\)"),
    "brackets left out of at": ("holds = at", r"lacks its brackets: write holds = at\(\.\.\.\)"),
    "a quantifier's class": ("holds = type(somewhere())", r"holds .*must be a quantifier"),
    "a text for a quantifier": ("holds = 'somewhere'", r"holds = 'somewhere' .*must be a quantifier such as"),
    "a number in quotes": ("smallest_effect = '0.2'", r"smallest_effect = '0\.2' .*must be a number"),
    "not a number": ("smallest_effect = float('nan')", r"is not a number"),
    "infinity": ("smallest_effect = float('inf')", r"smallest_effect = inf must be at least 0 and below 1"),
    "True for a number": ("smallest_effect = True", r"must be a number"),
    "None for a number": ("smallest_effect = None", r"smallest_effect = None .*must be a number"),
    "one layer": ("layers = 1", r"must be a tuple of whole numbers or None; write \(1,\)"),
    "a layer in letters": ("layers = ['one']", r"layers = \('one',\) .*must be a tuple of whole numbers"),
    "half a layer": ("layers = (0.5,)", r"must be a tuple of whole numbers"),
    "a set of layers": ("layers = {0, 1}", r"cannot be declared"),
    "a word for a layer": ("holds = at('last')", r"its layers must be a tuple of whole numbers"),
    "no layer at all": ("holds = at()", r"at\(\) names no layer; write at\(0\)"),
    "a fraction in per cent": ("holds = in_fraction(50)", r"in_fraction\(50\) is outside \(0, 1\]"),
    "a direction of one's own": ("holds = along_depth('up')", r"its direction must be one of 'rises', 'falls', and not 'up'"),
    "a list inside itself": ("layers = []; layers.append(layers)", r"layers = .*lies more than 8 collections deep"),
    "tuples without end": (DEEP, r"layers = .*lies more than 8 collections deep"),
    "a number too large": ("untrained = 10 ** 400", r"too large a number"),
    "half a character": ("similarity = 'x\\udc80'", r"lone surrogate"),
    "a control character": ("similarity = 'x\\x00'", r"control character"),
    "half a character inside": ("layers = ('\\ud800',)", r"lone surrogate"),
    "an object": ("similarity = object()", r"of a kind \(object\) that cannot be declared"),
    "an array of objects": ("layers = np.array([object()])", r"cannot be declared"),
    "an object that has no words": ("similarity = type('X', (), {'__repr__': lambda s: 1 / 0})()", r"a X .*cannot be declared"),
    "an object set in __init__": ("def __init__(self): self.smallest_effect = 0.5", r"sets self\.smallest_effect = 0\.5"),
    "its own sentence": ("@classmethod\n    def sentence(cls): return 'x'", r"defines sentence"),
    "its own digest": ("@classmethod\n    def digest(cls): sys.exit(0)", r"defines digest"),
    "its own attributes": ("def __getattribute__(self, name): sys.exit(0)", r"defines __getattribute__"),
    "sys.exit when made": ("def __init__(self): sys.exit(0)", r"claims\.py, line \d+: SystemExit: 0"),
    "a break when made": ("def __init__(self): raise ValueError('no\\udc80')", r"claims\.py, line \d+: ValueError: no\\udc80"),
    "no label": ("label = None", r"label = None .*must be text"),
    "columns without brackets": ("def columns(self): return None", r"columns\(\) \(claims\.py, line \d+\) gives None; it must give"),
    "columns of numbers": ("def columns(self): return (1,)", r"columns\(\).*gives \(1,\)"),
    "models in words": ("def models(self): return 'two'", r"models\(\).*gives 'two'; it must give a whole number"),
    "sys.exit in validate": ("def validate(self): sys.exit(0)", r"claims\.py, line \d+, in validate: SystemExit: 0"),
    "pytest.skip in validate": ("def validate(self):\n        import pytest; pytest.skip('no')", r"in validate: Skipped"),
    "its own weighing": ("def weigh(self, r, w): return super().weigh(r, w)", r"weigh \(claims\.py, line \d+\) is modclaims' own.*its measure\(self, look\)"),
    "a constant for the weighing": ("weigh = 3", r"weigh \(claims\.py, line \d+\) is modclaims' own"),
    "a family's own weighing": ("def measure(self, look): return super().measure(look)\n\n    def weigh(self, r, w): return None", r"weigh .*is modclaims' own"),
    "set in validate": ("def validate(self): self.holds = everywhere()", r"sets self\.holds"),
}  # fmt: skip
"""Body of a claim's class, and what is said of it: known without corpus and network, so in `list` as well."""
WEIGHED = {
    "check raises": ("def check(self, corpus): return 1 / 0", r"claims\.py, line \d+, in check: ZeroDivisionError"),
    "check exits": ("def check(self, corpus): sys.exit()", r"in check: SystemExit"),
    "no requests": ("def requests(self, shape): pass", r"requests\(\).*gives None; it must give a tuple of requests"),
    "a text as requests": ("def requests(self, shape): return 'attn_out'", r"requests\(\).*gives 'attn_out'"),
    "numbers as requests": ("def requests(self, shape): return [1, 2]", r"requests\(\).*gives among others 1"),
    "a generator of requests": ("def requests(self, shape): yield Activations('attn_out')", r"gives a generator"),
    "a request of one's own": ("def requests(self, shape):\n        class Mine(Activations): pass\n        return (Mine('embed'),)", r"among others"),
    "a request with a list": ("def requests(self, shape): return (Activations('attn_out', [0]),)", r"unhashable"),
    "a request with a text": ("def requests(self, shape): return (Activations('attn_out', ('0',)),)", r"request Activations"),
    "a request at no layer": ("def requests(self, shape): return (Activations('attn_out', (99,)),)", r"Layer 99"),
    "positions beyond": ("def requests(self, shape): return (Activations('attn_out', positions=Positions('900')),)", r"beyond the 512"),
    "positions as text": ("def requests(self, shape): return (Activations('attn_out', positions='last'),)", r"'str'"),
    "further raises": ("def further(self, r, w): return [][1]", r"in further: IndexError"),
    "further exits": ("def further(self, r, w): sys.exit(0)", r"in further: SystemExit: 0.*would end the run"),
    "further gives None": ("def further(self, r, w): return None", r"further\(\).*gives None"),
    "further gives a generator": ("def further(self, r, w): yield 1", r"further\(\).*gives a generator"),
    "further gives numbers": ("def further(self, r, w): return [1]", r"further\(\).*gives among others 1"),
    "further at no layer": ("def further(self, r, w): return (Activations('mlp_out', (99,)),)", r"Layer 99"),
    "measure exits": ("def measure(self, look): sys.exit(0)", r"claims\.py, line \d+, in measure: SystemExit: 0"),
    "measure gives None": ("def measure(self, look): pass", r"measure\(\) \(claims\.py, line \d+\) gives None; it must give a Measured"),
    "measure without end": ("def measure(self, look): return self.measure(look)", r"in measure: RecursionError"),
    "an error without words": ("def measure(self, look):\n        class Mute(Exception):\n            def __str__(self): return 1 / 0\n        raise Mute", r"in measure: Mute: \(its text cannot be had\)"),
    "an error of half a character": ("def measure(self, look): raise ValueError('\\ud800')", r"in measure: ValueError: \\ud800"),
    "a claim's error of half a character": ("def measure(self, look): raise ClaimError('\\ud800')", r"\\ud800"),
    "an error that nobody can load": ("def measure(self, look):\n        class Local(Exception): pass\n        raise Local('x')", r"Local: x"),
    "sets constants while it weighs": ("def measure(self, look):\n        self.smallest_effect = 0.0\n        return super().measure(look)", r"sets self\.smallest_effect = 0\.0"),
    "sets its class while it weighs": ("def measure(self, look):\n        _Base.smallest_effect, _Base.within = 0.9, None\n        return super().measure(look)", r"sets _Base\.smallest_effect, _Base\.within in a method"),
    "no bounds": ("def measure(self, look): return replace(super().measure(look), bounds=None)", r"weigh\(\) of Claim\d+ failed"),
    "words of a kind that cannot be written": ("def words(self, look, measured, named): return Words(note=object())", r"writing the evidence"),
    "words with half a character": ("def words(self, look, measured, named): return Words(note='\\ud800')", r"surrogates not allowed"),
    "numbers for words": ("def words(self, look, measured, named): return Words(detail=3)", r"gives 3 for detail, which is a text"),
    "a text for words": ("def words(self, look, measured, named): return 'few'", r"words\(\) \(claims\.py, line \d+\) gives 'few'; it must give Words"),
    "a figure without a kind": ("def exhibits(self, look, measured, named, rivals): return (Exhibit(None, '', '', {}),)", r"gives None for kind of a figure"),
    "a figure of objects": ("def exhibits(self, look, measured, named, rivals): return (Exhibit('x', 'y', '', {'a': np.array([{}])}),)", r"Figure 'y' has an array 'a' of objects"),
    "a number for figures": ("def exhibits(self, look, measured, named, rivals): return 3", r"exhibits\(\) \(claims\.py, line \d+\) gives 3; it must give a tuple of Exhibits"),
    "no rivals": ("def rivals(self, look, measured, named): pass", r"rivals\(\) \(claims\.py, line \d+\) gives None; it must give a tuple of RivalResults"),
    "levels beyond 1": ("def measure(self, look):\n        e = super().measure(look)\n        return replace(e, test=replace(e.test, p_adjusted=e.test.p_adjusted + np.nan))", r"lies between 0 and 1"),
}  # fmt: skip
"""The same of what shows once there are a corpus and a network."""
FINE = {
    "a list": "layers = [0, 1]",
    "an array": "layers = np.arange(2)",
    "a range": "layers = range(2)",
    "numpy's number": "smallest_effect = np.float32(0.25)",
    "a helper with an underscore": "_half = 0.5\n\n    def _helper(self): return self._half",
    "an overridden method": "def check(self, corpus): super().check(corpus)",
    "an annotated constant": "smallest_effect: float = 0.25",
    "marks": "pytestmark = []",
    "a figure of an unknown kind": "def exhibits(self, look, measured, named, rivals): return (Exhibit('x', 'y', '', {'a': np.zeros(2)}),)",
    "a cache": "def check(self, corpus): self._cache = {}",
}  # fmt: skip
"""What a claim may well do."""


def body(bodies):
    """A file of claims, one a body, in front of them and behind them one that is as it should be."""
    classes = [f"class Claim{i}(_Base):\n    'A claim.'\n\n    {text}\n" for i, text in enumerate(bodies)]
    return "\n\n".join([HEAD, *classes, "class Last(Good):\n    'The last one.'\n"])


def write(folder, bodies):
    (folder / "claims.py").write_text(body(bodies))
    return collect(["claims.py"], folder)


def weighed(claims, folder, recorder=None, render=None, unselected=(), **settings):
    finished = execute(
        claims,
        corpus=planted_corpus(),
        recorder=recorder or PlantedRecorder(),
        settings=Settings(**({"permutations": 99, "resamples": 199} | settings)),
        cwd=folder,
        out=folder / "out",
        render=render,
        unselected=unselected,
    )
    written = json.loads((folder / "out" / "run.json").read_text("utf-8"))["claims"]
    return {claim["id"].split("::")[1]: claim for claim in written}, finished


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_claim_declares_or_does_is_its_own_error_and_its_neighbours_go_on(tmp_path, workers):
    attacks = list((DECLARED | WEIGHED).items())
    claims = write(tmp_path, [text for _, (text, _) in attacks])
    found, _ = weighed(claims, tmp_path, workers=workers)
    fine = [c for c in claims if c.name in ("Good", "Last")]
    others = [
        c for c in claims if c.name not in ("Good", "Last")
    ]  # as many are corrected together, so as many are drawn
    alone, _ = weighed(fine, tmp_path / "alone", unselected=others)
    wrong = []
    for i, (name, (_, said)) in enumerate(attacks):
        one = found[f"Claim{i}"]
        if one["outcome"] != "error" or not re.search(said, one["message"]):
            wrong.append((name, one["outcome"], one["message"]))
    assert not wrong
    for name in ("Good", "Last"):
        assert found[name]["outcome"] != "error"
        assert [found[name][key] for key in ("effect", "p", "p_plus")] == [
            alone[name][key] for key in ("effect", "p", "p_plus")
        ]


def test_list_says_what_is_wrong_before_anything_is_run(corner, monkeypatch, capsys):
    write(corner, [text for text, _ in DECLARED.values()])
    code, out, _ = call(monkeypatch, capsys, "list", "claims.py", "--json")
    assert code == 3
    rows = {row["id"].split("::")[1]: row for row in json.loads(out)}
    wrong = [
        (name, rows[f"Claim{i}"]["fault"])
        for i, (name, (_, said)) in enumerate(DECLARED.items())
        if not re.search(said, rows[f"Claim{i}"]["fault"])
    ]
    assert not wrong
    assert not rows["Good"]["fault"]
    code, out, _ = call(monkeypatch, capsys, "list", "claims.py")
    assert code == 3
    assert out.count("    ERROR  ") == len(DECLARED)
    assert "Traceback" not in out


def test_what_a_claim_may_well_do_is_weighed(tmp_path):
    claims = write(tmp_path, list(FINE.values()))
    found, _ = weighed(claims, tmp_path, render=render)
    assert [(name, one["message"]) for name, one in found.items() if one["outcome"] == "error"] == []


def test_lists_and_arrays_are_declared_as_the_tuples_that_they_become(tmp_path):
    claims = {c.name: c.claim for c in write(tmp_path, [FINE[k] for k in ("a list", "an array", "a range")])}
    tuples = type("Claim0", (type(claims["Good"]),), {"__doc__": "A claim.", "layers": (0, 1)})
    for name in ("Claim0", "Claim1", "Claim2"):
        assert claims[name].layers == (0, 1)
        assert claims[name].declared()["layers"] == [0, 1]
    assert claims["Claim0"].digest() == tuples.digest()


def test_a_constant_by_the_name_that_it_had_before_is_taken_by_its_new_one_with_a_warning():
    with pytest.warns(DeprecationWarning, match="Older sets twins, which is now called untrained") as warned:

        class Older(CategoryClustering):
            """A claim."""

            twins = 0

    assert warned[0].filename == __file__
    newer = type("Older", (CategoryClustering,), {"__doc__": "A claim.", "untrained": 0})
    assert Older.untrained == 0
    assert Older.digest() == newer.digest()
    refuse_undeclared(Older)
    with pytest.raises(ClaimError, match=r"twins .*is no constant of TightPass"):
        refuse_undeclared(type("None", (modclaims.TightPass,), {"twins": 0}))


def test_a_mixin_of_constants_is_no_way_round(tmp_path):
    (tmp_path / "claims.py").write_text(
        HEAD
        + "\n\nclass _Mixin:\n    layers = [0]\n    smalest_effect = 0.5\n\n\nclass Mixed(_Mixin, _Base):\n    'A claim.'\n"
    )
    found, _ = weighed(collect(["claims.py"], tmp_path), tmp_path)
    assert "smalest_effect (claims.py, line" in found["Mixed"]["message"]


def test_of_two_claims_by_one_name_neither_is_weighed_in_silence(tmp_path):
    (tmp_path / "claims.py").write_text(HEAD + "\n\nclass Good(_Base):\n    'Another one.'\n")
    (found,) = collect(["claims.py"], tmp_path)
    assert re.search(r"states Good in lines \d+ and \d+", found.fault)


def test_a_file_whose_name_is_not_utf8_is_run_and_written(tmp_path):
    name = os.fsdecode(b"claims\xff.py")
    (tmp_path / name).write_text(HEAD)
    found, _ = weighed(collect([name], tmp_path), tmp_path)
    assert found["Good"]["id"] == "claims\\udcff.py::Good"
    assert found["Good"]["outcome"] != "error"


# ── the recorder ──


class Picky(PlantedRecorder):
    """A recorder that fails at one site, with an error of a kind."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def record(self, corpus, requests, **options):
        if any(request.site == "mlp_out" for request in requests):
            raise self.fault
        return super().record(corpus, requests, **options)


@pytest.mark.parametrize("fault", [ModelError("not finite"), ClaimError("no such thing"), RuntimeError("burst")])
def test_a_request_that_fails_in_the_recorder_is_the_error_of_the_claims_that_asked(tmp_path, fault):
    again = "def further(self, r, w): return (Activations('mlp_out'),)"
    claims = write(tmp_path, ["site = 'mlp_out'", again])
    found, _ = weighed(claims, tmp_path, Picky(fault))
    assert {name: one["outcome"] for name, one in found.items() if one["outcome"] == "error"} == {
        "Claim0": "error",
        "Claim1": "error",
    }
    assert str(fault) in found["Claim0"]["message"]
    assert str(fault) in found["Claim1"]["message"]


def test_a_network_that_can_answer_nothing_still_ends_the_run(tmp_path):
    claims = [c for c in write(tmp_path, ["site = 'mlp_out'"] * 2) if c.name.startswith("Claim")]
    with pytest.raises(ModelError, match="not finite"):
        weighed(claims, tmp_path, Picky(ModelError("not finite")))


def test_an_interruption_in_a_method_interrupts(tmp_path):
    claims = write(tmp_path, ["def measure(self, look): raise KeyboardInterrupt"])
    with pytest.raises(KeyboardInterrupt):
        weighed(claims, tmp_path)


def test_a_claim_that_ends_its_process_is_its_own_error_among_workers(tmp_path):
    claims = write(tmp_path, ["def measure(self, look):\n        import os; os._exit(0)"])
    found, _ = weighed(claims, tmp_path, workers=2)
    assert "ended without an answer" in found["Claim0"]["message"]
    assert [name for name, one in found.items() if one["outcome"] == "error"] == ["Claim0"]


def test_a_file_that_changes_while_workers_weigh_it_is_not_weighed_as_another_claim(tmp_path):
    claims = write(tmp_path, ["layers = (0,)"])
    text = (tmp_path / "claims.py").read_text()
    (tmp_path / "claims.py").write_text(text.replace("layers = (0,)", "layers = (1,)"))
    found, _ = weighed(claims, tmp_path, workers=2)
    assert "changed while the claims were weighed" in found["Claim0"]["message"]
    assert found["Good"]["outcome"] != "error"


# ── the doors ──

AT_THE_DOOR = {
    "layers = [0, 1]": "",
    "def measure(self, look): sys.exit(0)": "SystemExit: 0",
    "def requests(self, shape): return (Activations('attn_out', positions=Positions('900')),)": "beyond the 64 tokens",
    "smalest_effect = 0.5": "did you mean smallest_effect?",
}
TIGHT = "\n\nclass Tight(TightPass):\n    'A block is tight.'\n\n    tokens = 100000\n    ends_at = 99999\n"
FEW = ("--tokens", "64", "--positions", "63", "--permutations", "99", "--resamples", "199")


def test_the_command_line_weighs_what_can_be_weighed(corner, monkeypatch, capsys):
    (corner / "claims.py").write_text(body(AT_THE_DOOR) + TIGHT)
    code, out, err = call(monkeypatch, capsys, "run", "claims.py", "--out", "here", *FEW)
    assert code == 3, err
    found = {c["id"].split("::")[1]: c for c in json.loads((corner / "here" / "run.json").read_text("utf-8"))["claims"]}
    assert "too short for a Jacobian at 100000 tokens" in found["Tight"]["message"]
    assert "lower tokens = ... or ends_at = ... of the claim" in found["Tight"]["message"]
    for i, said in enumerate(AT_THE_DOOR.values()):
        assert said in found[f"Claim{i}"]["message"]
        assert (found[f"Claim{i}"]["outcome"] == "error") == bool(said)
    assert found["Good"]["effect"] == found["Last"]["effect"]
    code, out, err = call(monkeypatch, capsys, "plan", "claims.py", "--json", *FEW[:4])
    assert code in (3, 4), err
    planned = {c["id"].split("::")[1]: c for c in json.loads(out)["claims"]}
    assert {name for name, c in planned.items() if c["outcome"] == "error"} == {"Claim2", "Claim3", "Tight"}
    assert "100000" in planned["Tight"]["message"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """All modules that a run takes, for pytester forgets those that it did not find, and some cannot be loaded twice."""
    folder = tmp_path_factory.mktemp("loaded")
    weighed(write(folder, []), folder, render=render)


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_in_pytest_such_a_claim_is_an_error_and_what_has_nothing_to_do_with_it_runs(
    loaded, pytester, monkeypatch, workers
):
    attacks = dict(list((DECLARED | WEIGHED).items())[::4])
    (pytester.path / "hypotheses").mkdir()
    bodies = [text for text, _ in attacks.values()]
    (pytester.path / "hypotheses" / "claims.py").write_text(body([*bodies, "pytestmark = 3", "layers = [0, 1]"]))
    (pytester.path / "test_else.py").write_text("def test_something_else():\n    assert True\n")
    (pytester.path / "modclaims.toml").write_text("permutations = 99\nresamples = 199\n")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(weighing, "load", lambda settings: (planted_corpus(), PlantedRecorder()))
    plugins = ("-p", "xdist", "-p", "modclaims.pytest_plugin", "-p", "no:cacheprovider")
    known = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # by these tests
    result = pytester.runpytest_inprocess(*plugins, "-W", known, *workers)
    found = result.parseoutcomes()
    assert found["errors"] == len(attacks) + 1
    assert sum(found.values()) == len(attacks) + 1 + 4  # two neighbours, a list of layers, and the other test
    out = result.stdout.str()
    assert "INTERNALERROR" not in out
    assert "did you mean smallest_effect?" in out
    assert "pytestmark holds a value of type int" in out


# ── what a claim's own code adds to its digest ──

METHOD = '''from modclaims import CategoryClustering

FACTOR = {factor}


def helper(x):
    return x * FACTOR


class Claim(CategoryClustering):
    """A claim."""

    _own = {own}

    def check(self, corpus):
        {comment}
        {body}
'''
PLAIN = {"factor": "2", "own": "1", "comment": "# one", "body": "return helper(self._own)"}


def digest(folder, **changed):
    """Of one file, loaded anew."""
    where = folder / f"{len(list(folder.iterdir()))}"
    where.mkdir()
    (where / "claims.py").write_text(METHOD.format(**(PLAIN | changed)))
    ((claim,),) = ([c.claim for c in collect([str(where / "claims.py")], folder)],)
    return claim.digest()


@pytest.mark.parametrize(
    "changed",
    [{"body": "return helper(self._own + 1)"}, {"factor": "3"}, {"own": "2"}, {"body": "return None"}],
    ids=["the body", "what a function of the file refers to", "a constant of its own", "all"],
)
def test_a_change_of_what_a_method_does_changes_the_digest(tmp_path, changed):
    assert digest(tmp_path, **changed) != digest(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"comment": "# another"},
        {"comment": '"""What it does."""'},
        {"comment": "\n"},
        {"body": "return helper( self._own )  # told"},
        {"body": "return (helper(\n            self._own,\n        ))"},
    ],
    ids=["comment", "docstring", "empty lines", "spaces", "lines"],
)
def test_layout_and_comments_do_not_change_the_digest(tmp_path, changed):
    plain = digest(tmp_path)
    assert digest(tmp_path, **changed) == plain


def test_without_methods_a_digest_is_of_name_family_sentence_and_constants():
    class Claim(CategoryClustering):
        """A claim."""

        _hidden = 3

    told = ["Claim", "CategoryClustering", "A claim.", Claim.declared()]
    assert Claim.digest() == hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def test_code_without_source_is_told_apart_by_what_was_compiled():
    def made(body):
        names = {"CategoryClustering": CategoryClustering, "__name__": "nowhere"}
        exec(f"class Claim(CategoryClustering):\n    'A claim.'\n    def check(self, corpus): {body}", names)
        return names["Claim"].digest()

    assert made("return 1") == made("return 1")
    assert made("return 1") != made("return 2")


# ── families of one's own ──


class Family(Hypothesis):
    """A family of a user's own."""

    strength: float
    wording: str = "few"

    def requests(self, shape):
        return (Activations("attn_out"),)

    def measure(self, look):
        raise ClaimError("never weighed here")


def test_a_family_of_ones_own_declares_constants_and_its_claims_are_held_to_them():
    strong = type("Strong", (Family,), {"strength": 1.0, "wording": "many"})
    refuse_undeclared(strong)
    assert strong.family() == "Family"
    assert strong.declared()["strength"] == 1.0
    with pytest.raises(ClaimError, match=r"stregth .*did you mean strength\?"):
        refuse_undeclared(type("Typo", (Family,), {"strength": 1.0, "stregth": 2.0}))
    with pytest.raises(ClaimError, match="strength, a constant that Family declares, has no value"):
        refuse_undeclared(type("Bare", (Family,), {}))
    with pytest.raises(ClaimError, match=r"wording = 3 .*must be text"):
        refuse_undeclared(type("Kind", (Family,), {"strength": 1.0, "wording": 3}))


def test_a_claim_that_lacks_what_its_family_needs_is_an_error_and_a_family_is_none(tmp_path):
    (tmp_path / "claims.py").write_text(
        HEAD
        + '''

class Whole(Hypothesis):
    """A family."""

    def requests(self, shape):
        return (Activations("attn_out"),)


class _Claim(Whole):
    """A claim with all that it needs."""


class Lacking(Hypothesis):
    """A claim whose method is misspelt."""

    def requests(self, shape):
        return ()

    def mesure(self, look):
        return None
'''
    )
    found = {c.name: c for c in collect(["claims.py"], tmp_path)}
    assert set(found) == {"Good", "Lacking"}
    assert "did you mean measure?" in found["Lacking"].fault


def test_shipped_claims_declare_nothing_unknown():
    for one in collect([str(shipped("hypotheses"))], shipped("hypotheses")):
        refuse_undeclared(type(one.claim))


def test_every_value_that_a_family_declares_is_of_its_own_kind():
    families = [one for one in (getattr(modclaims, name) for name in modclaims.__all__) if isinstance(one, type)]
    for family in families:
        if issubclass(family, Hypothesis) and family is not Hypothesis:
            own = {
                k: v
                for k, v in family.__dict__.items()
                if k in vars(family).get("__annotations__", {}) and not k.startswith("_")
            }
            fixed = {k for k in own if "ClassVar" in str(family.__annotations__[k])}
            refuse_undeclared(type("Same", (family,), {k: v for k, v in own.items() if k not in fixed}))
