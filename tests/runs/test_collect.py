"""Finding claims: paths, ids, faults, and -k."""

import pytest

from modclaims.errors import UsageError
from modclaims.runs.collect import Keyword, collect, select

CLAIM = "from modclaims import CategoryClustering\n\n\nclass {name}(CategoryClustering):\n    '''A claim.'''\n"


@pytest.fixture
def house(tmp_path):
    folder = tmp_path / "hypotheses"
    folder.mkdir()
    (folder / "one.py").write_text(CLAIM.format(name="First") + "\n\nclass _Hidden(First):\n    '''No.'''\n")
    (folder / "two.py").write_text("import sys\n" + CLAIM.format(name="Second"))
    return tmp_path


def test_the_folder_hypotheses_is_taken_when_nothing_is_named(house):
    assert [c.id for c in collect([], house)] == ["hypotheses/one.py::First", "hypotheses/two.py::Second"]


def test_the_shipped_card_is_taken_where_there_is_no_such_folder(tmp_path):
    ids = [c.id for c in collect([], tmp_path)]
    assert "modclaims:card.py::StylesClusterInAttention" in ids


def test_imported_and_underscored_claims_are_not_collected(house):
    assert [c.name for c in collect(["hypotheses/one.py"], house)] == ["First"]


def test_one_class_may_be_named(house):
    assert [c.name for c in collect(["hypotheses/two.py::Second"], house)] == ["Second"]
    with pytest.raises(UsageError, match="no claim 'Third'"):
        collect(["hypotheses/two.py::Third"], house)


def ids(claims):
    return [c.id for c in claims]


def test_what_a_class_or_a_word_leaves_out_stays_with_what_it_selects(house):
    (house / "hypotheses" / "one.py").write_text(CLAIM.format(name="First") + "\n\nclass Next(First):\n    'More.'\n")
    named = select(["hypotheses/one.py::Next"], house)
    assert ids(named.chosen) == ["hypotheses/one.py::Next"]
    assert ids(named.others) == ["hypotheses/one.py::First"]  # and not two.py, of which nothing was asked
    worded = select([], house, "next or second")
    assert ids(worded.chosen) == ["hypotheses/one.py::Next", "hypotheses/two.py::Second"]
    assert ids(worded.others) == ["hypotheses/one.py::First"]
    both = select(["hypotheses/one.py::Next", "hypotheses/one.py", "hypotheses/../hypotheses/one.py"], house)
    assert (sorted(ids(both.chosen)), both.others) == (["hypotheses/one.py::First", "hypotheses/one.py::Next"], ())


def test_a_file_that_does_not_load_is_left_out_as_one(house):
    (house / "hypotheses" / "bad.py").write_text("1 / 0\n")
    found = select([], house, "First")
    assert ids(found.others) == ["hypotheses/bad.py", "hypotheses/two.py::Second"]
    assert ids(select(["hypotheses/bad.py::Any"], house).chosen) == ["hypotheses/bad.py"]


def test_a_missing_path_is_one_sentence(house):
    with pytest.raises(UsageError, match=r"No hypothesis file or folder nowhere\.py"):
        collect(["nowhere.py"], house)


def test_a_file_with_a_syntax_error_is_one_faulty_entry_and_its_neighbours_are_found(house):
    (house / "hypotheses" / "bad.py").write_text("class Broken(\n")
    found = collect([], house)
    assert [c.claim is None for c in found] == [True, False, False]
    assert "bad.py, line 1: SyntaxError" in found[0].fault


def test_a_file_that_raises_says_on_which_line(house):
    (house / "hypotheses" / "bad.py").write_text("x = 1\ny = 1 / 0\n")
    assert "bad.py, line 2: ZeroDivisionError" in collect(["hypotheses/bad.py"], house)[0].fault


def test_a_file_that_exits_is_its_own_error(house):
    (house / "hypotheses" / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    assert "leaves.py, line 2: SystemExit: 3" in collect(["hypotheses/leaves.py"], house)[0].fault


def test_a_file_is_loaded_once_however_often_it_is_named(house):
    (house / "hypotheses" / "count.py").write_text(
        "import modclaims\nmodclaims.loaded = getattr(modclaims, 'loaded', 0) + 1\n" + CLAIM.format(name="Counted")
    )
    collect(["hypotheses/count.py", "hypotheses/count.py", "hypotheses"], house)
    collect(["hypotheses"], house)
    import modclaims

    assert modclaims.loaded == 1
    del modclaims.loaded


def test_two_folders_may_each_hold_a_file_of_one_name(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "card.py").write_text(CLAIM.format(name=f"Claim{folder.upper()}"))
    assert [c.id for c in collect(["a", "b"], tmp_path)] == ["a/card.py::ClaimA", "b/card.py::ClaimB"]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("heads", True),
        ("HEADS and style", True),
        ("heads and not style", False),
        ("not (topic or code)", True),
        ("(heads or topic) and (style)", True),
        ("card.py", True),
    ],
)
def test_keywords_join_as_in_pytest(expression, wanted):
    assert Keyword(expression).matches("hypotheses/card.py::HeadsAnswerStyle") is wanted


@pytest.mark.parametrize("expression", ["and", "heads or", "(heads", "heads)", "not"])
def test_a_broken_expression_is_refused(expression):
    with pytest.raises(UsageError, match="not understood"):
        Keyword(expression)
