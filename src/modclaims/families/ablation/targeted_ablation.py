"""TargetedAblation: take out what answers a category; does the network lose that category?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.ablation.figures.dose_curve import DoseCurve
from modclaims.families.ablation.modules import NOUNS, SITES, Modules, Split, listed, matching, stability
from modclaims.families.common.plan_parts import labelled
from modclaims.families.common.responses import responses
from modclaims.families.common.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look, TestSettings
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import CountedLevel, TestPlan, counted_bounds
from modclaims.recording import PARTS, REMOVALS, Ablation, Activations, Loss, ModelShape, Positions, Recording, Request
from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.resamples import resample, resample_groups
from modclaims.stats.bounds.splits import MedianBounds, halves, part
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.merging import FACTOR
from modclaims.stats.chance.permutation import stratum_centred
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.nulls.matched_sets import Moves, Places, TextsAndSets, WeakestBounds, most_images, side_by_side
from modclaims.stats.nulls.null_objects import MIN_DRAWS
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
MIN_SPLITS = 5


class TargetedAblation(Hypothesis):
    """Taking out the units that answer a category most hurts that category more than taking out as many others.

    On one half of the texts the most selective units of each category are picked (largest Hedges' g of
    the response against all other categories); on the other half they are ablated. The effect
    (importance) is the change of loss at the category's own texts, in nats per token, minus the mean
    change that matched sets make: as many units of the same layers and of like magnitude. Positive when
    the module hurts more than its matches. Cells are categories x `sizes`.

    p is the rank of the module among its matched sets, itself counted, the change being averaged over
    all splits; exact, and never below 1 / `sets` (1 / heads of a layer for single heads). Exchangeable
    under the null: a module and its images under moves of units inside groups of `neighbours` in
    magnitude of a layer. Bounds are those of the bootstrap-t over texts and matched sets, crossed;
    levels are merged over `splits`. The number is wrong where matched sets are no fair match: units that
    differ in more than magnitude, or groups so wide that magnitudes differ too. Ablation says what this
    network loses with `how` in the units' place, on these texts.

    Attributes
    ----------
    unit : str, default 'neuron'
        What is ablated. One of 'head', 'neuron', 'mlp_block' and 'attn_block'. Blocks have no others in
        their layer, and are held against those of other layers.
    how : str, default 'mean'
        What stands in an ablated unit's place. One of 'zero', 'mean' (its mean output over the tokens of
        `sources` texts) and 'resample' (its output in one of them).
    sizes : tuple[int, ...], default (8, 64)
        Units of a module, each once and ascending: the doses.
    modules : tuple[str, ...] | None, default None
        Values of `label` whose modules the claim speaks of; None for all.
    layers : tuple[int, ...] | None, default None
        Layers that modules are picked from, from 0, negative ones counted from the last; None for all.
    tokens : int, default 32
        Tokens at the start of each text that selectivity and losses are measured on: at least 4.
    sets : int, default 40
        Matched sets, the module among them: at least 2. No p is smaller than 1 / sets.
    neighbours : int, default 40
        Units next to each other in magnitude, in their layer, that may stand in for one another: at
        least 2. Fewer are better matched; where `sets` asks for more, layers move apart.
    splits : int, default 5
        Splits of the texts in halves, each with forward passes of its own: at least 5.
    sources : int, default 16
        Texts, spread evenly over the corpus, that 'mean' and 'resample' take their values from: at
        least 2.
    holds : Holds, default somewhere()
        For which modules (categories x sizes): somewhere(), everywhere() or in_fraction(0.5).
    label : str, default 'category'
        Column of the corpus whose values are the categories.
    within : str | None, default None
        Column whose values (strata) splits and resamples keep as they are; None for none. Another
        column than `label`.
    smallest_effect : float, default 0.02
        Nats per token, at least 0.

    References
    ----------
    Hedges (1981), Distribution theory for Glass's estimator of effect size and related estimators. Owen
    (2007), The pigeonhole bootstrap. Gasparin, Wang & Ramdas (2025), Combining exchangeable p-values.

    Examples
    --------
    >>> from modclaims import TargetedAblation
    >>> from modclaims.calibration.examples import planted
    >>> class NeuronsCarryTheirCategory(TargetedAblation):
    ...     "Without a category's neurons its texts are predicted worse."
    >>> print(planted(NeuronsCarryTheirCategory, 3))
    SUPPORTED  importance 0.07 [0.05, 0.10] at 1 unit for 'c0'
    >>> print(planted(NeuronsCarryTheirCategory, 0))
    INCONCLUSIVE  importance 0.01 [-0.02, 0.03] at 1 unit for 'c0'
    """

    unit: str = "neuron"
    how: str = "mean"
    sizes: tuple[int, ...] = (8, 64)
    modules: tuple[str, ...] | None = None
    layers: tuple[int, ...] | None = None
    tokens: int = 32
    sets: int = 40
    neighbours: int = 40
    splits: int = 5
    sources: int = 16
    holds: Holds = somewhere()
    smallest_effect: float = 0.02
    effect_name: ClassVar[str] = "importance"

    least_sets: ClassVar[int] = 2
    every_text: ClassVar[bool] = False
    """Whether texts of all categories are read without a category's module."""

    # ---- what is asked for

    def validate(self) -> None:
        super().validate()
        if self.unit not in PARTS:
            raise ClaimError(f"Unit {self.unit!r} is unknown; choose one of {', '.join(PARTS)}.")
        if self.how not in REMOVALS:
            raise ClaimError(f"how = {self.how!r} is unknown; choose one of {', '.join(REMOVALS)}.")
        if not self.sizes or min(self.sizes) < 1 or list(self.sizes) != sorted(set(self.sizes)):
            raise ClaimError(f"sizes = {self.sizes} must name numbers of units, each once, ascending.")
        if self.modules is not None and not self.modules:
            raise ClaimError("modules = () names no category; leave it None for all.")
        if self.tokens < 4:
            raise ClaimError(f"tokens = {self.tokens}: a loss over fewer than 4 tokens says too little.")
        if self.sets < self.least_sets:
            raise ClaimError(f"sets = {self.sets}: at least {self.least_sets} are needed, the module among them.")
        if self.neighbours < 2:
            raise ClaimError(
                f"neighbours = {self.neighbours}: a unit alone has none to stand in for it; at least 2 are needed."
            )
        if self.splits < MIN_SPLITS:
            raise ClaimError(f"splits = {self.splits}: one split is a lottery, at least {MIN_SPLITS} are needed.")
        if self.sources < 2:
            raise ClaimError(f"sources = {self.sources}: values are taken from at least 2 texts.")

    def check(self, before: PlanContext) -> None:
        units = Units.of(before.corpus, self.label, self.within)
        units.check_halves(self.label)
        self._categories(units.design)

    def _categories(self, design: Design) -> tuple[str, ...]:
        known = tuple(sorted(design.names))
        if unknown := [name for name in self.modules or () if name not in known]:
            raise ClaimError(f"modules names {unknown[0]!r}; {self.label} has: {', '.join(known)}.")
        return known if self.modules is None else tuple(name for name in known if name in self.modules)

    def response_request(self) -> Activations:
        """What modules are picked by: responses at all tokens read but the first."""
        read = Positions(f"1:{self.tokens}")
        return Activations(SITES[self.unit], self.layers, "mean" if self.unit == "neuron" else "norm", read)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self.response_request()
        available = len(shape.resolve_layers(mine)) * shape.parts(self.unit)
        if max(self.sizes) > available // 2:
            raise ClaimError(
                f"sizes = {self.sizes}: of {available} {NOUNS[self.unit]} a module takes at most half, so that others are left."
            )
        if not shape.causal:
            raise ClaimError(f"Model {shape.name!r} is not causal and has no next-token loss; choose a causal model.")
        return (mine, *self._whole())

    def _whole(self) -> tuple[Request, ...]:
        """What is measured on the whole network."""
        return (Loss(tokens=self.tokens),)

    def further_passes(self, corpus: Corpus, shape: ModelShape) -> int:
        design = Units.of(corpus, self.label, self.within).design
        categories = self._categories(design)
        counts = {name: int((design.labels == design.names.index(name)).sum()) for name in categories}
        layers = len(shape.resolve_layers(self.response_request()))
        size, turns = self.moves_of(shape)
        sets = sum(most_images(size, turns, layers, m) for m in self.sizes)
        texts = (
            len(categories) * len(corpus) if self.every_text else round(len(corpus) / design.n * sum(counts.values()))
        )
        # half of the texts in every split; the network as it is once more each time; and the texts that values come from
        return -(-texts * sets * self.splits // 2) + len(corpus) + (self.sources if self.how != "zero" else 0)

    def moves_of(self, shape: ModelShape) -> tuple[int, int]:
        """Size of groups and number of turns of the moves on a network, before magnitudes are known."""
        layers = shape.resolve_layers(self.response_request())
        flat = {(layer, i): 0.0 for layer in layers for i in range(shape.parts(self.unit))}
        moves = self._moves(flat)
        return moves.size, moves.turns

    def _moves(self, magnitude: Mapping[tuple[int, int], float]) -> Moves:
        return Moves.of(
            magnitude,
            self.sets,
            neighbours=self.neighbours,
            among_layers=self.unit.endswith("block"),
            apart=max(self.sizes) > 1,
        )

    def _source(self, corpus: Corpus) -> tuple[str, ...]:
        if self.how == "zero":
            return ()
        ids = sorted(text.id for text in corpus.texts)
        count = min(self.sources, len(ids))
        return tuple(ids[k * len(ids) // count] for k in range(count))

    def _without(self, places: Places, recording: Recording, *, keep: bool = False) -> Ablation:
        return Ablation(self.unit, places, self.how, self._source(recording.corpus), keep)

    # ---- what is picked

    def picked(self, recording: Recording, weighing: TestSettings) -> Modules:
        """The modules of every split. Only the first half of a split's texts is asked which units are selective."""
        units = Units.of(recording.corpus, self.label, self.within)
        design, name = units.design, type(self).__name__
        cells, values = responses(recording, self.response_request(), self.unit)
        places = [(cell.layer or 0, cell.head or cell.axis or 0) for cell in cells]
        magnitude = dict(zip(places, np.abs(values).mean(axis=0).tolist(), strict=True))
        moves = self._moves(magnitude)
        use = [i for i, place in enumerate(places) if place in moves.slots]
        y = units.responses(values)[:, use]
        categories = self._categories(design)
        found = []
        for split in range(self.splits):
            first, second = halves(design, stream(weighing.seed, name, design.digest, "split", str(split)))
            half = part(design, first)
            centred = stratum_centred(y[first], half)
            chosen: dict[tuple[str, int], Places] = {}
            for category in categories:
                own = half.labels == half.names.index(category)
                order = np.argsort(-_selectivity(centred[own], centred[~own]), kind="stable")
                for m in self.sizes:
                    chosen[category, m] = tuple(sorted(places[use[i]] for i in order[:m]))
            found.append(Split(first, second, part(design, second), chosen))
        return Modules(units, tuple(found), moves, magnitude, categories, tuple(t.id for t in recording.corpus.texts))

    def held_against(self, modules: Modules, places: Places) -> tuple[Places, ...]:
        """A set's matched sets by move, itself first."""
        return modules.moves.images(places)

    def _tried(self, modules: Modules) -> Iterator[tuple[Split, str, int, tuple[Places, ...], NDArray[np.int64]]]:
        """Every split, category and size: the sets that are taken out, and the test units that are read without them."""
        for split in modules.splits:
            for (category, m), places in split.modules.items():
                where = split.second if self.every_text else modules.of_category(split, category)
                yield split, category, m, self.held_against(modules, places), where

    def further(self, recording: Recording, weighing: TestSettings) -> tuple[Request, ...]:
        return tuple(self._losses(self.picked(recording, weighing), recording).values())

    def _losses(self, modules: Modules, recording: Recording) -> dict[Places, Loss]:
        """One request a distinct set, for all texts that any split reads without it."""
        needed: dict[Places, set[int]] = {}
        for _, _, _, sets, where in self._tried(modules):
            texts = modules.members(where)
            for places in sets:
                needed.setdefault(places, set()).update(texts)
        return {
            places: Loss(
                ablation=self._without(places, recording),
                tokens=self.tokens,
                texts=tuple(modules.texts[i] for i in sorted(texts)),
            )
            for places, texts in needed.items()
        }

    def _changes(self, modules: Modules, recording: Recording) -> dict[Places, Floats]:
        """By set, (text,) loss without it minus loss of the whole network; not a number where a text was not read."""
        whole = np.asarray(recording.array(Loss(tokens=self.tokens)), dtype=np.float64)
        at = {name: i for i, name in enumerate(modules.texts)}
        found = {}
        for places, request in self._losses(modules, recording).items():
            values = np.full(len(whole), np.nan)
            where = [at[name] for name in request.texts or ()]
            values[where] = np.asarray(recording.array(request), dtype=np.float64) - whole[where]
            found[places] = values
        return found

    # ---- what it amounts to

    def plan(self, before: PlanContext) -> TestPlan:
        made, (size, turns) = self._planned(before), self.moves_of(before.shape)
        layers = len(before.shape.resolve_layers(self.requests(before.shape)[0]))
        units = self.sizes[0] if self.holds.needed(len(self.sizes)) == len(self.sizes) else self.sizes[-1]
        # further moves repeat these images, and tie with them; splits that pick in different layers have more together
        images, rows = most_images(size, turns, layers, units * self.splits), size * turns
        return replace(
            made,
            action="moving units to others of their layer and magnitude",
            test=CountedLevel(rows, True, "sets", rows / images),
            arrangements=images,
        )

    def _planned(self, before: PlanContext) -> TestPlan:
        """What claims about ablation share: a cell per category and size, and no test."""
        units = Units.of(before.corpus, self.label, self.within)
        categories = len(self.modules or units.design.names)
        return replace(
            labelled(self, units, before),
            action=f"resampling {units.resampled} of halves and matched sets",
            bounds=counted_bounds(before, [0], FACTOR),
            cells=categories * len(self.sizes),
        )

    def measure(self, look: Look) -> Measured:
        modules = self.picked(look.recording, look.settings)
        changes = self._changes(modules, look.recording)
        of_units = {places: modules.units.responses(v[:, None])[:, 0] for places, v in changes.items()}
        found, cells = Ablated(modules, of_units), self._cells(modules)
        return self._measured(look, modules, self._bounds(look, found, cells), self._test(found, cells), found)

    def _cells(self, modules: Modules) -> tuple[Cell, ...]:
        """A cell for every module: categories x sizes."""
        return tuple(Cell(category=c, size=m) for c in modules.categories for m in self.sizes)

    def _measured(
        self, look: Look, modules: Modules, bounds: Bounds, test: NullTest | None, payload: object
    ) -> Measured:
        """What was measured, of the texts (or blocks) of all splits."""
        return Measured(
            self._cells(modules),
            self.effect_name,
            bounds,
            test,
            len(look.corpus),
            modules.units.n,
            unit=modules.units.unit,
            resampled=f"{modules.units.resampled} and matched sets",
            payload=payload,
        )

    def _contrasts(self, design: Design, category: str) -> Floats:
        """(contrast, category) weights of what the claim says of one module; all of them must hold."""
        return np.eye(design.k)[[design.names.index(category)]]

    def _bounds(self, look: Look, ablated: Ablated, cells: Sequence[Cell]) -> Bounds:
        modules, changes = ablated.modules, ablated.changes
        parts = []
        for number, split in enumerate(modules.splits):
            found = []
            for cell in cells:
                places = split.modules[cell.category or "", cell.size or 0]
                own = changes[places][split.second]
                others = np.stack([changes[p][split.second] for p in self._others(modules, places)])
                drawn = self._drawn(look, modules, number, len(others))
                # texts that were not read without these sets weigh nothing
                own, others = np.nan_to_num(own), np.nan_to_num(others)
                found += [
                    bootstrap_t(drawn.contrast(own, others, weights), drawn.resamples)
                    for weights in self._contrasts(split.design, cell.category or "")
                ]
            parts.append(side_by_side(found))
        return self._combined(MedianBounds.of(parts), len(cells))

    def _combined(self, bounds: Bounds, cells: int) -> Bounds:
        """One bound a cell, from those of its contrasts."""
        count = len(bounds.theta) // cells
        if count == 1:
            return bounds
        return WeakestBounds.of(bounds, [np.arange(c * count, (c + 1) * count) for c in range(cells)])

    def _others(self, modules: Modules, places: Places) -> tuple[Places, ...]:
        """Distinct matched sets, the module itself not among them."""
        return tuple(dict.fromkeys(p for p in self.held_against(modules, places) if p != places))

    def _drawn(self, look: Look, modules: Modules, number: int, sets: int) -> TextsAndSets:
        """Resamples of the test texts of one split, by its number, and of so many matched sets; of texts alone where none."""
        digest, count = modules.units.design.digest, look.settings.resamples
        split = modules.splits[number]
        # inside categories alone: what strata differ by counts as spread, and few texts a stratum would leave too few
        design = replace(split.design, strata=np.zeros_like(split.design.strata))
        texts = resample(design, count=count, rng=look.rng("resamples", str(number), design=digest))
        if not sets:
            return TextsAndSets.of(texts, None, split.design)
        rng = look.rng("sets", str(number), str(sets), design=digest)
        drawn = resample_groups(np.zeros(sets, dtype=np.int64), count=count, rng=rng)
        return TextsAndSets.of(texts, drawn, split.design)

    def _test(self, ablated: Ablated, cells: Sequence[Cell]) -> NullTest | None:
        """Ranks of the modules among their images, the change at own texts being averaged over splits."""
        modules = ablated.modules
        null = np.zeros((modules.moves.count, len(cells)))
        for column, cell in enumerate(cells):
            category, m = cell.category or "", cell.size or 0
            for split in modules.splits:
                where = modules.of_category(split, category)
                for row, places in enumerate(self.held_against(modules, split.modules[category, m])):
                    null[row, column] += ablated.changes[places][where].mean() / len(modules.splits)
        tolerance = 1e-9 * np.abs(null).max(axis=0, initial=0.0)
        return NullTest.of(
            "mean change of loss",
            null,
            tolerance,
            exact=True,
            action="moving units to others of their layer and magnitude",
            by=self.adjust,
        )

    # ---- what stands beside it

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        ablated, cell = measured.kept(Ablated), measured.cells[named]
        return [RivalResult(self._ranks(ablated, cell)), *self._of_modules(ablated.modules, cell)]

    def _of_modules(self, modules: Modules, cell: Cell) -> list[RivalResult]:
        """How near in magnitude the matched sets of one module are, and how much splits agree on it."""
        return [RivalResult(matching(modules, cell)), RivalResult(stability(modules, cell, self.unit))]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        return (self._curve(measured.kept(Ablated), measured.bounds),)

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        ablated = measured.kept(Ablated)
        return Words(
            note=self._note(ablated.modules),
            detail=self._detail(ablated, measured.cells[named]),
            warnings=ablated.modules.units.warnings + self._few(ablated.modules),
        )

    def _few(self, modules: Modules) -> tuple[str, ...]:
        fewest = min(len(self._others(modules, p)) for split in modules.splits for p in split.modules.values())
        if fewest >= MIN_DRAWS:
            return ()
        return (
            f"A module has only {fewest} matched sets beside it; below {MIN_DRAWS} a bound over them is measured but not promised.",
        )

    def _note(self, modules: Modules) -> str:
        return (
            f"{NOUNS[self.unit]}, ablation by {self.how}, {self.tokens} tokens; {modules.moves.count} sets of the same layers and "
            f"like magnitude each, the module among them; modules picked on one half of the texts and tested on the other"
            + modules.units.note
        )

    def _ranks(self, ablated: Ablated, cell: Cell) -> Control:
        """How the module stands among its matched sets, split by split."""
        modules, changes = ablated.modules, ablated.changes
        category, m = cell.category or "", cell.size or 0
        ranks, counts = [], []
        for split in modules.splits:
            where, places = modules.of_category(split, category), split.modules[category, m]
            own = changes[places][where].mean()
            others = [changes[p][where].mean() for p in self._others(modules, places)]
            ranks.append(1 + sum(other >= own for other in others))
            counts.append(1 + len(others))
        middle = float(np.median(ranks))
        return Control(
            "matched_sets",
            f"Among sets of as many units of its layers and of like magnitude, the module of {cell} ranks {middle:g} of "
            f"{round(float(np.median(counts)))} by what its own texts lose (median over {len(ranks)} splits; 1 is the most).",
            {"rank": ranks, "sets": counts},
        )

    def _detail(self, ablated: Ablated, cell: Cell) -> str:
        """What own texts lose without the module, and without a matched set."""
        modules, changes = ablated.modules, ablated.changes
        category, m = cell.category or "", cell.size or 0
        own, others = [], []
        for split in modules.splits:
            where, places = modules.of_category(split, category), split.modules[category, m]
            own.append(changes[places][where].mean())
            others.append(np.mean([changes[p][where].mean() for p in self._others(modules, places)]))
        return f"Without it texts of {category!r} lose {np.mean(own):.3f} nats a token; without a matched set {np.mean(others):.3f}."

    def _curve(self, ablated: Ablated, bounds: Bounds) -> Exhibit:
        """What own texts lose by size of the module, with the range of matched sets."""
        modules, changes = ablated.modules, ablated.changes
        shape = (len(modules.categories), len(self.sizes))
        own, low, middle, high = (np.zeros(shape) for _ in range(4))
        for i, category in enumerate(modules.categories):
            for j, m in enumerate(self.sizes):
                for split in modules.splits:
                    where, places = modules.of_category(split, category), split.modules[category, m]
                    others = np.array([changes[p][where].mean() for p in self._others(modules, places)])
                    own[i, j] += changes[places][where].mean() / len(modules.splits)
                    found = (others.min(), others.mean(), others.max())
                    for total, value in zip((low, middle, high), found, strict=True):
                        total[i, j] += value / len(modules.splits)
        words = "; ".join(
            f"{category} {', '.join(f'{a:.3f} (matched {b:.3f})' for a, b in zip(own[i], middle[i], strict=True))}"
            for i, category in enumerate(modules.categories)
        )
        return DoseCurve(
            f"What texts lose without their module, by number of {NOUNS[self.unit]}",
            f"Change of loss at own texts in nats a token, modules of {listed(self.sizes)} units, means over splits: {words}.",
            size=np.array(self.sizes),
            own=own,
            matched=middle,
            matched_low=low,
            matched_high=high,
            effect=bounds.effect.reshape(shape),
            categories=tuple(modules.categories),
            unit=NOUNS[self.unit],
        ).exhibit()


@dataclass(frozen=True)
class Ablated:
    """What units lose without the modules of every split, and without the sets that these are held against."""

    modules: Modules
    changes: Mapping[Places, Floats]
    """By set that is taken out, (unit,) loss without it minus loss of the whole network, in nats a token; not a number where
    no split reads a unit without the set."""


def _selectivity(inside: Floats, outside: Floats) -> Floats:
    """(cell,) standardised mean differences of (unit, cell) responses: Hedges' g but for a factor that all cells share.

    0 where nothing varies, so that a unit without any response is never preferred.
    """
    freedom = len(inside) + len(outside) - 2
    squares = sum(((y - y.mean(axis=0)) ** 2).sum(axis=0) for y in (inside, outside))
    with np.errstate(divide="ignore", invalid="ignore"):
        g = (inside.mean(axis=0) - outside.mean(axis=0)) / np.sqrt(squares / freedom)
    return np.asarray(np.nan_to_num(g, nan=0.0, posinf=0.0, neginf=0.0))
