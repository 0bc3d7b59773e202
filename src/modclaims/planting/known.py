"""Planted data that rooms share: layouts of texts, laws of noise, categories' directions and the effect of each strength.

Activations are (text, position, unit): a category's direction, times its strength, plus a block's, a text's and a
position's noise. Noise has variance 1 a unit, half of it a text's own, so that positions of one text correlate by .5;
of what is a text's own, half is shared by all layers (or cells).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus, Text
from modclaims.recording import Activations, MemorySource, ModelShape, Recording, Request
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
POSITIONS = 4
LAYERS, HEADS = 4, 4
WIDTH, AXES = 16, 8
"""Of activations, and of those that are looked at axis by axis."""
WIDE = 3.0
"""Spread of the last category under `unequal spread`, that of the others being 1."""
FREEDOM = {"heavy tails": 5, "no fourth moment": 3}
"""Degrees of freedom of the heavy-tailed laws: a multivariate t."""
STRATUM = 2.0
"""Strength of a stratum's own direction."""
LAWS = ("normal", "heavy tails", "unequal spread")
HEAVIEST = "no fourth moment"
"""A law under which a sample variance has no variance of its own, so that no bound of a share of variance can keep its level."""
FLAT_DELTA = 0.4
"""Cliff's delta that both sides of a contrast have, and beyond which one may have the effect."""
CROWD, SHIFTS = 12_000, 6
"""Units drawn to find a population's effect, and with how many others each is paired."""


@dataclass(frozen=True)
class Layout:
    """How many units each category has, and what ties texts together."""

    name: str
    sizes: tuple[int, ...]
    """(category,) units: texts, or blocks of them."""
    strata: int = 1
    """Strata that categories are crossed with."""
    block: int = 1
    """Texts a block; 1 for none."""
    mixed: bool = False
    """Whether every block holds texts of every category, which `sizes` then counts in texts."""

    @property
    def texts(self) -> int:
        """Number of texts."""
        return sum(self.sizes) * (1 if self.mixed else self.block)

    @property
    def blocks(self) -> int:
        """Number of blocks, or of texts where there are none."""
        return self.texts // self.block

    @property
    def smallest(self) -> int:
        """Units of the smallest category: what a promise about texts per category is read against."""
        return self.blocks if self.mixed else min(self.sizes)

    @property
    def category(self) -> NDArray[np.int64]:
        """(text,) category codes."""
        if self.mixed:
            return np.tile(np.arange(self.block) % len(self.sizes), self.blocks)
        return np.repeat(np.arange(len(self.sizes)), np.array(self.sizes) * self.block)

    @property
    def stratum(self) -> NDArray[np.int64]:
        """(text,) stratum codes, each as frequent in every category."""
        if self.strata == 1:
            return np.zeros(self.texts, dtype=np.int64)
        within = np.concatenate([np.arange(size * self.block) for size in self.sizes])
        return within % self.strata


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("10 (4/3/3)", (4, 3, 3)),
        Layout("12 (4/4/4)", (4, 4, 4)),
        Layout("48 (4 x 12)", (12, 12, 12, 12)),
        Layout("64 crossed", (16, 16, 16, 16), strata=4),
        Layout("100 unequal", (40, 30, 18, 12)),
        Layout("48 crossed (2 x 4)", (24, 24), strata=4),
        Layout("48 in mixed blocks", (24, 24), block=4, mixed=True),
        Layout("30 (24/6)", (24, 6)),
        Layout("30 (6/24)", (6, 24)),
        Layout("72 (60/12)", (60, 12)),
        Layout("72 (12/60)", (12, 60)),
        Layout("96 in blocks", (12, 12, 12, 12), block=2),
        Layout("24 (2 x 12)", (12, 12)),
        Layout("144 (12 x 12)", (12,) * 12),
        Layout("72 (60/12)", (60, 12)),
        Layout("132 (120/12)", (120, 12)),
        Layout("128 (4 x 32)", (32, 32, 32, 32)),
        Layout("168 (120/24/24)", (120, 24, 24)),
        Layout("6 texts", (6,)),
        Layout("12 texts", (12,)),
        Layout("24 texts", (24,)),
        Layout("weights alone", (24,)),
    )
}


@lru_cache(maxsize=32)
def corpus(layout: Layout) -> Corpus:
    """Texts without words to speak of, sorted by id, with `category`, and `topic` where there are strata."""
    texts = []
    for i, (k, h) in enumerate(zip(layout.category, layout.stratum, strict=True)):
        labels = {"category": f"c{k}"} | ({"topic": f"s{h}"} if layout.strata > 1 else {})
        block = f"b{i // layout.block:03d}" if layout.block > 1 else None
        texts.append(Text(f"t{i:03d}", f"text {i}", labels, block))
    return Corpus(layout.name, tuple(texts))


def spread(layout: Layout, law: str) -> Floats:
    """(category,) factor of the noise."""
    factor = np.ones(len(layout.sizes))
    if law == "unequal spread":
        factor[-1] = WIDE
    return factor


def tails(rng: np.random.Generator, law: str, count: int) -> Floats:
    """(unit,) factors that make Gaussian noise a multivariate t; ones under the other laws."""
    if law not in FREEDOM:
        return np.ones(count)
    return np.asarray(np.sqrt(FREEDOM[law] / rng.chisquare(FREEDOM[law], count)))


def _raw(rng: np.random.Generator, units: int, block: int, layers: int, width: int) -> Floats:
    """(unit, text of the block, position, layer, unit of width) Gaussian noise of variance 1."""

    def half_shared(texts: int) -> Floats:
        own, shared = (rng.standard_normal((units, texts, 1, n, width)) for n in (layers, 1))
        return np.asarray((own + shared) / np.sqrt(2) if layers > 1 else own)

    text = half_shared(block)
    if block > 1:  # half of what is a text's own is its block's
        text = (text + half_shared(1)) / np.sqrt(2)
    return np.asarray((text + rng.standard_normal((units, block, POSITIONS, layers, width))) / np.sqrt(2))


def noise(rng: np.random.Generator, layout: Layout, law: str, layers: int, width: int) -> Floats:
    """(text, position, layer, unit) noise, texts in the corpus' order."""
    factor = np.repeat(tails(rng, law, layout.blocks), layout.block) * spread(layout, law)[layout.category]
    raw = _raw(rng, layout.blocks, layout.block, layers, width).reshape(layout.texts, POSITIONS, layers, width)
    return np.asarray(raw * factor[:, None, None, None])


def deviations(rng: np.random.Generator, law: str, shape: tuple[int, ...]) -> Floats:
    """Symmetric deviations of unit scale, the first axis being units: texts or draws.

    Under `unequal spread` every other unit varies three times as much.
    """
    wide = np.where(np.arange(shape[0]) % 2, WIDE, 1.0) if law == "unequal spread" else tails(rng, law, shape[0])
    return np.asarray(rng.standard_normal(shape) * wide.reshape(-1, *[1] * (len(shape) - 1)))


def activations(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...], width: int) -> Floats:
    """(text, position, layer, unit): noise, a direction a category of one strength per layer, and one per stratum."""
    x = noise(rng, layout, law, len(strengths), width)
    where = np.arange(layout.texts)
    x[where, :, :, layout.category] += np.array(strengths)
    if layout.strata > 1:  # as wide as the noise, so that at strength 0 cosines know no category
        along = STRATUM * spread(layout, law)[layout.category]
        x[where, :, :, len(layout.sizes) + layout.stratum] += along[:, None, None]
    return x


# ---- Cliff's delta of pair similarities, in the population


@lru_cache(maxsize=4)
def _crowd(block: int, law: str, width: int) -> Floats:
    """(unit, text, position, unit of width) noise of many units of spread 1."""
    rng = stream(0, "crowd", str(block), law, str(width))
    count = CROWD * WIDTH // max(width, WIDTH)
    found = _raw(rng, count, block, 1, width)[:, :, :, 0]
    return np.asarray(found * tails(rng, law, count)[:, None, None, None])


def crowd(law: str) -> Floats:
    """(unit, position, unit of width) noise of many texts of spread 1."""
    return _crowd(1, law if law in FREEDOM else "normal", WIDTH)[:, 0]


def _pair_kinds(layout: Layout, law: str) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
    """Kinds of pairs (category, category) within and between categories, and their shares: every category, and every pair of
    categories, weighs the same.

    Categories of one spread are alike, so that two of them stand for all.
    """
    count = len(layout.sizes)
    if law != "unequal spread":
        return {(0, 0): 1.0}, {(0, 1): 1.0}
    last, wide = count - 1, 2 / count
    between = {(0, last): wide} if count == 2 else {(0, 1): 1 - wide, (0, last): wide}
    return {(0, 0): 1 - 1 / count, (last, last): 1 / count}, between


def pair_similarities(
    layout: Layout, law: str, strength: float, width: int = WIDTH
) -> tuple[list[tuple[float, Floats]], list[tuple[float, Floats]]]:
    """Cosines of many independent pairs of units, within and between categories: (share, values) a kind of pair.

    Both kinds are made of the same noise, so that their difference varies little from one crowd to another.
    """
    crowd, factor = _crowd(layout.block, law if law in FREEDOM else "normal", width), spread(layout, law)
    flat: dict[int, Floats] = {}

    def unit(category: int) -> Floats:
        if category not in flat:
            x = crowd * factor[category]
            x[..., category] += strength
            if layout.strata > 1:
                x[..., len(layout.sizes)] += STRATUM * factor[category]
            x /= np.sqrt((x * x).sum(axis=-1, keepdims=True))
            flat[category] = x.mean(axis=1).reshape(len(x), -1) / np.sqrt(POSITIONS)
        return flat[category]

    def cosines(first: int, second: int) -> Floats:
        a, b = unit(first), unit(second)
        return np.concatenate([np.einsum("ud,ud->u", a, np.roll(b, k, axis=0)) for k in range(1, SHIFTS + 1)])

    within, between = _pair_kinds(layout, law)
    return (
        [(share, cosines(*pair)) for pair, share in within.items()],
        [(share, cosines(*pair)) for pair, share in between.items()],
    )


def population_delta(layout: Layout, law: str, strength: float, width: int = WIDTH) -> float:
    """Cliff's delta of independent pairs within over between categories, from a crowd of simulated units."""
    if layout.mixed:
        return _delta_inside_blocks(layout, law, strength, width)
    within, between = pair_similarities(layout, law, strength, width)
    total = 0.0
    for share, inside in within:
        ordered = np.sort(inside)
        for other, outside in between:
            below = np.searchsorted(ordered, outside, "left") + np.searchsorted(ordered, outside, "right")
            total += share * other * (1 - float(below.mean()) / len(ordered))
    return float(total)


def _delta_inside_blocks(layout: Layout, law: str, strength: float, width: int) -> float:
    """Mean over many blocks of Cliff's delta among the pairs of each."""
    category = layout.category[: layout.block]
    x = _crowd(layout.block, law, width) * spread(layout, law)[category][:, None, None]
    x[:, np.arange(layout.block), :, category] += strength
    x /= np.sqrt((x * x).sum(axis=-1, keepdims=True))
    first, second = np.triu_indices(layout.block, 1)
    similarity = np.einsum("uapw,ubpw->uab", x, x, optimize=True)[:, first, second]
    same = category[first] == category[second]
    return float(np.sign(similarity[:, same][:, :, None] - similarity[:, ~same][:, None, :]).mean())


def strength_of_delta(layout: Layout, law: str, delta: float, width: int = WIDTH) -> float:
    """The strength of the categories' directions at which Cliff's delta in the population is `delta`."""
    if not layout.mixed:  # sizes do not matter where categories weigh the same
        layout = Layout("any", (2,) * len(layout.sizes), min(layout.strata, 2), layout.block)
    return _strength(layout, law, round(delta, 9), width)


@lru_cache(maxsize=512)
def _strength(layout: Layout, law: str, delta: float, width: int) -> float:
    if delta == 0:
        return 0.0
    return root(lambda strength: population_delta(layout, law, strength, width) - delta)


def strengths_of_deltas(layout: Layout, law: str, deltas: Iterable[float]) -> tuple[float, ...]:
    """The same for several."""
    return tuple(strength_of_delta(layout, law, delta) for delta in deltas)


def root(miss: Callable[[float], float], high: float = 60.0) -> float:
    """Where a rising function of one strength is zero, between 0 and `high`."""
    from scipy.optimize import brentq

    return float(brentq(miss, 0.0, high, xtol=1e-4))


# ---- what is recorded


def by_layer(request: Request, x: Floats) -> dict[tuple[Request, int], Floats]:
    """Activations (text, position, layer, ...) as answers to a request."""
    return {(request, layer): x[:, :, layer] for layer in range(x.shape[2])}


def recording(
    layout: Layout, arrays: Mapping[tuple[Request, int], Floats], width: int, layers: int = LAYERS
) -> Recording:
    """Planted arrays as a recorder would answer with them."""
    shape = ModelShape("planted", layers, HEADS, HEADS, width, max(1, width // HEADS), 4 * width, 512)
    texts = corpus(layout)
    return Recording(
        texts, shape, tuple(range(5, 5 + POSITIONS)), tuple(t.body for t in texts.texts), MemorySource(dict(arrays))
    )


def categories(
    rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...], width: int = WIDTH
) -> Recording:
    """Activations whose categories have directions of one strength per layer, as an attention block's output."""
    x = activations(rng, layout, law, strengths, width)
    return recording(layout, by_layer(Activations("attn_out"), x), width, len(strengths))
