"""Axes against random directions through the front door, on planted activations: strong axes, massive coordinates, no axis at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from modclaims.corpus import Corpus, Text
from modclaims.recording import Activations, MemorySource, ModelShape, Positions, Recording, Request
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

Floats = NDArray[np.float64]
WIDTH, AXIS, MASSIVE, TEXTS = 64, 13, (5, 21, 40), 20
CLAIM = '''
"""One claim, with every constant as it is shipped."""

from modclaims import AxesAgainstRotations


class AxesTellMore(AxesAgainstRotations):
    """The axes tell categories apart better than random directions do."""
'''
SHAPE = ModelShape("planted", 1, 4, 4, WIDTH, WIDTH // 4, 4 * WIDTH, 512, provenance={"weights_sha256": "none"})


def corpus(texts: int) -> Corpus:
    rows = [Text(f"{c}{i:03d}", f"text {c} {i} of its own", {"category": c}) for c in "ab" for i in range(texts)]
    return Corpus("planted", tuple(rows))


class Planted:
    """Answers with what `made` gives for all texts at one position: (text, unit) from noise and signs of categories."""

    def __init__(self, made: Callable[[Floats, Floats], Floats], seed: int) -> None:
        self.made, self.seed, self.shape = made, seed, SHAPE

    def check(self, corpus: Corpus, tokens: int, positions: Positions) -> None:
        positions.resolve(tokens)

    def record(
        self, corpus: Corpus, requests: Sequence[Request], *, tokens: int, positions: Positions, progress: Any = None
    ) -> Recording:
        ordered = sorted(range(len(corpus)), key=lambda i: corpus.texts[i].id)
        noise = np.random.default_rng([13, self.seed]).standard_normal((len(corpus), WIDTH))
        sign = np.array([1.0 if corpus.texts[i].labels["category"] == "a" else -1.0 for i in ordered])
        x = np.empty((len(corpus), 1, WIDTH), dtype=np.float32)
        x[ordered, 0] = self.made(noise, sign)
        assert set(requests) == {Activations("resid_post")}
        source = MemorySource({(request, 0): x for request in requests})
        return Recording(corpus, self.shape, (5,), tuple(t.body for t in corpus.texts), source)


def weighed(
    folder: Path, made: Callable[[Floats, Floats], Floats], texts: int = TEXTS, seed: int = 0, claim: str = CLAIM
) -> dict[str, Any]:
    """The claim's object in run.json."""
    (folder / "claims.py").write_text(claim, encoding="utf-8")
    execute(
        collect(["claims.py"], folder),
        corpus=corpus(texts),
        recorder=Planted(made, seed),
        settings=Settings(tokens=8, positions="5", permutations=999, resamples=999),
        cwd=folder,
        out=folder / "run",
    )
    found: dict[str, Any] = json.loads((folder / "run" / "run.json").read_bytes())["claims"][0]
    return found


def lognormal(noise: Floats) -> Floats:
    """(unit,) scales as unlike as those of a trained network's coordinates."""
    return np.asarray(np.exp(np.random.default_rng(7).standard_normal(noise.shape[1])))


def on_an_axis(noise: Floats, sign: Floats) -> Floats:
    """Six standard deviations to either side."""
    x = noise.copy()
    x[:, AXIS] += 6 * sign
    return x


def unrelated(massive: int) -> Callable[[Floats, Floats], Floats]:
    """No category, coordinates of unequal size, and some that are massive."""

    def made(noise: Floats, sign: Floats) -> Floats:
        x = noise * lognormal(noise)
        x[:, list(MASSIVE[:massive])] = 30 * noise[:, list(MASSIVE[:massive])]
        return x

    return made


def even(noise: Floats, sign: Floats) -> Floats:
    """Along a direction that is as far from every axis as can be."""
    direction = np.random.default_rng(8).choice([-1.0, 1.0], WIDTH) / np.sqrt(WIDTH)
    return (noise + 3 * sign[:, None] * direction) * lognormal(noise)


@pytest.mark.parametrize("massive", [0, 1, 3])
def test_an_axis_that_carries_the_category_is_supported_whatever_coordinates_are_massive_beside_it(
    massive: int, tmp_path: Path
) -> None:
    def made(noise: Floats, sign: Floats) -> Floats:
        x = on_an_axis(noise, sign)
        x[:, list(MASSIVE[:massive])] *= 30
        return x * lognormal(noise)

    claim = weighed(tmp_path, made)
    assert claim["outcome"] == "supported", claim["sentence"]
    assert claim["p"] <= 0.01
    assert claim["effect"] > 0.1
    assert f"axis {AXIS} was picked most often there, in 20 of 20 splits" in claim["sentence"]
    assert -1 <= claim["effect_low"] <= claim["effect"] <= claim["effect_high"] <= 1


def test_an_axis_that_is_massive_itself_is_supported_and_the_control_says_that_it_is_it_alone(tmp_path: Path) -> None:
    def made(noise: Floats, sign: Floats) -> Floats:
        x = on_an_axis(noise, sign)
        x[:, AXIS] *= 30
        return x

    claim = weighed(tmp_path, made)
    assert claim["outcome"] == "supported", claim["sentence"]
    (control,) = claim["controls"]
    assert control["name"] == "outlying_coordinates"
    assert control["numbers"]["coordinates"] == [AXIS]
    assert control["numbers"]["p"] > 0.05
    assert control["numbers"]["p_with_outliers"] <= 0.01
    assert control["numbers"]["high"] < claim["effect"]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("massive", [1, 3])
def test_massive_coordinates_that_know_no_category_support_nothing(massive: int, seed: int, tmp_path: Path) -> None:
    claim = weighed(tmp_path, unrelated(massive), seed=seed)
    assert claim["outcome"] != "supported", claim["sentence"]
    assert claim["p"] > 0.05
    (control,) = claim["controls"]
    assert set(MASSIVE[:massive]) <= set(control["numbers"]["coordinates"])


def test_a_category_along_a_direction_that_no_axis_is_near_is_refuted(tmp_path: Path) -> None:
    claim = weighed(tmp_path, even, texts=60)
    assert claim["outcome"] == "refuted", claim["sentence"]
    assert claim["p"] > 0.9
    assert claim["effect"] < 0


def test_an_axis_that_tells_so_much_that_all_directions_tell_nearly_all_is_not_refuted(tmp_path: Path) -> None:
    def made(noise: Floats, sign: Floats) -> Floats:
        x = noise.copy()
        x[:, AXIS] += 20 * sign
        return x

    claim = weighed(tmp_path, made)
    assert (claim["outcome"], claim["reason"]) == ("inconclusive", "no room above random directions")
    assert claim["p"] <= 0.01


def test_a_category_along_a_random_direction_is_not_supported(tmp_path: Path) -> None:
    def made(noise: Floats, sign: Floats) -> Floats:
        direction = np.random.default_rng(9).standard_normal(WIDTH)
        return (noise + 3 * sign[:, None] * direction / np.linalg.norm(direction)) * lognormal(noise)

    claim = weighed(tmp_path, made, texts=60)
    assert claim["outcome"] != "supported", claim["sentence"]
    assert claim["p"] > 0.05


def test_a_coordinate_that_is_the_category_itself_leaves_the_claim_open_and_says_why(tmp_path: Path) -> None:
    def made(noise: Floats, sign: Floats) -> Floats:
        x = noise.copy()
        x[:, AXIS] = sign
        return x

    claim = weighed(tmp_path, made)
    assert claim["outcome"] == "inconclusive", claim["sentence"]
    assert claim["reason"] == "no coordinate with a scale"
    assert claim["degenerate"] == ["layer 0"]
    assert f"coordinate {AXIS} differs between values of category" in claim["warnings"][-1]
