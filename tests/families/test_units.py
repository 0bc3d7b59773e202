"""Units: texts, or blocks by their means, in strata."""

import numpy as np
import pytest

from modclaims.corpus import Corpus, Text
from modclaims.errors import ClaimError
from modclaims.families.units import Units


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


def test_labels_that_vary_inside_blocks_are_exchanged_there():
    units = Units.of(blocked(size=4), "half", None)
    assert (units.unit, units.n) == ("text", 32)
    assert len(np.unique(units.design.strata)) == 8
    assert "inside their block" in units.warnings[0]


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
