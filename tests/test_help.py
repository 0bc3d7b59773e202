"""help() of every public name: every constant with its type, default and allowed values, as the class has them; examples that run."""

from __future__ import annotations

import doctest
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import modclaims
from modclaims import Hypothesis
from modclaims.declarations import Name, constants, known_names, refuse_undeclared, without_effect
from modclaims.docstrings import IDLE, Entry, entries, sections, tell_inherited, written
from modclaims.errors import ClaimError

FAMILIES = tuple(name for name in modclaims.__all__ if inspect.isclass(getattr(modclaims, name)))
WEIGHED = tuple(name for name in FAMILIES if name != "Hypothesis")
WORDS = {
    word for name in FAMILIES for one in entries(getattr(modclaims, name).__doc__).values() for word in one.allowed
}
"""Every word that any family allows anywhere: what one constant does not name, it must refuse."""


def of(name: str) -> Any:
    return getattr(modclaims, name)


def accepted(cls: type) -> dict[str, Name]:
    """The constants that a claim of the class may set."""
    return {name: one for name, one in known_names(cls).items() if not one.is_method and not one.is_fixed}


def as_written(hint: Any) -> str:
    """A type as one writes it: text where it is one of a few words."""
    if typing.get_origin(hint) is typing.Literal:
        return "str"
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return " | ".join(as_written(one) for one in typing.get_args(hint))
    if hint is type(None):
        return "None"
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def worded() -> Iterator[tuple[str, Entry]]:
    """Families with each of their constants that is one of a few words."""
    for name in WEIGHED:
        for one in entries(of(name).__doc__).values():
            if one.allowed:
                yield name, one


def allows(cls: type[Hypothesis], values: Mapping[str, object]) -> bool:
    """Whether a claim of the class with these constants, and others as they suit it, is valid."""
    words = {one.name: one.allowed for one in entries(cls.__doc__).values() if one.allowed and one.name not in values}
    suited = [{}, *({name: word} for name in words for word in words[name])]
    suited += [{"category": "c0"}, {"layers": (0,)}]  # what `answers` needs
    for others in suited:
        try:
            made: Hypothesis = type("Claim", (cls,), {"__doc__": "A claim.", **others, **values})()
            made.validate()
        except ClaimError:
            continue
        return True
    return False


@pytest.mark.parametrize("name", FAMILIES)
def test_attributes_are_the_constants_that_the_class_accepts(name: str) -> None:
    assert set(entries(of(name).__doc__)) == set(accepted(of(name)))


@pytest.mark.parametrize("name", FAMILIES)
def test_types_and_defaults_are_those_of_the_class(name: str) -> None:
    cls, values = of(name), constants(of(name))
    for one in entries(cls.__doc__).values():
        assert one.kind == as_written(accepted(cls)[one.name].hint), one.name
        if one.name not in values:
            assert one.default is None, f"{one.name} is required"
        else:
            assert one.default is not None, one.name
            default = eval(one.default, {name: of(name) for name in modclaims.__all__})
            assert (type(default), default) == (type(values[one.name]), values[one.name]), one.name
        assert one.meaning, one.name
        assert one.told.endswith("."), one.told


@pytest.mark.parametrize(("name", "one"), list(worded()), ids=lambda x: x if isinstance(x, str) else x.name)
def test_the_words_that_are_named_are_those_that_are_accepted(name: str, one: Entry) -> None:
    cls = of(name)
    hint = accepted(cls)[one.name].hint
    if typing.get_origin(hint) is typing.Literal:
        assert set(one.allowed) == set(typing.get_args(hint))
        return
    assert len(set(one.allowed)) == len(one.allowed)
    refused = [word for word in one.allowed if not allows(cls, {one.name: word})]
    assert refused == [], "are named and refused"
    others = [*sorted(WORDS - set(one.allowed)), "nonsense"]
    assert [word for word in others if allows(cls, {one.name: word})] == [], "are accepted and not named"


FREE = {"label", "within", "category", "named", "rest"}
"""Texts that name a column, a value of one, or layers."""


@pytest.mark.parametrize("name", FAMILIES)
def test_every_text_that_is_no_free_name_has_its_words_named(name: str) -> None:
    for one in entries(of(name).__doc__).values():
        if "str" in one.kind.split(" | ") and not one.told.startswith(IDLE):
            assert bool(one.allowed) != (one.name in FREE), one.name


@pytest.mark.parametrize("name", WEIGHED)
def test_the_least_number_that_is_named_is_the_least_that_is_accepted(name: str) -> None:
    cls = of(name)
    for one in entries(cls.__doc__).values():
        least = re.search(r"\bat least (\d+)\b", one.told)
        if one.kind.split(" | ")[0] == "int" and not one.told.startswith(IDLE):
            assert least, f"{one.name} names no least number"
            assert allows(cls, {one.name: int(least[1])}), one.name
            assert not allows(cls, {one.name: int(least[1]) - 1}), one.name
            assert allows(cls, {one.name: 0}) == ("0 for none" in one.told or "0, or" in one.told), one.name


@pytest.mark.parametrize("name", [name for name in WEIGHED if name != "SimilarityLevels"])
def test_the_smallest_effect_says_where_its_scale_ends(name: str) -> None:
    """That of similarities hangs on the similarity, which its entry says."""
    told, end = entries(of(name).__doc__)["smallest_effect"].told, of(name).largest_effect
    assert f"below {end:g}" in told if end < float("inf") else "at least 0" in told
    assert allows(of(name), {"smallest_effect": 0}) != ("above 0" in told)


@pytest.mark.parametrize("name", WEIGHED)
def test_quantifiers_that_are_named_are_those_that_are_accepted(name: str) -> None:
    told = entries(of(name).__doc__)["holds"].told
    written_as = {
        "along_depth": modclaims.along_depth("rises"),
        "everywhere()": modclaims.everywhere(),
        "everywhere(0, -1)": modclaims.everywhere(0, -1),
        "in_fraction(0.5)": modclaims.in_fraction(0.5),
        "somewhere()": modclaims.somewhere(),
    }
    for words, holds in written_as.items():
        if words == "everywhere(0, -1)" and name.endswith(("Ablation", "Specificity", "Sufficiency")):
            continue  # their cells are modules, which lie in several layers: found out where cells are known
        assert (words in told) == allows(of(name), {"holds": holds}), words


@pytest.mark.parametrize("name", FAMILIES)
def test_help_says_what_is_claimed_and_what_would_make_the_number_wrong(name: str) -> None:
    parts = sections(of(name).__doc__)
    assert list(parts) == [title for title in ("", "Attributes", "Notes", "References", "Examples") if title in parts]
    first = parts[""].split("\n\n")[0]
    assert "\n" not in first
    assert first.endswith(".")
    assert ">>> class" in parts["Examples"]
    if name != "Hypothesis":
        assert "effect" in parts[""]
        assert re.search(r"\bp (is|by|counts)\b", parts[""].replace("\n", " "))
        assert re.search(r"[Ee]xchang", parts[""])
        assert re.search(r"[Bb]ound|interval", parts[""])
        assert len(of(name).__doc__.split("\n")) < 150, "a page of help, not five"


# ---- constants that a family inherits and nothing hangs on


def idle(name: str) -> set[str]:
    return {one.name for one in entries(of(name).__doc__).values() if one.told.startswith(IDLE)}


@pytest.mark.parametrize("name", FAMILIES)
def test_help_names_those_constants_that_are_without_effect(name: str) -> None:
    assert idle(name) == set(without_effect(of(name)))


@pytest.mark.parametrize("name", WEIGHED)
def test_columns_that_a_claim_names_are_read_or_without_effect(name: str) -> None:
    cls = of(name)
    named = {"label": "a", "within": "b"}
    read = type("Claim", (cls,), {"__doc__": "A claim.", **named})().columns()
    assert {constant for constant, column in named.items() if column not in read} == idle(name) & set(named)


OTHERS: Mapping[str, Any] = {"label": "topic", "within": "topic", "adjust": "minP", "untrained": 7}


@pytest.mark.parametrize(
    ("name", "constant"), [(name, one) for name in FAMILIES for one in sorted(without_effect(of(name)))]
)
def test_a_claim_that_sets_one_of_them_is_refused_and_told_why(name: str, constant: str) -> None:
    cls = of(name)
    needed = {"category": "c0"} if "category" in accepted(cls) else {}
    claim = type("Claim", (cls,), {"__doc__": "A claim.", **needed, constant: OTHERS[constant]})
    with pytest.raises(ClaimError) as fault:
        refuse_undeclared(claim)
    assert f"{constant} = {OTHERS[constant]!r} (" in str(fault.value)
    assert f"has no effect in {name}: {without_effect(cls)[constant]}. Take the line out" in str(fault.value)
    default = {constant: constants(cls)[constant]}
    refuse_undeclared(type("Claim", (cls,), {"__doc__": "A claim.", **needed, **default}))


def test_how_p_is_adjusted_is_refused_where_there_is_one_slope() -> None:
    along = {"__doc__": "A claim.", "holds": modclaims.along_depth("rises"), "adjust": "minP"}
    with pytest.raises(ClaimError, match="has no effect along depth"):
        type("Claim", (modclaims.CategoryClustering,), along)().validate()


class Nearly(doctest.OutputChecker):
    """What an example prints, but for the last digit of its numbers, which another processor may round otherwise."""

    number = re.compile(r"-?\d+\.\d+")

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if self.number.sub("#", want) != self.number.sub("#", got):
            return False
        pairs = zip(self.number.findall(want), self.number.findall(got), strict=True)
        return all(abs(float(a) - float(b)) < 1.5 * 10.0 ** -len(a.partition(".")[2]) for a, b in pairs)


def test_examples_may_differ_in_the_last_digit_alone() -> None:
    same = Nearly().check_output
    assert same("delta 0.69 [-0.1]\n", "delta 0.70 [-0.2]\n", 0)
    assert not same("delta 0.69\n", "delta 0.71\n", 0)
    assert not same("delta 0.69\n", "gap 0.69\n", 0)


@pytest.mark.parametrize("name", modclaims.__all__)
def test_examples_print_what_they_say(name: str) -> None:
    """As they would at the prompt, and not inside the module that they stand in: claims are the user's own."""
    found = doctest.DocTestParser().get_doctest(of(name).__doc__, {"__name__": "__main__"}, name, None, None)
    assert found.examples
    runner = doctest.DocTestRunner(Nearly())
    told: list[str] = []
    runner.run(found, out=told.append)
    assert runner.failures == 0, "".join(told)


# ---- how inherited constants come into it


def test_a_family_tells_the_constants_that_it_inherits_with_its_own_defaults() -> None:
    class Family(modclaims.CategoryClustering):
        """A family.

        Attributes
        ----------
        site : str, default 'mlp_out'
            Where.

        Notes
        -----
        A note.
        """

        site = "mlp_out"
        untrained = 0

    Family.__module__ = "modclaims.families.of_a_test"
    tell_inherited(Family, {"label": "a reason"})
    told, base = entries(Family.__doc__), entries(modclaims.CategoryClustering.__doc__)
    assert next(iter(told)) == "site"
    assert told["site"].told == "Where."
    assert set(told) == set(base)
    assert told["untrained"] == Entry("untrained", "int", "0", base["untrained"].meaning)
    assert told["within"] == base["within"]
    assert told["label"].told == "Without effect here: a reason. A claim leaves it as it is."
    assert list(sections(Family.__doc__ or "")) == ["", "Attributes", "Notes"]


def test_a_claim_keeps_the_docstring_that_it_was_given() -> None:
    class Claim(modclaims.CategoryClustering):
        """A claim."""

    assert Claim.__doc__ == "A claim."
    assert Claim.sentence() == "A claim."


def test_a_constant_without_a_value_is_required() -> None:
    text = "A family.\n\nAttributes\n----------\nstrength : float, required\n    How much."
    assert entries(text) == {"strength": Entry("strength", "float", None, ("How much.",))}
    assert str(entries(text)["strength"]) == "strength : float, required\n    How much."


@pytest.mark.parametrize("name", FAMILIES)
def test_a_docstring_is_its_sections(name: str) -> None:
    parts = sections(of(name).__doc__)
    assert sections(written(parts)) == parts
    assert "\n".join(map(str, entries(of(name).__doc__).values())) == parts["Attributes"]
