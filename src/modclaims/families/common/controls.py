"""Rival explanations, weighed in the same way for every claim about categories: words, plain measures, spread, untrained networks."""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import decimals_of_effect, from_to, p_word, rounded
from modclaims.errors import ClaimError
from modclaims.families.common.units import Units
from modclaims.look import Look, TestSettings
from modclaims.measured import RivalResult
from modclaims.recording import Activations, Recording
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.replicates import Replicates, standard_errors
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Arrangements, index_permutations
from modclaims.stats.chance.multiplicity import weigh_cells
from modclaims.stats.chance.permutation import Pairs, degrees_of_freedom, f_null
from modclaims.stats.effects.omega_squared import omega_squared
from modclaims.stats.effects.rivals import (
    Beyond,
    distances_to_centroid,
    freedman_lane,
    pseudo_f2_null,
    tfidf_similarity,
)
from modclaims.stats.effects.similarity import recorded_eps, text_similarity
from modclaims.stats.effects.standardised import squared_distances, standardised
from modclaims.stats.evidence import Control
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
CONTROL_DRAWS = 999
CONTROL_RESAMPLES = 499
MOST_ASIDE = 512
"""Units of which all are held against rivals, and shown; of more, about so many. What decides is weighed on all. What stands with
it needs no finer answer than some hundreds of texts give, and costs as the square of their number."""
UNTRAINED = 5
EMBED = Activations("embed")
SCALED = "activations (mean over positions, each coordinate divided by its sd)"


@dataclass(frozen=True)
class Comparison:
    """What a claim about categories compares, as its rivals see it: similarities of pairs at some cells, one of them named."""

    units: Units
    pairs: Pairs
    similarities: Floats
    """(pair, cell)"""
    cell: int
    """The named one."""
    where: str
    """That cell in words, such as `at layer 3`."""

    @property
    def named(self) -> Floats:
        """(pair,) similarities at the named cell."""
        return self.similarities[:, self.cell]


class Rival(ABC):
    """Another explanation of what a claim shows."""

    @abstractmethod
    def against(self, look: Look, comparison: Comparison) -> RivalResult:
        """The rival beside the claim at its named cell."""


class Removable(Rival):
    """One that can also be taken out of the similarities first, so that a claim is about what is left."""

    @abstractmethod
    def take_out(self, look: Look, comparison: Comparison, draws: int) -> Beyond:
        """What is left of the effect at every cell once the rival's part is taken out of the similarities."""


@dataclass(frozen=True)
class SharedWords(Removable):
    """Texts are alike because they share words: TF-IDF of what was read, and the input embeddings."""

    taken: Beyond | None = None
    """What is left without them, where the claim has worked it out already."""
    where: str | None = None
    """The named cell in words, where it was worked out on other texts than those of the comparison."""

    def take_out(self, look: Look, comparison: Comparison, draws: int) -> Beyond:
        c = comparison
        return beyond_words(look.recording, c.units, c.pairs, c.similarities, look.claim, look.settings, draws)

    def against(self, look: Look, comparison: Comparison) -> RivalResult:
        taken = self.taken if self.taken is not None else self.take_out(look, comparison, CONTROL_DRAWS)
        return RivalResult(shared_words(taken, comparison.cell, self.where or comparison.where))


@dataclass(frozen=True)
class PlainMeasures(Rival):
    """Texts are alike because they are as long, and have as much punctuation and as many digits."""

    def against(self, look: Look, comparison: Comparison) -> RivalResult:
        c = comparison
        return RivalResult(
            plain_measures(look.recording, c.units, c.pairs, c.named, look.claim, look.settings, c.where)
        )


@dataclass(frozen=True)
class UnequalSpread(Rival):
    """Categories differ in how widely they spread, and not in where they lie."""

    squared: Sequence[Floats]
    """(unit, unit) squared distances at each cell."""
    arrangements: Arrangements
    """What the claim's own p is read off; the first of them serve."""
    of: str = SCALED
    """What lies so far apart, in words."""
    asked: bool = True
    """Whether location is asked at all."""
    label: str | None = None
    """The label compared, for the warning where categories differ in both size and spread; None for no warning."""

    def against(self, look: Look, comparison: Comparison) -> RivalResult:
        c = comparison
        found = self.found(c, look.alpha)
        warnings = () if self.label is None else found.warnings(c.units, self.label, c.where, look.alpha)
        location = bool(found.p_location[c.cell] <= look.alpha) if self.asked else None
        return RivalResult(found.control, warnings=warnings, location=location)

    def found(self, comparison: Comparison, alpha: float) -> Spread:
        """F2 (blind to unequal spread) and PERMDISP in all dimensions.

        Where location is not asked, F2 stands without what follows from it.
        """
        units, cell = comparison.units, comparison.cell
        design, few = units.design, fewer(self.arrangements)
        f2, tolerance = pseudo_f2_null(comparison.pairs.matrix(list(self.squared)), comparison.pairs, design, few)
        location = weigh_cells(f2, tolerance)
        distances = distances_to_centroid([self.squared[cell]], design)
        dispersion, slack = f_null(distances, design, few)
        p_spread = float(weigh_cells(dispersion, slack).p[0])
        means = [float(distances[design.labels == k, 0].mean()) for k in range(design.k)]
        ratio = max(means) / min(means) if min(means) > 0 else float("inf")
        p = float(location.p_adjusted[cell])
        told = ": the difference is one of location" if p <= alpha else ": categories may differ only in spread"
        if not self.asked:
            told = ", nothing taken out"
        return Spread(
            Control(
                "spread",
                f"On {self.of}, F2, which unequal spread does not fool, gives {p_word(len(location.p_adjusted))} {p:.2g} {comparison.where}{told}. The widest "
                f"category spreads {ratio:.2f} times as far as the narrowest there (PERMDISP p {p_spread:.2g}).",
                {
                    "f2": float(f2[0, cell]),
                    "p_adjusted": p,
                    "permdisp_f": float(dispersion[0, 0]),
                    "permdisp_p": p_spread,
                    "spread_ratio": ratio,
                },
            ),
            location.p_adjusted,
            ratio,
            p_spread,
        )


@dataclass(frozen=True)
class UntrainedBaselines(Rival):
    """The architecture shows as much with weights that learned nothing: trained minus untrained, seeds and texts resampled."""

    count: int
    """Untrained networks."""
    quantity: Callable[[Look, str | None], Replicates]
    """The effect at every cell in the network itself (None) or in one of its variants, under `resamples`."""
    resamples: Resamples
    what: str
    """The effect in words."""
    design: str
    """Digest of the design, which the seeds' stream hangs on."""

    def against(self, look: Look, comparison: Comparison) -> RivalResult:
        theirs = [self.quantity(look, variant) for variant in untrained_variants(self.count)]
        rng = look.lasting_rng("twin seeds", design=self.design)
        bounds = trained_minus_untrained(self.quantity(look, None), theirs, self.resamples, rng)
        effects = np.stack([one.value[0] for one in theirs])
        control = untrained_control(bounds, effects[:, comparison.cell], comparison.cell, look.alpha, self.what)
        return RivalResult(control, untrained=effects)


def aside(look: Look, units: Units, label: str, within: str | None) -> tuple[Look, Units, str] | None:
    """Of very many units the look at some, these as units, and what is added to the place where something is found there.

    None where all are looked at.
    """
    rows = units.some_texts(MOST_ASIDE, look.lasting_rng("texts aside"))
    if rows is None:
        return None
    some = look.at(rows.tolist())
    return some, Units.of(some.corpus, label, within), f" (on {len(rows):,} of {len(look.corpus):,} texts)"


def check_untrained(untrained: int) -> None:
    """Raises `ClaimError` for a number of untrained networks that compares nothing."""
    if untrained != 0 and untrained < UNTRAINED:
        raise ClaimError(
            f"untrained = {untrained}: a comparison with untrained networks needs at least {UNTRAINED} seeds, or 0 for none."
        )


def untrained_variants(count: int) -> tuple[str, ...]:
    """Names of the untrained networks: the same architecture with fresh weights from these seeds."""
    return tuple(f"untrained:{seed}" for seed in range(count))


def fewer(arrangements: Arrangements) -> Arrangements:
    """The first arrangements only: a control needs no finer p than 1 / 1,000. Exact sets stay whole."""
    if arrangements.exact or len(arrangements.labels) <= CONTROL_DRAWS + 1:
        return arrangements
    return Arrangements(arrangements.labels[: CONTROL_DRAWS + 1], False, arrangements.total)


def proxies(recording: Recording, units: Units, pairs: Pairs) -> list[Floats]:
    """(pair,) similarities that shared words alone would give: TF-IDF of what was read, and the input embeddings."""
    embedded = np.asarray(recording.array(EMBED, 0), dtype=np.float64).mean(axis=1, keepdims=True)
    return [
        pairs.vector(units.similarity(tfidf_similarity(recording.read))),
        pairs.vector(units.similarity(text_similarity(embedded, "cosine").values)),
    ]


def beyond_words(
    recording: Recording,
    units: Units,
    pairs: Pairs,
    similarities: Floats,
    name: str,
    weighing: TestSettings,
    draws: int,
) -> Beyond:
    """Category effect on (pair, cell) similarities beyond shared words, by Freedman-Lane on pairs."""
    rng = weighing.rng(name, units.design.digest, "beyond")
    orders = index_permutations(units.design, draws=draws, rng=rng)
    return freedman_lane(similarities, proxies(recording, units, pairs), pairs, units.design, orders)


def shared_words(beyond: Beyond, cell: int, where: str) -> Control:
    """The control's sentence, from the same many-cell null."""
    tests = weigh_cells(beyond.null)
    p, share = float(tests.p_adjusted[cell]), float(beyond.share_left[cell])
    left = "none" if not np.isfinite(share) or share <= 0 else f"{100 * min(share, 1):.0f} %"
    return Control(
        "shared_words",
        f"Beyond these proxies (TF-IDF and input embeddings, cubic splines) {left} of the difference {where} is left "
        f"({p_word(len(tests.p_adjusted))} {p:.2g}); the proxies explain {100 * float(beyond.r2[cell]):.0f} % of the variance between pairs.",
        {
            "t": float(beyond.null[0, cell]),
            "p_adjusted": p,
            "share_left": share,
            "r2_proxies": float(beyond.r2[cell]),
            "draws": len(beyond.null) - 1,
        },
    )


def measures(texts: Sequence[str]) -> dict[str, Floats]:
    """(text,) plain measures of what was read: length in characters, and shares of punctuation (symbols too) and digits."""
    length = np.array([max(1, len(text)) for text in texts], dtype=np.float64)

    def share(kinds: str) -> Floats:
        return np.array([sum(unicodedata.category(c)[0] in kinds for c in text) for text in texts]) / length

    digits = np.array([sum(c.isdigit() for c in text) for text in texts]) / length
    return {"length": length, "punctuation": share("PS"), "digits": digits}


def plain_measures(
    recording: Recording, units: Units, pairs: Pairs, similarity: Floats, name: str, weighing: TestSettings, where: str
) -> Control:
    """What is left of the category effect on (pair,) similarities beyond length, punctuation and digits of the texts."""
    design = units.design
    found = {key: units.responses(values[:, None])[:, 0] for key, values in measures(recording.read).items()}
    proxies = [-np.abs(values[pairs.i] - values[pairs.j]) for values in found.values()]
    rng = stream(weighing.seed, name, design.digest, "measures")
    orders = index_permutations(design, draws=CONTROL_DRAWS, rng=rng)
    beyond = freedman_lane(similarity[:, None], proxies, pairs, design, orders)
    p, share = float(weigh_cells(beyond.null).p[0]), float(beyond.share_left[0])
    left = "none" if not np.isfinite(share) or share <= 0 else f"{100 * min(share, 1):.0f} %"
    df1, _ = degrees_of_freedom(design)
    observed = Arrangements(design.labels[None].astype(np.int16), True, 1)
    f = f_null(np.stack(list(found.values()), axis=1), design, observed)[0][0]
    explained = dict(zip(found, omega_squared(f, df1, design.n).tolist(), strict=True))
    told = ", ".join(f"{key} {max(value, 0):.2f}" for key, value in explained.items())
    return Control(
        "plain_measures",
        f"Beyond how long the texts are and how much of them is punctuation and digits (cubic splines of their differences) "
        f"{left} of the difference {where} is left (p {p:.2g}). Categories explain of these measures (omega^2): {told}.",
        {
            "t": float(beyond.null[0, 0]),
            "p": p,
            "share_left": share,
            "r2_measures": float(beyond.r2[0]),
            **{f"omega2_{key}": float(value) for key, value in explained.items()},
        },
    )


UNEVEN_SIZES, UNEVEN_SPREAD = 2.0, 1.5
"""From how many times the texts, and how many times the spread, of another category on a verdict carries a warning.

With 60 and 12 texts about one centre, spread 1:3, p of the gap within - between is at most .05 in every data set. The bound of
delta, 300 data sets at alpha .05: cosines, the 12 being the wide ones, .03 above and .05 below; the 12 being the
narrow ones, .08 and .04 (6 and 24: .07 and .02); 36 and 36 .03 and .04; distances .04 to .07.
"""


def activation_distances(recording: Recording, request: Activations, units: Units) -> list[Floats]:
    """(unit, unit) squared distances at each cell - layer, or layer and head - of what was recorded there.

    A text is the mean of its activations over positions, a block the mean of its texts; each coordinate is divided by
    its sd (`standardised`). Categories are compared here whatever similarity a claim names: with vectors of length 1 a
    wider category has a shorter mean, and with raw ones a single massive coordinate is all that counts.
    """
    found = []
    for layer in recording.shape.resolve_layers(request):
        array = recording.array(request, layer)
        eps, means = recorded_eps(array), np.asarray(array, dtype=np.float64).mean(axis=1)
        cells = np.moveaxis(means, 1, 0) if means.ndim == 3 else means[None]
        found += [squared_distances(standardised(units.responses(x), units.design, eps)) for x in cells]
    return found


@dataclass(frozen=True)
class Spread:
    """Whether categories differ in place, or possibly only in spread."""

    control: Control
    p_location: Floats
    """(cell,) adjusted p of F2."""
    ratio: float
    """How many times as far as the narrowest category the widest spreads, in the cell that is shown."""
    p_spread: float
    """PERMDISP's p there."""

    def warnings(self, units: Units, label: str, where: str, alpha: float) -> tuple[str, ...]:
        """What stands with a verdict where categories differ both in size and in spread."""
        sizes = units.design.counts.sum(axis=1)
        few, many = int(sizes.argmin()), int(sizes.argmax())
        uneven = sizes[many] >= UNEVEN_SIZES * sizes[few] and self.ratio >= UNEVEN_SPREAD and self.p_spread <= alpha
        if not uneven:
            return ()
        names = units.design.names
        return (
            f"Categories of {label} differ in size ({names[few]} has {sizes[few]} {units.unit}s, {names[many]} {sizes[many]}) and in "
            f"spread ({self.ratio:.1f} times {where}, PERMDISP p {self.p_spread:.2g}). An exchange of labels finds that too, so that p "
            "alone shows no more; where the smaller category is the narrower, lower bounds err in up to 8 of 100 at alpha .05.",
        )


def trained_minus_untrained(
    trained: Replicates,
    untrained: list[Replicates],
    resamples: Resamples,
    rng: np.random.Generator,
    *,
    ends: tuple[float, float] = (-2.0, 2.0),
) -> Bounds:
    """Bounds of trained - untrained effects, texts and untrained networks' seeds resampled together.

    A contrast of effects: it takes its bound from the bootstrap, never from relabelling. The seeds' variance joins
    that of the texts.
    """
    count = len(untrained)
    picks = rng.integers(0, count, size=(resamples.count, count))
    weights = np.full((resamples.count + 1, count), 1 / count)
    weights[1:] = np.stack([(picks == s).sum(axis=1) for s in range(count)], axis=1) / count
    values = np.stack([t.value for t in untrained])  # (seed, resample, cell)
    mean = np.einsum("rs,src->rc", weights, values)
    every = (resamples.count + 1, *trained.influence.shape[1:])
    influence = np.broadcast_to(trained.influence, every).copy()
    for s, other in enumerate(untrained):
        influence -= weights[:, s, None, None] * other.influence
    value = trained.value - mean
    seeds = np.einsum("rs,src->rc", weights, (values - mean) ** 2) / (count - 1)
    se = np.sqrt(standard_errors(Replicates(value, influence, value[0]), resamples) ** 2 + seeds)
    deviation = value[1:] - value[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(deviation == 0, 0.0, deviation / se[1:])
    return Bounds(value[0], se[0], t, ends=ends)


def untrained_control(
    bounds: Bounds, untrained: Sequence[float] | Floats, cell: int, alpha: float, what: str
) -> Control:
    """What `untrained`, one number per seed, have of `what`, and what `trained_minus_untrained` says of that cell."""
    effect, low, high = (float(v[cell]) for v in (bounds.effect, bounds.lower(alpha), bounds.upper(alpha)))
    if low > 0:  # a limit that is not known is neither
        told = "training adds to it"
    elif high < 0:
        told = "training takes from it"
    else:
        told = "what training adds is not settled"
    values = [float(v) for v in untrained]
    decimals = decimals_of_effect(None, low, high)
    difference, *limits = (rounded(v, decimals) for v in (effect, low, high))
    return Control(
        "untrained_baseline",
        f"In {len(values)} untrained networks {what} is {from_to(values, 2)}; trained - untrained is "
        f"{difference} [{', '.join(limits)}]: {told}.",
        {"difference": effect, "low": low, "high": high, "untrained": values},
    )
