"""Units: texts, or blocks by their means, in strata."""

import numpy as np
import pytest

from modclaims.corpus import Corpus, Text
from modclaims.errors import ClaimError
from modclaims.families.common.units import Sample, Units


def corpus(rows):
    return Corpus("c", tuple(Text(f"t{i}", f"body {i}", labels, block) for i, (labels, block) in enumerate(rows)))


def blocked(per_category=4, size=2, categories="ab"):
    return corpus(
        [
            ({"category": c, "half": str(i % 2)}, f"{c}{b}")
            for c in categories
            for b in range(per_category)
            for i in range(size)
        ]
    )


def test_texts_are_the_unit_without_blocks():
    units = Units.of(corpus([({"category": "ab"[i % 2]}, None) for i in range(6)]), "category", None)
    assert (units.unit, units.n) == ("text", 6)


def test_blocks_of_one_category_enter_by_their_means():
    units = Units.of(blocked(), "category", None)
    assert (units.unit, units.n) == ("block", 8)
    values = np.arange(16.0)[:, None]
    assert np.allclose(units.responses(values)[:, 0], np.arange(0.5, 16, 2))
    x = np.random.default_rng(0).standard_normal((16, 3))
    means = np.stack([x[g].mean(axis=0) for g in units.groups])
    distance = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    assert np.allclose(units.squared_distance(distance), ((means[:, None] - means[None]) ** 2).sum(axis=2))
    assert np.allclose(units.similarity(x @ x.T), means @ means.T)


def test_labels_that_vary_inside_blocks_are_exchanged_there_and_blocks_are_drawn_whole():
    units = Units.of(blocked(size=4), "half", None)
    assert (units.unit, units.n) == ("text", 32)
    assert len(np.unique(units.design.strata)) == 8
    assert [len(m) for m in units.design.members] == [4] * 8
    assert [warning.split(";")[0] for warning in units.warnings] == ["The smallest half, 0, has 8 blocks"]
    assert units.action("half", None) == "exchanging half inside each block"
    assert units.resampled == "blocks"
    assert units.note == "; bounds from resampling 8 whole blocks"


def test_strata_lie_inside_the_blocks_in_which_labels_vary():
    rows = [({"category": c, "style": s}, f"b{b}") for b in range(4) for s in "xy" for c in "aab"]
    units = Units.of(corpus(rows), "category", "style")
    assert len(np.unique(units.design.strata)) == 8
    assert len(units.design.members) == 4
    assert units.action("category", "style") == "exchanging category within style inside each block"


def test_what_is_drawn_is_named():
    plain = Units.of(corpus([({"category": "ab"[i % 2]}, None) for i in range(6)]), "category", None)
    whole = Units.of(blocked(), "category", None)
    assert (plain.resampled, plain.note) == ("texts", "")
    assert (whole.resampled, whole.note) == ("blocks", "")
    assert whole.action("category", None) == "exchanging category among whole blocks"


def test_a_category_that_few_blocks_hold_is_refused_where_labels_vary_inside():
    rows = [({"category": c}, f"b{b}") for b in range(5) for c in ("aabc" if b < 3 else "aabb")]
    with pytest.raises(
        ClaimError, match=r"each category needs at least 4; c has 3\. Add blocks, or leave the category out"
    ):
        Units.of(corpus(rows), "category", None)
    with pytest.raises(ClaimError, match="at least 4; a has 3, b has 3"):
        Units.of(corpus([({"category": c}, f"b{b}") for b in range(3) for c in "aabb"]), "category", None)


def test_halves_need_eight_blocks_with_each_category():
    def units(blocks):
        return Units.of(corpus([({"category": c}, f"b{b}") for b in range(blocks) for c in "aabb"]), "category", None)

    units(8).check_halves("category")
    with pytest.raises(ClaimError, match=r"needs 8 blocks with each category; a, b has fewer\. Add blocks\."):
        units(7).check_halves("category")


def test_a_label_constant_in_some_blocks_only_is_refused():
    rows = [({"category": c, "other": o}, b) for c, o, b in ["axp", "ayp", "axq", "axq", "bxr", "byr", "bxs", "bys"]]
    with pytest.raises(ClaimError, match="no single unit"):
        Units.of(corpus(rows), "other", None)


def test_a_category_needs_four_blocks():
    with pytest.raises(ClaimError, match="needs at least 4; a has 3"):
        Units.of(blocked(per_category=3), "category", None)


@pytest.mark.parametrize(
    ("labels", "message"), [("aaaa", "one category only"), ("aaab", "single text"), ("aabb", None)]
)
def test_categories_are_checked(labels, message):
    given = corpus([({"category": c}, None) for c in labels])
    if message is None:
        assert Units.of(given, "category", None).n == 4
    else:
        with pytest.raises(ClaimError, match=message):
            Units.of(given, "category", None)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([({"category": c}, None) for c in "a" * 12 + "b" * 12], ()),
        (
            [({"category": c}, None) for c in "a" * 12 + "b" * 11],
            (
                "The smallest category, b, has 11 texts; below 12 the error rates of bounds are measured but not promised.",
            ),
        ),
        (
            [({"category": "ab"[b % 2]}, f"b{b:02d}") for b in range(24) for _ in range(2)],
            (),
        ),
        (
            [({"category": "ab"[b % 2]}, f"b{b:02d}") for b in range(22) for _ in range(2)],
            (
                "The smallest category, a, has 11 blocks; below 12 the error rates of bounds are measured but not promised.",
            ),
        ),
        (
            [({"category": c}, f"b{b:02d}") for b in range(11) for c in "aabb"],
            (
                "The smallest category, a, has 11 blocks; below 12 the error rates of bounds are measured but not promised.",
            ),
        ),
    ],
)
def test_a_warning_stands_with_fewer_than_twelve_units_a_category_and_never_with_more(rows, said):
    assert Units.of(corpus(rows), "category", None).warnings == said


def test_a_sample_of_fewer_than_twelve_is_warned_of():
    twelve = corpus([({"category": "a"}, None)] * 12)
    assert Sample.of(twelve).warnings == ()
    (said,) = Sample.of(twelve, range(6)).warnings
    assert said.startswith("The sample has 6 texts; below 12")
    (said,) = Sample.of(corpus([({"category": "a"}, f"b{i // 2:02d}") for i in range(12)])).warnings
    assert said.startswith("The sample has 6 blocks; below 12")


def test_some_texts_are_as_many_of_each_category_and_stratum_as_there_are_more_of_it():
    rows = [({"category": "aab"[i % 3], "half": str(i % 2)}, None) for i in range(240)]
    units = Units.of(corpus(rows), "category", "half")
    found = units.some_texts(60, np.random.default_rng(0))
    assert (np.diff(found) > 0).all()
    counts = np.bincount(units.design.cells[found])
    np.testing.assert_array_equal(counts, np.bincount(units.design.cells) // 4)
    assert units.some_texts(240, np.random.default_rng(0)) is None
    other = units.some_texts(60, np.random.default_rng(1))
    assert not np.array_equal(found, other)


def test_some_texts_are_those_of_whole_blocks():
    texts = blocked(per_category=10, size=3)
    units = Units.of(texts, "category", None)
    found = units.some_texts(8, np.random.default_rng(0))
    blocks = [texts.texts[i].block for i in found]
    assert len(found) == 24
    assert all(blocks.count(name) == 3 for name in blocks)
