"""Agreement of the statistics with recorded results of other software, one line a comparison.

    python scripts/witnesses.py FOLDER

FOLDER holds what R (vegan, multtest, boot, statmod) and scikit-bio said of data that lie beside their answers, in
`cases`, `nested`, `mantel`, `multtest`, `adjust`, `bca`, `cluster_boot`, `tail` and `tost`. The data carry terms of
their own, so they are no part of this project. Of every quantity: ours, theirs, difference, tolerance, ok or NO.
A quantity that this library deliberately lacks is computed by the one that it leans on, named in brackets; what cannot
be compared is listed with the reason. Exit 1 if any misses.

Tolerances: statistics 1e-9 relative; exact counts equal; a Monte Carlo p of theirs (m draws) against ours (k draws)
4 sqrt(p (1 - p) (1/m + 1/k)) + 2/min(m, k); corrections, TOST and bootstraps with stored indices 1e-12.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modclaims.hypothesis import Hypothesis
from modclaims.measured import Measured
from modclaims.outcome import Outcome
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.replicates import standard_errors
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Arrangements, Design, count_arrangements, index_permutations, relabellings
from modclaims.stats.chance.multiplicity import Correction, adjust, clopper_pearson, weigh_cells
from modclaims.stats.chance.permutation import Pairs, anosim_null, doubled_midranks, f_null, gap_null
from modclaims.stats.effects.pair_effects import cliffs_delta, gap
from modclaims.stats.effects.rivals import category_ss, distances_to_centroid, permanova, pseudo_f2_null
from modclaims.stats.effects.two_groups import auc, hedges_g
from modclaims.stats.evidence import Cell, Evidence, NullTest
from modclaims.stats.nulls.null_objects import mean_replicates
from modclaims.stats.streams import stream
from modclaims.summaries import summarise
from modclaims.verdict import judge

Floats = NDArray[np.float64]
Orders = NDArray[np.int64]
Record = dict[str, Any]
DRAWS = 9999
THEIR_DRAWS = 99_999
"""Where a record does not say how many were drawn."""
ALL = math.inf
"""Draws of a p that was counted over all arrangements."""
STATISTIC, EXACT = 1e-9, 1e-12


# ---- what was compared


@dataclass
class Ledger:
    """The comparisons of one folder: each is printed as it is made."""

    folder: str
    about: str = ""
    """What the next lines speak of."""
    made: int = 0
    values: int = 0
    missed: int = 0
    worst: dict[str, float] = field(default_factory=dict)
    """Largest difference by kind."""

    def same(self, what: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float = STATISTIC) -> None:
        """Numbers, relative to theirs (of many: to no less than a millionth of the largest); the worst is shown."""
        a, b = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (ours, theirs))
        if a.shape != b.shape:
            self._line(what, str(a.shape), str(b.shape), math.inf, tolerance, "relative", b.size)
            return
        floor = max(1e-6 * float(np.abs(b).max(initial=0.0)), 1e-300)
        apart = np.nan_to_num(np.abs(a - b) / np.maximum(np.abs(b), floor), nan=np.inf)
        at = np.unravel_index(int(apart.argmax()), a.shape)
        self._line(what, f"{a[at]:.12g}", f"{b[at]:.12g}", float(apart[at]), tolerance, "relative", b.size)

    def near(self, what: str, ours: float, theirs: float, tolerance: float) -> None:
        """Two numbers, by their difference itself."""
        self._line(what, f"{ours:.12g}", f"{theirs:.12g}", abs(ours - theirs), tolerance, "absolute")

    def count(self, what: str, ours: ArrayLike, theirs: ArrayLike) -> None:
        """Whole numbers, which must all be equal; of many the sums are shown."""
        a, b = (np.atleast_1d(np.asarray(v)) for v in (ours, theirs))
        apart = float(np.abs(a - b).max()) if a.shape == b.shape else math.inf
        self._line(what, f"{int(a.sum()):,}", f"{int(b.sum()):,}", apart, 0, "count", b.size)

    def word(self, what: str, ours: str, theirs: str) -> None:
        """Two words, which must be equal."""
        self._line(what, ours, theirs, float(ours != theirs), 0, "word")

    def drawn(self, what: str, ours: float, theirs: float, *, ours_of: float, theirs_of: float) -> None:
        """Two p-values and what they were drawn from."""
        p = (ours + theirs) / 2
        error = 4 * math.sqrt(p * (1 - p) * (1 / ours_of + 1 / theirs_of)) + 2 / min(ours_of, theirs_of)
        kind = "Monte Carlo" if error else "absolute"
        self._line(what, f"{ours:.6g}", f"{theirs:.6g}", abs(ours - theirs), max(error, EXACT), kind)

    def left_out(self, what: str, why: str) -> None:
        """A recorded quantity that is not compared."""
        print(f"{self.folder}: {self.about}: {what}: not compared: {why}")

    def _line(
        self, what: str, ours: str, theirs: str, apart: float, tolerance: float, kind: str, values: int = 1
    ) -> None:
        ok = apart <= tolerance
        self.made, self.values, self.missed = self.made + 1, self.values + values, self.missed + (not ok)
        self.worst[kind] = max(self.worst.get(kind, 0.0), apart)
        many = f" ({values:,} values)" if values > 1 else ""
        print(
            f"{self.folder}: {self.about}: {what}{many}: ours {ours}, theirs {theirs}, {kind} difference {apart:.1e}, "
            f"tolerance {tolerance:.1e}: {'ok' if ok else 'NO'}"
        )


# ---- reading


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table with names above its columns."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_numbers(path: Path) -> Floats:
    """A table of numbers, without the names above its columns and the ids that open its rows, if it has them."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if rows[0][0] == "id":
        rows = [row[1:] for row in rows[1:]]
    elif any(letter.isalpha() for letter in rows[0][0].replace("e", "")):
        rows = rows[1:]
    return np.array([[float(value) for value in row] for row in rows])


# ---- what several folders need


def observed(design: Design) -> Arrangements:
    return Arrangements(design.labels[None].astype(np.int16), True, 1)


def drawn_from(arrangements: Arrangements) -> float:
    return ALL if arrangements.exact else len(arrangements.labels) - 1


def chance(name: str, design: Design, blocks: Sequence[str] | None = None) -> Arrangements:
    """All relabellings where they are few, else draws."""
    return relabellings(design, budget=DRAWS, rng=stream(0, name, design.digest, "witnesses"), blocks=blocks)


def extreme(null: Floats) -> int:
    """How many arrangements are at least as extreme as row 0; within 1e-9 they tie."""
    column = null.reshape(-1, 1)
    return int(weigh_cells(column, np.array([1e-9 * max(1.0, abs(float(column[0, 0])))])).exceed[0])


def r_of(vector: Floats, design: Design, pairs: Pairs) -> float:
    """ANOSIM's R of distances (pair,): Cliff's delta of their negatives, every pair weighing the same."""
    alone = Resamples(np.ones((1, design.n)), design.cells)
    return float(cliffs_delta(-vector[:, None], design, pairs, alone, pooled=True).value[0, 0])


def f_of(vector: Floats, design: Design, pairs: Pairs, arrangements: Arrangements) -> Floats:
    """(arrangement,) PERMANOVA's F of category, from distances (pair,)."""
    squared = vector**2
    within = category_ss(squared[:, None], pairs, design, arrangements.labels)[0].sum(axis=(1, 2))
    total = float(squared.sum()) / design.n
    return np.asarray((total - within) / (design.k - 1) / (within / (design.n - design.k)))


def mrpp_of(vector: Floats, design: Design, pairs: Pairs, arrangements: Arrangements) -> Floats:
    """(arrangement, weight type) MRPP's delta of distances (pair,), from sums over the pairs of every category."""
    sizes = design.counts.sum(axis=1).astype(float)
    means = category_ss(vector[:, None], pairs, design, arrangements.labels)[0][:, :, 0] * 2 / (sizes - 1)
    weights = np.stack([sizes, sizes - 1, sizes * (sizes - 1)])
    return np.asarray(means @ (weights / weights.sum(axis=1, keepdims=True)).T)


def ranks(vector: Floats) -> Floats:
    """Mid-ranks where only equal numbers tie, as R and scikit-bio have them."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(vector), dtype=np.float64)


def compare_r(ledger: Ledger, vector: Floats, design: Design, pairs: Pairs, theirs: float) -> None:
    """ANOSIM's R: with ties where theirs has them, and with those besides that rounding hides."""
    strict = ranks(vector)
    ledger.same("ANOSIM R (our Cliff's delta of their ranks)", r_of(strict, design, pairs), theirs)
    same = design.labels[pairs.i] == design.labels[pairs.j]

    def tied(groups: Floats) -> int:
        return sum(int(same[groups == g].sum()) * int((~same[groups == g]).sum()) for g in np.unique(groups))

    ours, torn = r_of(vector, design, pairs), tied(doubled_midranks(vector)) - tied(strict)
    if torn:
        what = f"ANOSIM R (our Cliff's delta), with {torn:,} ties of within and between that rounding hid from theirs"
        ledger.near(what, ours, theirs, torn / (int(same.sum()) * int((~same).sum())))
    else:
        ledger.same("ANOSIM R (our Cliff's delta)", ours, theirs)


# ---- cases: distances in categories


@dataclass(frozen=True)
class Case:
    """One recorded distance matrix with its categories, and what chance may do to them."""

    name: str
    distance: Floats
    design: Design
    pairs: Pairs
    every: Arrangements
    stratified: bool

    @classmethod
    def read(cls, folder: Path) -> Case:
        """From `dist.csv` and `units.csv`; labels move inside strata where there are such, statistics ignore them."""
        units = read_rows(folder / "units.csv")
        groups = [unit["group"] for unit in units]
        strata = [unit["stratum"] for unit in units] if "stratum" in units[0] else None
        design = Design.of(groups)
        every = chance(folder.name, Design.of(groups, strata))
        distance = read_numbers(folder / "dist.csv")
        return cls(folder.name, distance, design, Pairs.of(design), every, strata is not None)

    @property
    def vector(self) -> Floats:
        """(pair,) distances."""
        return self.pairs.vector(self.distance)

    @property
    def similarities(self) -> Floats:
        """(pair, 1) distances turned over."""
        return -self.vector[:, None]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(category,) number of units."""
        return np.asarray(self.design.counts.sum(axis=1))

    @property
    def equal(self) -> bool:
        """Whether all categories have as many units."""
        return len(np.unique(self.sizes)) == 1

    def compare_p(self, ledger: Ledger, what: str, null: Floats, record: Record) -> None:
        """The p of row 0 of a null of `every`, against one of vegan's."""
        complete = record["permutations"] == math.factorial(self.design.n) - 1 and not self.stratified
        how = "labels exchanged inside strata" if self.stratified else "free labels"
        ledger.drawn(
            f"p of {what}, {how}",
            extreme(null) / len(null),
            record["p"],
            ours_of=drawn_from(self.every),
            theirs_of=ALL if complete else record["permutations"],
        )


def cases(folder: Path, ledger: Ledger) -> None:
    for one in sorted(folder.iterdir()):
        case = Case.read(one)
        ledger.about = case.name
        vegan = read_json(one / "expected_vegan.json")
        compare_vegan(case, vegan, ledger)
        compare_means(case, vegan, ledger)
        compare_silhouettes(case, vegan["effects"], ledger)
        compare_spread(case, vegan["betadisper"], ledger)
        if (one / "expected_exact.json").exists():
            ledger.about = f"{case.name}, every labelling"
            compare_exact(case, read_json(one / "expected_exact.json"), ledger)
        if (one / "expected_skbio.json").exists():
            ledger.about = f"{case.name}, scikit-bio"
            compare_scikit_bio(case, read_json(one / "expected_skbio.json"), ledger)


def compare_vegan(case: Case, theirs: Record, ledger: Ledger) -> None:
    """ANOSIM, PERMANOVA and F2."""
    design, pairs, every, vector = case.design, case.pairs, case.every, case.vector
    compare_r(ledger, vector, design, pairs, theirs["anosim"]["R"])
    case.compare_p(ledger, "ANOSIM R", anosim_null(case.similarities, pairs, design, every), theirs["anosim"])

    squared, effects, adonis = vector[:, None] ** 2, theirs["effects"], theirs["adonis2"]
    found = permanova(squared, pairs, design)
    within = float(category_ss(squared, pairs, design, observed(design).labels)[0].sum())
    total = float(squared.sum()) / design.n
    df = [design.k - 1, design.n - design.k, design.n - 1]
    among = [effects[f"SS_{part}"] for part in ("among", "within", "total")]
    f2 = pseudo_f2_null(squared, pairs, design, observed(design))[0][0]
    for what, ours, record in (
        ("adonis2 F", found.f, adonis["F"]),
        ("adonis2 R2", found.r2, adonis["R2"]),
        ("adonis2 SumOfSqs", [total - within, within, total], adonis["SumOfSqs"]),
        ("sums of squares", [total - within, within, total], among),
        ("degrees of freedom", df, adonis["df"]),
        ("omega^2", found.omega2, effects["omega2"]),
        ("adjusted R2", 1 - (1 - found.r2) * df[2] / df[1], effects["adj_R2"]),
        ("F2 (Anderson, Walsh & Clarke 2017)", f2, effects["F2_behrens_fisher_anderson2017"]),
    ):
        ledger.same(what, ours, record)
    case.compare_p(ledger, "PERMANOVA F", f_of(vector, design, pairs, every), adonis)
    if case.stratified:
        ledger.left_out("statistics that average over strata", "vegan's take all pairs, whatever may be exchanged")


def compare_means(case: Case, theirs: Record, ledger: Ledger) -> None:
    """The gap and MRPP. Means of categories are read off our gap of distances that are blank elsewhere."""
    from pingouin import compute_effsize

    design, pairs, vector, effects = case.design, case.pairs, case.vector, theirs["effects"]
    a, b = design.labels[pairs.i], design.labels[pairs.j]
    couples = [(c, d) for c in range(design.k) for d in range(c + 1, design.k)]

    def part(c: int, d: int) -> float:
        here = ((a == c) & (b == d)) | ((a == d) & (b == c))
        return float(gap(np.where(here, vector, 0.0)[:, None], design, pairs)[0])

    inside = np.array([part(c, c) * design.k for c in range(design.k)])
    across = np.array([-part(c, d) * len(couples) for c, d in couples])
    within = float(np.average(inside, weights=case.sizes * (case.sizes - 1)))
    between = float(np.average(across, weights=[case.sizes[c] * case.sizes[d] for c, d in couples]))
    ours, pooled = float(gap(case.similarities, design, pairs)[0]), effects["diff_between_minus_within"]
    ledger.count("pairs within", int((a == b).sum()), effects["n_within_pairs"])
    ledger.count("pairs between", int((a != b).sum()), effects["n_between_pairs"])
    delta = r_of(ranks(vector), design, pairs)
    for what, value, record in (
        ("mean within (our gap's parts)", within, effects["mean_within"]),
        ("mean between (our gap's parts)", between, effects["mean_between"]),
        ("pooled difference (our gap's parts)", between - within, pooled),
        ("Cliff's delta of their ranks", delta, effects["cliffs_delta"]),
        ("AUC of their ranks", (delta + 1) / 2, effects["auc_between_gt_within"]),
        (
            "Cohen's d over pairs [pingouin]",
            compute_effsize(vector[a != b], vector[a == b], eftype="cohen"),
            effects["cohens_d_pairs_pooled"],
        ),
    ):
        ledger.same(what, value, record)

    deltas, overall = mrpp_of(vector, design, pairs, case.every), float(vector.mean())
    gaps = gap_null(case.similarities, pairs, design, case.every)[0][:, 0]
    means = dict(zip(design.names, inside, strict=True))
    for mrpp in theirs["mrpp"]:
        named, what = mrpp["classdelta"], f"MRPP, weight {mrpp['weight_type']}"
        null = deltas[:, mrpp["weight_type"] - 1]
        for quantity, value, record in (
            ("delta (our category sums)", null[0], mrpp["delta"]),
            ("A", 1 - null[0] / overall, mrpp["A"]),
            ("expected delta", overall, mrpp["E_delta"]),
            ("class deltas (our gap's parts)", [means[c] for c in named], list(named.values())),
        ):
            ledger.same(f"{what}: {quantity}", value, record)
        case.compare_p(ledger, what, -null, mrpp)
        if case.equal:  # all three weights are then ours
            ledger.same(f"{what}: mean between - delta (our gap)", ours, effects["mean_between"] - mrpp["delta"])
            case.compare_p(ledger, f"{what} (our gap)", gaps, mrpp)
    if case.equal:
        ledger.same("difference of means (our gap; sizes are equal)", ours, pooled)
    else:
        ledger.left_out(
            f"our gap, {ours:.6g} beside the pooled difference {pooled:.6g}, and its p",
            "in ours every category and every pair of categories weighs the same, which is none of MRPP's weights",
        )


def compare_silhouettes(case: Case, effects: Record, ledger: Ledger) -> None:
    from sklearn.metrics import silhouette_samples, silhouette_score

    labels, theirs = case.design.labels, effects["silhouette_by_group"]
    widths = silhouette_samples(case.distance, labels, metric="precomputed")
    means = {name: widths[labels == c].mean() for c, name in enumerate(case.design.names)}
    mean = silhouette_score(case.distance, labels, metric="precomputed")
    ledger.same("silhouette [scikit-learn]", mean, effects["silhouette_mean"])
    ledger.same("silhouettes of categories [scikit-learn]", [means[c] for c in theirs], list(theirs.values()))
    ledger.same("silhouettes of units [scikit-learn]", widths, effects["silhouette_widths"])


def compare_spread(case: Case, theirs: Record, ledger: Ledger) -> None:
    """PERMDISP around centroids, in all dimensions."""
    from scipy.stats import f as f_law

    design, record = case.design, theirs["centroid"]
    distances = distances_to_centroid([case.distance**2], design)
    means = {name: distances[design.labels == c].mean() for c, name in enumerate(design.names)}
    f = float(f_null(distances, design, observed(design))[0][0, 0])
    named = record["mean_distance_by_group"]
    ledger.same("betadisper distances to centroids", distances[:, 0], record["distances"])
    ledger.same("betadisper mean distances", [means[c] for c in named], list(named.values()))
    ledger.same("betadisper F", f, record["F"])
    ledger.same("betadisper p of the F law [scipy]", f_law.sf(f, *record["df"]), record["p_parametric"])
    residual = distances.copy()
    for c in range(design.k):
        residual[design.labels == c] -= distances[design.labels == c].mean()
    complete = math.factorial(design.n) - 1
    reached = float((f_null(residual, design, case.every)[0][1:, 0] >= f * (1 - 1e-9)).mean())
    ledger.drawn(
        "betadisper p of permuted residuals (our F)",
        reached + 1 / (1 + min(complete, THEIR_DRAWS)),
        record["p_perm"],
        ours_of=drawn_from(case.every),
        theirs_of=ALL if complete < THEIR_DRAWS else THEIR_DRAWS,
    )
    ledger.left_out("PERMDISP's p as reports have it", "distances are relabelled here, vegan permutes residuals")
    ledger.left_out("betadisper around spatial medians", "centroids only, in closed form")


def compare_exact(case: Case, theirs: Record, ledger: Ledger) -> None:
    """Counts over every distinct labelling, and over partitions: names of categories of one size swap."""
    design, pairs, vector, n = case.design, case.pairs, case.vector, theirs["n_labelings"]
    blind = relabellings(design, budget=DRAWS, rng=np.random.default_rng(0), blind="jointly")
    swaps = math.prod(math.factorial(int(alike)) for alike in np.unique(case.sizes, return_counts=True)[1])
    ledger.count("labellings", [count_arrangements(design), len(case.every.labels)], [n, n])
    ledger.count("partitions, times swaps of names", blind.total * swaps, n)
    inside = int((design.labels[pairs.i] == design.labels[pairs.j]).sum())

    def nulls(every: Arrangements) -> dict[str, Floats]:
        mrpp = mrpp_of(vector, design, pairs, every)
        within = mrpp[:, 2]
        return {
            "anosim_R": anosim_null(case.similarities, pairs, design, every)[:, 0],
            "permanova_F": f_of(vector, design, pairs, every),
            "diff_between_minus_within": (vector.sum() - within * inside) / (len(pairs) - inside) - within,
            **{f"mrpp_delta_w{w + 1}": -mrpp[:, w] for w in range(3)},
        }

    whole, parts = nulls(case.every), nulls(blind)
    for what, record in theirs["stats"].items():
        null, sign = whole[what], -1.0 if what.startswith("mrpp") else 1.0
        told = sign * null
        best = int((null >= null.max() - 1e-9).sum())
        ledger.same(what, told[0], record["observed"])
        ledger.count(f"{what}: labellings as extreme", extreme(null), record["count_ge"])
        ledger.count(f"{what}: partitions as extreme, times swaps", extreme(parts[what]) * swaps, record["count_ge"])
        ledger.same(f"{what}: smallest p", best / n, record["smallest_attainable_p_on_this_data"], EXACT)
        ledger.near(f"{what}: mean of the null", float(told.mean()), record["null_mean"], EXACT)
        shape = [record[f"null_{name}"] for name in ("sd", "min", "max")]
        ledger.same(f"{what}: sd, least and largest of the null", [told.std(), told.min(), told.max()], shape)
        distinct = 1 + int((np.diff(np.sort(null)) > 1e-9).sum())
        ledger.count(f"{what}: distinct values", distinct, record["n_distinct_values"])
    if case.equal:
        count = int(weigh_cells(*gap_null(case.similarities, pairs, design, case.every)).exceed[0])
        ledger.count("our gap, as extreme", count, theirs["stats"]["diff_between_minus_within"]["count_ge"])


def compare_scikit_bio(case: Case, theirs: Record, ledger: Ledger) -> None:
    from sklearn.metrics import silhouette_score

    design, pairs, vector = case.design, case.pairs, case.vector
    every = chance(case.name, design) if case.stratified else case.every  # it knows no strata
    found = permanova(vector[:, None] ** 2, pairs, design)
    mean = silhouette_score(case.distance, design.labels, metric="precomputed")
    compare_r(ledger, vector, design, pairs, theirs["anosim"]["R"])
    ledger.same("PERMANOVA F", found.f, theirs["permanova"]["F"])
    ledger.same("R2", found.r2, theirs["permanova"]["R2_derived"])
    ledger.same("silhouette [scikit-learn]", mean, theirs["sklearn_silhouette"])
    for what, null, record in (
        ("ANOSIM R", anosim_null(case.similarities, pairs, design, every), theirs["anosim"]),
        ("PERMANOVA F", f_of(vector, design, pairs, every), theirs["permanova"]),
    ):
        ours_of, theirs_of = drawn_from(every), theirs["permutations"]
        ledger.drawn(
            f"p of {what}, free labels", extreme(null) / len(null), record["p"], ours_of=ours_of, theirs_of=theirs_of
        )
    centre, record = np.eye(design.n) - 1 / design.n, theirs["permdisp_centroid"]
    eigenvalues = np.linalg.eigvalsh(-centre @ case.distance**2 @ centre / 2)
    rounding = 1e-9 * float(eigenvalues[-1])
    if "F" in record and eigenvalues[0] > -rounding and (eigenvalues > rounding).sum() <= 10:
        f = f_null(distances_to_centroid([case.distance**2], design), design, observed(design))[0][0, 0]
        ledger.same("permdisp F around centroids", f, record["F"])
    else:
        why = "its ordination failed, or left out what lies beyond ten dimensions or is not Euclidean"
        ledger.left_out("permdisp around centroids", why)
    ledger.left_out("permdisp around spatial medians", "centroids only, in closed form")


# ---- nested: relabelling inside blocks


def nested(folder: Path, ledger: Ledger) -> None:
    for path in sorted(folder.glob("*_units.csv")):
        ledger.about = name = path.name.removesuffix("_units.csv")
        units, distance = read_rows(path), read_numbers(folder / f"{name}_dist.csv")
        exact, theirs = read_json(folder / f"{name}_exact.json"), read_json(folder / f"{name}_expected.json")
        design = Design.of([unit["NO3"] for unit in units])
        pairs = Pairs.of(design)
        vector, record = pairs.vector(distance), theirs["complete_within_block"]
        inside, free = chance(name, design, [unit["field"] for unit in units]), chance(name, design)
        found = permanova(vector[:, None] ** 2, pairs, design)
        compare_r(ledger, vector, design, pairs, record["anosim_R"])
        ledger.same("adonis2 F", found.f, record["F"])
        ledger.same("adonis2 R2", found.r2, record["R2"])
        ledger.count("labellings inside blocks", inside.total, exact["n_labelings"])
        for what, null, counted, p in (
            (
                "ANOSIM R",
                anosim_null(-vector[:, None], pairs, design, inside)[:, 0],
                exact["anosim_R"],
                record["anosim_p"],
            ),
            ("PERMANOVA F", f_of(vector, design, pairs, inside), exact["permanova_F"], record["p"]),
        ):
            ledger.same(f"{what} of the exact record", null[0], counted["observed"])
            ledger.count(f"{what}: labellings as extreme", extreme(null), counted["count_ge"])
            ledger.same(f"{what}: p over all labellings inside blocks", extreme(null) / inside.total, p, EXACT)
        p = extreme(f_of(vector, design, pairs, free)) / len(free.labels)
        wrong = theirs["free_WRONG"]["p"]
        ledger.drawn("p of PERMANOVA F, were labels free", p, wrong, ours_of=drawn_from(free), theirs_of=THEIR_DRAWS)


# ---- mantel: orders of whole texts


def above(matrix: Floats) -> Floats:
    """(pair,) entries above the diagonal."""
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)])


def symmetric(vector: Floats, n: int) -> Floats:
    out = np.zeros((n, n))
    out[np.triu_indices(n, 1)] = vector
    return np.asarray(out + out.T)


def correlations(x: Floats, y: Floats, orders: Orders) -> Floats:
    """(order,) correlation over pairs of y with x, the units of x in another order."""
    i, j = np.triu_indices(len(x), 1)
    v, w = above(x) - above(x).mean(), above(y) - above(y).mean()
    return np.asarray((x[orders[:, i], orders[:, j]] - above(x).mean()) @ w / math.sqrt(float((v @ v) * (w @ w))))


def concordance(x: Floats, y: Floats, orders: Orders) -> Floats:
    """(order,) concordant less discordant couples of pairs: Kendall's numerator."""
    i, j = np.triu_indices(len(x), 1)
    first, second = (np.sign(above(m)[:, None] - above(m)).astype(np.int8) for m in (x, y))
    place = symmetric(np.arange(len(i), dtype=np.float64), len(x)).astype(np.int64)[orders[:, i], orders[:, j]]
    return np.array([float((first[np.ix_(q, q)] * second).sum(dtype=np.int64)) for q in place])


def orders_of(n: int, name: str) -> tuple[Orders, float]:
    """All orders of n units where they are few, else the identity and draws; and what a p is drawn from."""
    if math.factorial(n) <= DRAWS:
        return np.array(list(permutations(range(n)))), ALL
    design = Design.of(["a", "a", *"b" * (n - 2)])
    return index_permutations(design, draws=DRAWS, rng=stream(0, name, design.digest, "witnesses")), DRAWS


def mantel(folder: Path, ledger: Ledger) -> None:
    from scipy.stats import kendalltau

    for path in sorted(path for path in folder.glob("*.json") if not path.stem.endswith("_exact")):
        ledger.about, name, theirs = path.stem, path.stem, read_json(path)
        raw = {side: read_numbers(file) for side in "xyz" if (file := folder / f"{name}_{side}.csv").exists()}
        n = len(raw["x"])
        orders, ours_of = orders_of(n, name)
        ranked = {side: symmetric(doubled_midranks(above(m)), n) for side, m in raw.items()}
        for kind, of in (("pearson", raw), ("spearman", ranked)):
            xy = correlations(of["x"], of["y"], orders)
            found = {f"mantel_{kind}": xy}
            if "z" in of:
                xz, yz = correlations(of["x"], of["z"], orders), correlations(of["y"], of["z"], orders[:1])
                found[f"partial_{kind}"] = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
            for what, null in found.items():
                record = theirs[what]
                theirs_of = ALL if record["permutations"] == math.factorial(n) - 1 else record["permutations"]
                ledger.same(f"{what} r", null[0], record["r"])
                ledger.drawn(f"{what} p", extreme(null) / len(null), record["p"], ours_of=ours_of, theirs_of=theirs_of)
            if (folder / f"{name}_exact.json").exists():
                exact = read_json(folder / f"{name}_exact.json")
                sides = {"greater": xy, "less": -xy, "two_sided_abs": np.abs(xy)}
                counts = [round(exact[kind][f"p_{side}"] * exact["n_orderings"]) for side in sides]
                ledger.same(f"{kind} r of the exact record", xy[0], exact[kind]["r"])
                ledger.count("orders", len(orders), exact["n_orderings"])
                for side, null, count in zip(sides, sides.values(), counts, strict=True):
                    ledger.count(f"{kind}: orders as extreme, {side}", extreme(null), count)
        record, few = theirs["mantel_kendall"], orders[: len(orders) if ours_of == ALL else 2000]
        null, drawn = concordance(raw["x"], raw["y"], few), min(ours_of, len(few) - 1) if ours_of < ALL else ALL
        tau = kendalltau(above(raw["x"]), above(raw["y"])).statistic
        ledger.same("mantel_kendall r [scipy]", tau, record["r"])
        p = extreme(null) / len(few)
        ledger.drawn("mantel_kendall p", p, record["p"], ours_of=drawn, theirs_of=record["permutations"])


# ---- multtest: many cells


def levelled(null: Floats) -> Floats:
    """A null with two rows below all others that give every cell the same mean and sd.

    Standardising then changes no order between cells, and counts are those of the rows above.
    """
    sums, squares = null.sum(axis=0), (null**2).sum(axis=0)
    large = 1e4 * float(np.abs(null).max())
    total, both = -large - sums, large**2 / 1.5 - squares  # what the two rows add up to, and their squares
    root = np.sqrt(2 * both - total**2)
    return np.concatenate([null, [(total + root) / 2], [(total - root) / 2]])


def multtest(folder: Path, ledger: Ledger) -> None:
    from scipy.stats import ttest_ind

    for path in sorted(folder.glob("*.json")):
        ledger.about, theirs = path.stem, read_json(path)
        x = read_numbers(folder / f"{path.stem}_X.csv")
        design = Design.of([str(int(c)) for c in read_numbers(folder / f"{path.stem}_cl.csv")[:, 0]])
        every = chance(path.stem, design)
        t = np.stack([ttest_ind(x[:, r == 1], x[:, r == 0], axis=1, equal_var=False).statistic for r in every.labels])
        null = np.abs(t)
        ties, other = 1e-9 * null[0], theirs["independent_numpy"]
        ledger.count("labellings", every.total, other["n_labelings"])
        ledger.same("Welch t [scipy]", t[0], theirs["teststat"])
        level = levelled(null)
        spread = (np.ptp(level.mean(axis=0)) + np.ptp(level.std(axis=0))) / level.std()
        ledger.near("cells levelled: spread of their means and sd", float(spread), 0.0, 1e-13)
        z = (level[0] - level.mean(axis=0)) / level.std(axis=0)
        by_p, by_t, own = weigh_cells(null, ties, "minP"), weigh_cells(level, ties), weigh_cells(null, ties)
        largest, smallest = by_t.max_null[:, None], by_p.max_null[:, None]
        for what, count, records in (
            ("raw p", by_p.exceed, (theirs["rawp_maxT"], theirs["rawp_minP"], other["p_raw"])),
            ("step-down minP", by_p.exceed_adjusted, (theirs["adjp_minP_stepdown"], other["p_minP_stepdown"])),
            ("one-step minP", (smallest >= -np.log10(by_p.p) - 1e-12).sum(axis=0), (other["p_minP_singlestep"],)),
            ("step-down maxT", by_t.exceed_adjusted, (theirs["adjp_maxT_stepdown"], other["p_maxT_stepdown"])),
            ("one-step maxT", (largest >= z - 1e-11).sum(axis=0), (other["p_maxT_singlestep"],)),
        ):
            for record in records:
                cells = ", cells levelled" if "maxT" in what else ""
                ledger.count(f"{what}{cells}: counts", count, np.rint(np.asarray(record) * every.total))
        apart = np.abs(own.p_adjusted - theirs["adjp_maxT_stepdown"]).max()
        ledger.left_out(
            f"maxT as it is used here, where adjusted p differ from theirs by up to {apart:.3f}",
            "each cell is standardised by its own relabelling mean and sd, multtest's are not",
        )


# ---- adjust: many claims


def adjustments(folder: Path, ledger: Ledger) -> None:
    from statsmodels.stats.multitest import multipletests

    ours: tuple[tuple[Correction, str], ...] = (("holm", "holm"), ("bh", "BH"), ("by", "BY"))
    lacking = (("bonferroni", "bonferroni"), ("simes-hochberg", "hochberg"), ("hommel", "hommel"))
    for name, record in read_json(folder / "p_adjust.json").items():
        given = {key: values if isinstance(values, list) else [values] for key, values in record.items()}
        there = [i for i, p in enumerate(given["p"]) if isinstance(p, (int, float))]
        ledger.about = name if len(there) == len(given["p"]) else f"{name} (missing p left out)"
        picked = {key: np.array([values[i] for i in there], dtype=np.float64) for key, values in given.items()}
        for correction, theirs in ours:
            ledger.same(theirs, adjust(picked["p"], correction), picked[theirs], EXACT)
        for method, theirs in lacking:
            ledger.same(f"{theirs} [statsmodels]", multipletests(picked["p"], method=method)[1], picked[theirs], EXACT)


# ---- bca and cluster_boot: resamples with stored indices


def multiplicities(indices: NDArray[np.int64], n: int) -> Floats:
    """(resample, unit) how often each unit was drawn."""
    return np.stack([np.bincount(row, minlength=n) for row in indices]).astype(np.float64)


def read_indices(path: Path) -> NDArray[np.int64]:
    return read_numbers(path).astype(np.int64)


NO_BCA = "bounds here are bootstrap-t; there is no BCa"


def bca(folder: Path, ledger: Ledger) -> None:
    from scipy.special import ndtri

    for path in sorted(folder.glob("*_indices0.csv")):
        ledger.about = name = path.name.removesuffix("_indices0.csv")
        theirs, data = read_json(folder / f"{name}.json"), read_numbers(folder / f"{name}_data.csv")
        x, y = (data - data.mean(axis=0)).T

        def correlation(times: Floats, x: Floats = x, y: Floats = y) -> Floats:
            w = times / len(x)
            mean_x, mean_y = w @ x, w @ y
            return np.asarray(
                (w @ (x * y) - mean_x * mean_y) / np.sqrt((w @ x**2 - mean_x**2) * (w @ y**2 - mean_y**2))
            )

        t0 = float(correlation(np.ones((1, len(x))))[0])
        t = correlation(multiplicities(read_indices(path), len(x)))
        # with a standard error of 1 everywhere the bootstrap-t is the basic bootstrap, the same order statistics
        bounds = Bounds(np.array([t0]), np.ones(1), (t - t0)[:, None])
        low, high = float(bounds.lower(0.025)[0]), float(bounds.upper(0.025)[0])
        middle, width = 2 * t0 - t.mean(), ndtri(0.975) * t.std(ddof=1)
        intervals = theirs["boot_ci"]
        ledger.count("resamples", len(t), theirs["R"])
        for what, ours, record in (
            ("correlation [numpy]", t0, theirs["t0"]),
            ("replicates from stored indices [numpy]", t, theirs["t"]),
            ("basic interval (our bounds at se 1)", [low, high], intervals["basic"]),
            ("percentile interval (our bounds turned over)", [2 * t0 - high, 2 * t0 - low], intervals["percentile"]),
            (
                "percentiles of type 7 [numpy]",
                np.quantile(t, (0.025, 0.975)),
                theirs["numpy_check"]["ci_percentile_linear"],
            ),
            ("normal interval [scipy]", [middle - width, middle + width], intervals["normal"]),
        ):
            ledger.same(what, ours, record, EXACT)
        ledger.left_out("z0, a, adjusted levels and BCa limits", NO_BCA)

    ledger.about, ideal = "complete bootstrap of five values", read_json(folder / "ideal_bootstrap_n5_mean.json")
    x = np.array(ideal["x"])
    n = len(x)
    every = multiplicities(np.array(list(product(range(n), repeat=n))), n)
    resamples = Resamples(np.concatenate([np.ones((1, n)), every]), np.zeros(n, dtype=np.int64))
    found = mean_replicates(x[:, None], resamples)
    values, influence = found.value[1:, 0], found.influence[0, :, 0]
    closed = standard_errors(found, resamples)[0, 0] * math.sqrt((n - 1) / n)
    ledger.count("resamples", len(values), ideal["n_resamples"])
    for what, ours, record in (
        ("mean", found.value[0, 0], ideal["theta"]),
        ("se, the spread of our replicates", values.std(), ideal["se"]),
        ("se, our closed form times sqrt((n - 1) / n)", closed, ideal["se"]),
        ("percentiles of type 7 of our replicates", np.quantile(values, (0.025, 0.975)), ideal["percentile_type7"]),
        ("acceleration, from our influences", (influence**3).sum() / (6 * (influence**2).sum() ** 1.5), ideal["a"]),
    ):
        ledger.same(what, ours, record, EXACT)
    ledger.left_out("z0, adjusted levels and BCa limits", NO_BCA)


def cluster_boot(folder: Path, ledger: Ledger) -> None:
    for path in sorted(folder.glob("*.json")):
        ledger.about, theirs = path.stem, read_json(path)
        case = Case.read(folder.parent / "cases" / theirs["case"])
        design, n = case.design, case.design.n
        indices = read_indices(folder / f"{path.stem}_indices0.csv")
        strays = int((design.labels[indices] != design.labels).sum())
        ledger.count("resamples", len(indices), theirs["B"])
        ledger.count("units drawn from another category", strays, 0)
        of = {
            "sample": (np.ones((1, n)), np.array([theirs["estimate"]])),
            "jackknife": (1 - np.eye(n), np.array(theirs["jackknife_values"])),
            "replicates": (
                multiplicities(indices, n),
                read_numbers(folder / f"{path.stem}_replicates.csv"),
            ),
        }
        found = {what: pair_effects(case, times) for what, (times, _) in of.items()}
        for what, (_, record) in of.items():
            for column, name in enumerate(
                ("pooled difference [numpy]", "ANOSIM R (our Cliff's delta)", "Cohen's d [numpy]")
            ):
                ledger.same(f"{what}, from multiplicities: {name}", found[what][:, column], record[:, column], EXACT)
        apart = found["jackknife"] - found["jackknife"].mean(axis=0)
        ledger.same("jackknife se", np.sqrt((n - 1) / n * (apart**2).sum(axis=0)), theirs["jackknife_se"], EXACT)
        ledger.count("replicates without a number", int(np.isnan(found["replicates"]).sum()), theirs["replicates_nan"])
        for level in (95, 90):
            ours = np.quantile(found["replicates"], ((100 - level) / 200, (100 + level) / 200), axis=0).T
            record = np.reshape(theirs[f"ci{level}_percentile_linear"], ours.shape)
            ledger.same(f"{level} % percentile intervals", ours, record, EXACT)
        ledger.left_out("z0, a and BCa limits", NO_BCA)
        ledger.left_out("replicates of our gap", "recorded is the difference of pooled means, and sizes are unequal")


def pair_effects(case: Case, times: Floats) -> Floats:
    """(resample, effect) pooled difference, Cliff's delta and Cohen's d of distances, pairs weighing m_i m_j."""
    design, pairs, vector = case.design, case.pairs, case.vector
    resamples = Resamples(np.concatenate([np.ones((1, design.n)), times]), design.cells)
    delta = cliffs_delta(case.similarities, design, pairs, resamples, pooled=True).value[1:, 0]
    weight = times[:, pairs.i] * times[:, pairs.j]
    same = design.labels[pairs.i] == design.labels[pairs.j]
    mean, squares, count = [], [], []
    for here in (same, ~same):
        w, v = weight[:, here], vector[here]
        count.append(w.sum(axis=1))
        mean.append(w @ v / count[-1])
        squares.append((w * (v - mean[-1][:, None]) ** 2).sum(axis=1))
    difference = mean[1] - mean[0]
    spread = np.sqrt((squares[0] + squares[1]) / (count[0] + count[1] - 2))
    return np.stack([difference, delta, difference / spread], axis=1)


# ---- tail: p of few draws


def our_p(exceeding: int, draws: int) -> float:
    """p of a null in which so many draws reach what was observed."""
    null = np.zeros((draws + 1, 1))
    null[0], null[1 : exceeding + 1] = 1.0, 2.0
    return float(weigh_cells(null).p[0])


def tail(folder: Path, ledger: Ledger) -> None:
    from scipy.integrate import quad
    from scipy.stats import binom

    for row in read_rows(folder / "clopper_pearson_mc.csv"):
        b, m = int(row["b"]), int(row["m"])
        ledger.about = f"{b} of {m:,} draws"
        limits = (float(row["lo"]), float(row["hi"]))
        ledger.same("Clopper-Pearson, 95 %", clopper_pearson(b, m, 0.95), limits, EXACT)
        ledger.same("p", our_p(b, m), float(row["p_plus1"]), EXACT)
    seen = set()
    for row in read_rows(folder / "phipson_smyth_permp.csv"):
        x, m, first, second = (int(row[key]) for key in ("x", "nperm", "n1", "n2"))
        labellings, partitions = int(row["total_twosided"]), int(row["total_perm_used"])
        if (first, second) not in seen:
            seen.add((first, second))
            design, ledger.about = Design.of(["a"] * first + ["b"] * second), f"{first} + {second} texts"
            ledger.count("labellings", count_arrangements(design), labellings)
            ledger.count("partitions", count_arrangements(design, blind="jointly"), partitions)
        ledger.about = f"{first} + {second} texts, {x} of {m} draws"
        ours = our_p(x, m)
        area = quad(lambda p, x=x, m=m: float(binom.cdf(x, m, p)), 0, 0.5 / partitions, epsabs=0, epsrel=1e-13)[0]
        ledger.same("p", ours, float(row["p_plus1"]), EXACT)
        ledger.near("permp, approximate (our p less an integral) [scipy]", ours - area, float(row["p_approx"]), EXACT)
        if partitions <= 10_000:
            exact = binom.cdf(x, m, np.arange(1, partitions + 1) / partitions).mean()
            ledger.same("permp, exact [scipy]", exact, float(row["p_exact"]))
        ledger.near("by how much our p is below permp's", max(float(row["p_auto"]) - ours, 0.0), 0.0, EXACT)


# ---- tost: equivalence, effect sizes, verdicts


class AtLeast(Hypothesis):
    """The effect is at least the smallest that matters."""

    def requests(self, shape: Any) -> tuple[Any, ...]:
        return ()

    def measure(self, look: Any) -> Measured:
        raise NotImplementedError


def outcome(low: float, high: float, smallest: float, significant: bool) -> Outcome:
    """How a claim ends whose 90 % interval is (low, high)."""
    from scipy.special import ndtri

    t = ndtri(np.arange(1, 10_000) / 10_000)[:, None]
    bounds = Bounds(np.array([(low + high) / 2]), np.array([(high - low) / 2 / float(ndtri(0.95))]), t)
    null = np.zeros((1000, 1))
    null[0], null[1 : 1 if significant else 500] = 1.0, 2.0
    test = NullTest.of("gap", null, np.zeros(1), exact=True, action="exchanging labels")
    claim = AtLeast()
    claim.smallest_effect = smallest
    weighed = summarise(claim, Evidence((Cell(),), "effect", bounds, test, 48), 0.05)
    sure = replace(weighed, mc_plus=(weighed.p_plus,) * 2, mc_minus=(weighed.p_minus,) * 2)  # no draws in the table
    return judge({"claim": sure}, alpha=0.05, correction="holm")["claim"].outcome


def without_direction(ahead: Outcome, behind: Outcome) -> str:
    """The word of a table that knows both signs, from "at least s" said of the effect and of its mirror image."""
    if ahead is Outcome.REFUTED and behind is Outcome.INCONCLUSIVE:
        return "inconclusive"  # no such effect in the claimed direction; perhaps one in the other
    return ahead.word


def tost(folder: Path, ledger: Ledger) -> None:
    theirs = read_json(folder / "tost.json")
    data = {name: np.array(values) for name, values in theirs.pop("data").items()}
    samples = {"sleep": "sleep1 sleep2", "iris": "iris_sw_versicolor iris_sw_virginica", "mtcars": "qsec_am0 qsec_am1"}
    for name, record in theirs.items():
        ledger.about = name
        if "m1" in record:
            compare_summary(record, ledger)
        else:
            first, second = samples[name.split("_")[0]].split()
            compare_samples(data[first], data[second], record, ledger)
    ledger.about = "iris sepal widths"
    compare_effect_sizes(read_json(folder / "effect_sizes_iris.json"), data, ledger)
    for row in read_rows(folder / "verdict_truth_table.csv"):
        low, high, smallest = (float(row[key]) for key in ("ci90_lo", "ci90_hi", "sesoi"))
        significant, word = row["nhst_significant"] == "True", row["verdict"].split()[0]
        ours = (outcome(*limits, smallest, significant) for limits in ((low, high), (-high, -low)))
        ledger.about = f"90 % interval ({low:g}, {high:g}), smallest effect {smallest:g}"
        known = word if word in ("supported", "refuted") else "inconclusive"
        ledger.word(f"verdict, {row['verdict']!r}", without_direction(*ours), known)


def compare_levels(difference: float, se: float, record: Record, ledger: Ledger) -> None:
    """Our levels and bounds, with the quantiles of Student's law for t*, as Gaussian data would have them."""
    from scipy.special import stdtrit

    t = stdtrit(record["df"], np.arange(1, 100_000) / 100_000)[:, None]
    bounds = Bounds(np.array([difference]), np.array([se]), t)
    ours = [float(limit(0.05)[0]) for limit in (bounds.lower, bounds.upper)]
    ledger.same("90 % interval (our bounds at level .05)", ours, record["ci90"])
    for what, level, p in (
        ("refutes 'at least the high end'", bounds.p_upper(record["high"]), record["p_upper"]),
        ("supports 'at least the low end'", bounds.p_lower(record["low"]), record["p_lower"]),
    ):
        ledger.near(f"level that {what}, of 99,999 draws", float(level[0]), p, 2e-5)


def compare_samples(x: Floats, y: Floats, record: Record, ledger: Ledger) -> None:
    import pingouin
    from scipy.stats import ttest_1samp, ttest_ind

    low, high, paired = record["low"], record["high"], "var_equal" not in record
    welch = not paired and not record["var_equal"]

    def test(shift: float, side: str) -> Any:
        if paired:
            return ttest_1samp(x - y, shift, alternative=side)
        return ttest_ind(x - shift, y, equal_var=not welch, alternative=side)

    lower, upper, both = test(low, "greater"), test(high, "less"), test(0.0, "two-sided")
    p = float(pingouin.tost(x, y, bound=high, paired=paired, correction=welch)["pval"].iloc[0])
    difference = float(x.mean() - y.mean())
    found: dict[str, ArrayLike] = {
        "p_tost": p,
        "mean" if paired else "diff": difference,
        "df": both.df,
        "p_lower": lower.pvalue,
        "p_upper": upper.pvalue,
        "ci90": list(both.confidence_interval(0.9)),
    }
    if not paired:
        found |= {"t_lower": lower.statistic, "t_upper": upper.statistic, "p_nhst": both.pvalue}
        ledger.word("equivalent at .05", str(p <= 0.05), str(record["equivalent_at_05"]))
    for what, value in found.items():
        ledger.same(f"{what} [{'pingouin' if what == 'p_tost' else 'scipy'}]", value, record[what], EXACT)
    compare_levels(difference, difference / float(both.statistic), record, ledger)


def compare_summary(record: Record, ledger: Ledger) -> None:
    from scipy.stats import ttest_ind_from_stats

    def test(shift: float, side: str) -> Any:
        first, second = ((record[f"m{i}"], record[f"sd{i}"], record[f"n{i}"]) for i in (1, 2))
        return ttest_ind_from_stats(first[0] - shift, *first[1:], *second, equal_var=False, alternative=side)

    lower, upper = test(record["low"], "greater"), test(record["high"], "less")
    for what, value in (
        ("p_tost", max(lower.pvalue, upper.pvalue)),
        ("p_lower", lower.pvalue),
        ("p_upper", upper.pvalue),
        ("t_lower", lower.statistic),
        ("t_upper", upper.statistic),
    ):
        ledger.same(f"{what} [scipy]", value, record[what], EXACT)
    difference = record["m1"] - record["m2"]
    compare_levels(difference, (difference - record["low"]) / float(lower.statistic), record, ledger)


def compare_effect_sizes(theirs: Record, data: dict[str, Floats], ledger: Ledger) -> None:
    from pingouin import compute_effsize
    from scipy.special import gammaln
    from sklearn.datasets import load_iris

    flowers, species = load_iris(return_X_y=True)
    x, y = flowers[species == 1, 1], flowers[species == 2, 1]
    recorded = np.concatenate([data["iris_sw_versicolor"], data["iris_sw_virginica"]])
    d, df = float(compute_effsize(x, y, eftype="cohen")), len(x) + len(y) - 2
    correction = math.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / math.sqrt(df / 2)
    customary = 1 - 3 / (4 * df - 1)
    ledger.same("values, as scikit-learn has them", np.concatenate([x, y]), recorded, EXACT)
    ledger.same("Cohen's d [pingouin]", d, theirs["cohens_d"], EXACT)
    ledger.same("Hedges' g by the gamma function [scipy]", d * correction, theirs["hedges_g"], EXACT)
    ledger.same(
        "our Hedges' g times what 1 - 3 / (4 n - 9) is off",
        hedges_g(x, y) * correction / customary,
        theirs["hedges_g"],
        EXACT,
    )
    ledger.same("our AUC", auc(x, y), theirs["auc"], EXACT)
    ledger.same("Cliff's delta, 2 AUC - 1", 2 * auc(x, y) - 1, theirs["rank_biserial_eq_cliffs_delta"], EXACT)
    ledger.same("Wilcoxon's W, from our AUC", auc(x, y) * len(x) * len(y), theirs["wilcoxon_W"], EXACT)
    ledger.left_out("intervals of d and of the rank correlation", "shown without an interval here")


# ---- all folders

READERS: dict[str, Callable[[Path, Ledger], None]] = {
    "adjust": adjustments,
    "bca": bca,
    "cases": cases,
    "cluster_boot": cluster_boot,
    "mantel": mantel,
    "multtest": multtest,
    "nested": nested,
    "tail": tail,
    "tost": tost,
}


def summary(ledgers: Iterable[Ledger]) -> int:
    """Print one line a folder; how many comparisons missed."""
    missed = 0
    for ledger in ledgers:
        worst = ", ".join(f"{kind} {value:.1e}" for kind, value in sorted(ledger.worst.items()))
        print(
            f"{ledger.folder}: {ledger.made:,} comparisons of {ledger.values:,} values, {ledger.missed} missed; "
            f"largest differences: {worst}"
        )
        missed += ledger.missed
    return missed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Agreement of the statistics with recorded results of other software.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of recorded results")
    root: Path = parser.parse_args(arguments).folder
    found = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    known = ", ".join(READERS)
    if not found:
        parser.error(f"{root} holds no folder of recorded results; it should have some of: {known}.")
    if unread := [path.name for path in found if path.name not in READERS]:
        parser.error(f"{root} holds {', '.join(unread)}, which nothing here reads; known are: {known}.")
    ledgers = []
    for path in found:
        ledgers.append(Ledger(path.name))
        READERS[path.name](path, ledgers[-1])
    return 1 if summary(ledgers) else 0


if __name__ == "__main__":
    sys.exit(main())
