"""A run made up for the report's tests: every kind of figure, every outcome, plausible numbers, awkward texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from modclaims.report import render
from modclaims.runs.run_folder import ClaimRecord, Run
from modclaims.stats.evidence import Exhibit

TOPICS = ("astronomy", "cooking", "law", "computing")
STYLES = ("news report", "encyclopaedia entry", "instructions", "source code")
LAYERS = 6


def texts(per_cell: int = 4) -> tuple[list[str], list[str], list[str]]:
    """Ids, topics and styles of a crossed corpus, ordered by style, then topic."""
    rows = [(f"{t[:3]}-{s[:4].strip()}-{i + 1}", t, s) for s in STYLES for t in TOPICS for i in range(per_cell)]
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]


def heat_maps(rng: np.random.Generator, rows: int = 64, panels: int = LAYERS) -> Exhibit:
    _, topic, style = texts()
    every = rows // len(topic)
    topic, style = (np.repeat(x, every) for x in (topic, style))
    maps = []
    for layer in range(panels):
        depth = layer / max(1, panels - 1)
        alike = 0.12 * (topic[:, None] == topic) * np.sin(np.pi * depth) + 0.1 * (style[:, None] == style) * depth
        noise = rng.normal(0, 0.05, (len(topic),) * 2)
        values = 0.75 - 0.5 * np.sin(np.pi * depth) + alike + (noise + noise.T) / 2
        np.fill_diagonal(values, 1)
        maps.append(values)
    names = [f"{t} / {s}" for t, s in zip(topic, style, strict=True)]
    return Exhibit(
        "heat_maps",
        "Similarity of every two activations (cosine, attn_out), texts ordered by topic",
        "64 texts with 10 positions per text pooled into 4, one panel per layer; brackets mark categories. Blocks along the diagonal are "
        "categories that look alike.",
        {"maps": np.array(maps, dtype=np.float32)},
        {
            "panels": [f"layer {i}" for i in range(panels)],
            "categories": names,
            "note": "64 texts x 10 positions per text pooled into 4",
        },
    )


def effect_by_depth(rng: np.random.Generator, layers: int = LAYERS, untrained: bool = True) -> Exhibit:
    depth = np.arange(layers) / max(1, layers - 1)
    effect = 0.02 + 0.42 * np.sin(np.pi * depth * 0.9) ** 2 + rng.normal(0, 0.02, layers)
    width = 0.09 + 0.02 * rng.random(layers)
    arrays: dict[str, Any] = {
        "depth": depth,
        "layer": np.arange(layers),
        "effect": effect,
        "low": effect - width,
        "high": effect + width,
        "band_low": effect - 1.5 * width,
        "null_low": np.full(layers, -0.05) - 0.01 * rng.random(layers),
        "null_high": np.full(layers, 0.06) + 0.01 * rng.random(layers),
        "smallest_effect": np.array(0.2),
    }
    if untrained:
        arrays["twin"] = 0.12 + rng.normal(0, 0.025, (5, layers)).cumsum(axis=1) * 0.5
    return Exhibit(
        "effect_by_depth",
        "Cliff's delta of topic by relative depth, attn_out",
        f"Delta at {layers} layers with its own 90 % bounds; the grey band is where 90 % of relabellings fall.",
        arrays,
        {"effect_name": "delta"},
    )


def levels_by_depth(layers: int = LAYERS) -> Exhibit:
    depth = np.arange(layers) / max(1, layers - 1)
    dip = np.sin(np.pi * depth)
    return Exhibit(
        "levels_by_depth",
        "Same text, same category, different category",
        "Mean similarity by layer between activations of one text, of two texts of one category, and of two categories.",
        {
            "depth": depth,
            "layer": np.arange(layers),
            "same_text": 0.9 - 0.4 * dip,
            "same_category": 0.8 - 0.55 * dip,
            "different_category": 0.78 - 0.65 * dip,
        },
        {"similarity": "cosine"},
    )


def text_map(rng: np.random.Generator, ids: Sequence[str] | None = None, panels: int = LAYERS) -> Exhibit:
    own, topic, _ = texts()
    labels = list(ids) if ids is not None else own
    topic = topic[: len(labels)]
    centre = {t: (np.cos(i * np.pi / 2), np.sin(i * np.pi / 2)) for i, t in enumerate(TOPICS)}
    xy = np.array(
        [[np.array(centre[t]) * 0.25 * layer + rng.normal(0, 0.5, 2) for t in topic] for layer in range(panels)],
        dtype=np.float32,
    )
    return Exhibit(
        "text_map",
        "Texts in the plane of their two main directions (cosine)",
        f"Principal coordinates of the {len(topic)} texts, one panel per layer; colour and marker give the topic. A picture, not a test.",
        {"xy": xy},
        {"panels": [f"layer {i}" for i in range(panels)], "categories": topic, "ids": labels},
    )


def null_histogram(rng: np.random.Generator, draws: int = 9999, exact: bool = False) -> Exhibit:
    null = rng.normal(0, 0.012, draws).astype(np.float32)
    return Exhibit(
        "null_histogram",
        "gap within - between under chance, layer 3",
        f"{draws:,} arrangements by exchanging topic within style; 1 of them, the observed one included, are at least as large as what "
        "was observed.",
        {"null": null, "observed": np.array(0.0713)},
        {
            "statistic": "gap within - between",
            "cell": "layer 3",
            "action": "exchanging topic within style",
            "exact": "1" if exact else "0",
        },
    )


def head_map(rng: np.random.Generator, layers: int = LAYERS, heads: int = 8, signed: bool = False) -> Exhibit:
    effect = rng.gamma(1.2, 0.05, (layers, heads)) - (0.12 if signed else 0.02)
    effect[layers // 2, heads // 3] = 0.46
    p = np.clip(np.exp(-22 * np.abs(effect)), 1e-4, 1)
    return Exhibit(
        "head_map",
        "omega^2 of style by head",
        f"{layers} layers x {heads} units; {int((p <= 0.05).sum())} of {effect.size} are marked: adjusted p at most 0.05.",
        {"effect": effect, "p_adjusted": p, "significant": p <= 0.05},
        {"effect_name": "omega^2", "unit": "head"},
    )


def strip(rng: np.random.Generator, ids: Sequence[str] | None = None, panels: int = 5) -> Exhibit:
    own, _, style = texts()
    shift = np.array([STYLES.index(s) for s in style])
    responses = np.array([1 + 0.15 * shift * (p % 3) / 2 + rng.normal(0, 0.12, len(style)) for p in range(panels)])
    return Exhibit(
        "strip",
        f"Responses of the {panels} strongest units, one point per text",
        "Length of each text's response by style.",
        {"responses": responses},
        {
            "panels": [f"layer {p}, head {2 * p % 7}" for p in range(panels)],
            "categories": style,
            "ids": list(ids) if ids is not None else own,
            "response": "length of head_z",
        },
    )


def volcano(rng: np.random.Generator, cells: int = 48) -> Exhibit:
    effect = rng.gamma(1.2, 0.05, cells) - 0.02
    effect[17] = 0.46
    return Exhibit(
        "volcano",
        "Effect against adjusted p, one point per cell",
        f"{cells} cells; some lie beyond adjusted p = 0.05.",
        {"effect": effect, "p_adjusted": np.clip(np.exp(-22 * np.abs(effect)), 1e-4, 1), "alpha": np.array(0.05)},
        {"cells": [f"layer {i // 8}, head {i % 8}" for i in range(cells)], "effect_name": "omega^2"},
    )


def spectra(rng: np.random.Generator, layers: int = 6, size: int = 96) -> Exhibit:
    rank = np.arange(size)
    values = np.exp(-rank / rng.uniform(8, 20, layers)[:, None])
    values[:, -3:] = 1e-17
    values[-1, 40:] = np.nan
    return Exhibit(
        "spectra",
        "Singular values of the mlp's Jacobian",
        f"Singular values relative to the largest, one line per layer, of {layers}.",
        {
            "values": values,
            "floor": np.full(layers, 2e-14),
            "layer": np.arange(layers),
            "above_tenth": (values > 0.1).sum(axis=1).astype(float),
            "effective_rank": rng.uniform(5, 20, layers),
        },
        {"block": "mlp"},
    )


def rank_by_depth(
    rng: np.random.Generator, layers: int = 6, blocks: Sequence[str] = ("mlp",), null: bool = True
) -> Exhibit:
    rank = rng.uniform(0.2, 0.5, (len(blocks), layers))
    arrays = {
        "depth": np.arange(layers) / max(layers - 1, 1),
        "layer": np.arange(layers),
        "rank": rank,
        "low": rank - 0.02,
        "high": rank + 0.03,
        "marked": np.arange(layers) == 1,
    }
    if null:
        mean = rng.uniform(0.5, 0.55, layers)
        arrays |= {"null_low": mean - 0.01, "null_high": mean + 0.01, "null_mean": mean}
    return Exhibit(
        "rank_by_depth",
        "Effective rank by relative depth",
        f"Effective rank over tokens x width at {layers} layers.",
        arrays,
        {"blocks": list(blocks), "null": "20 gaussian null objects" if null else ""},
    )


def active_neurons(rng: np.random.Generator, layers: int = 4, points: int = 18) -> Exhibit:
    active = rng.integers(10, 400, (layers, points)).astype(float)
    return Exhibit(
        "active_neurons",
        "The MLP's numerical rank against its active neurons",
        "A point per text and token.",
        {"active": active, "rank": np.minimum(active, 190.0), "layer": np.arange(layers), "width": np.array(192.0)},
        {},
    )


def rank_by_tokens(rng: np.random.Generator, layers: int = 3, tokens: int = 34) -> Exhibit:
    rank = rng.uniform(10, 60, (layers, tokens)).cumsum(axis=1)
    return Exhibit(
        "rank_by_tokens",
        "The MLP's numerical rank against the number of tokens",
        "A line per layer.",
        {
            "tokens": np.arange(1, tokens + 1),
            "rank": rank,
            "layer": np.arange(layers),
            "width": np.array(64.0),
        },
        {},
    )


def stream(rng: np.random.Generator, ids: Sequence[str] | None = None, layers: int = 7, positions: int = 6) -> Exhibit:
    own, _, style = texts()
    text = np.repeat(np.arange(len(style)), positions)
    lean = np.array([STYLES.index(s) for s in style])[text][:, None] * np.linspace(0, 0.8, layers)
    values = lean + rng.normal(0, 0.25, (len(text), layers)).cumsum(axis=1) + rng.normal(0, 0.2, len(style))[text, None]
    values[0, layers // 3 :] += 42
    return Exhibit(
        "stream",
        "Axis 13 through the layers",
        f"Values of axis 13 of resid_post at {positions} positions of {len(style)} texts, one line per position.",
        {
            "values": values.astype(np.float32),
            "text": text,
            "layer": np.arange(layers),
            "depth": np.arange(layers) / max(layers - 1, 1),
        },
        {
            "categories": style,
            "ids": list(ids) if ids is not None else own,
            "coordinate": "axis 13",
            "site": "resid_post",
        },
    )


def two_distributions(rng: np.random.Generator, panels: int = LAYERS, width: int = 256, draws: int = 40) -> Exhibit:
    at = np.linspace(-0.05, 0.8, 120)

    def shares(values: Any) -> Any:
        return (values[..., None] >= at).mean(axis=-2)

    own = np.array([np.clip(rng.exponential(0.03 + 0.012 * i, width) - 0.02, -0.04, 0.78) for i in range(panels)])
    random = rng.gamma(2, 0.022, (panels, draws, width)) - 0.02
    found, largest = shares(random), random.max(axis=-1)
    return Exhibit(
        "two_distributions",
        "omega^2 of style: coordinate axes against random directions",
        f"Share of directions whose omega^2 is at least so large, at {panels} layers.",
        {
            "at": at,
            "axes": shares(own),
            "random": found.mean(axis=1),
            "random_low": np.quantile(found, 0.05, axis=1),
            "random_high": np.quantile(found, 0.95, axis=1),
            "summary_axes": own.max(axis=-1),
            "summary_random": np.quantile(largest, (0.05, 0.5, 0.95), axis=1).T,
            "p_adjusted": np.linspace(1, 0.0017, panels) ** 2,
        },
        {
            "panels": [f"layer {i}" for i in range(panels)],
            "summary": "largest omega^2",
            "effect_name": "omega^2",
            "note": f"Random directions are the axes after {draws} random rotations",
        },
    )


def curve_by_depth(rng: np.random.Generator, layers: int = LAYERS, untrained: int = 5) -> Exhibit:
    depth = np.arange(layers) / max(layers - 1, 1)
    mean = 0.1 + 0.5 * np.sin(np.pi * depth) ** 2 + rng.uniform(0, 0.03, layers)
    start, stop = min(2, layers - 1), max(layers - 1, 1)
    chunk = (np.arange(layers) >= start).astype(int) + (np.arange(layers) >= stop)
    begins = np.zeros((2, layers))
    begins[0, max(start - 1, 0) : start + 2] = 1 / 3
    begins[1, stop - 1 :] = 1 / max(layers - stop + 1, 1)
    return Exhibit(
        "curve_by_depth",
        "Share of attention on the first token by relative depth",
        f"Share of attention on the first token at {layers} layers, with a band over all of them.",
        {
            "depth": depth,
            "layer": np.arange(layers),
            "mean": mean,
            "low": mean - 0.04,
            "high": mean + 0.05,
            "level": np.array([mean[chunk == c].mean() for c in chunk]),
            "chunk": chunk,
            "begins": begins,
            "line": 0.2 + 0.1 * depth,
            "twin": 0.05 + rng.normal(0, 0.005, (untrained, layers)),
        },
        {"quantity": "share of attention on the first token", "interval": "90 % band over all layers"},
    )


def kurtosis_by_depth(rng: np.random.Generator, layers: int = LAYERS, width: int = 256) -> Exhibit:
    depth = np.arange(layers) / max(layers - 1, 1)
    own = 4 + 30 * np.sin(np.pi * depth) + rng.uniform(0, 2, layers)
    rotated = 3 + rng.normal(0, 0.03, layers)
    first = own * rng.uniform(4, 6, layers)
    first[0] = np.nan
    return Exhibit(
        "kurtosis_by_depth",
        "Kurtosis of the stream's coordinates by relative depth",
        f"Kurtosis over the coordinates of resid_post at {layers} layers, mean over texts with the lowest and highest text.",
        {
            "depth": depth,
            "layer": np.arange(layers),
            "own": own,
            "low": own * 0.8,
            "high": own * 1.3,
            "rotated_mean": rotated,
            "rotated_low": rotated - 0.2,
            "rotated_high": rotated + 0.25,
            "first": first,
            "gaussian": np.array(3 * (width - 1) / (width + 1)),
        },
        {"site": "resid_post"},
    )


def against_draws(rng: np.random.Generator, layers: int = LAYERS) -> Exhibit:
    depth = np.arange(layers) / max(layers - 1, 1)
    mean = 10.8 + rng.normal(0, 0.01, layers)
    return Exhibit(
        "against_draws",
        "N-cut of the MLPs' weight graphs by relative depth",
        f"n-cut of 12 clusters at {layers} layers, and of 199 shuffles.",
        {
            "depth": depth,
            "layer": np.arange(layers),
            "own": mean - 0.05 * depth,
            "null_mean": mean,
            "null_low": mean - 0.02,
            "null_high": mean + 0.02,
        },
        {"of": "n-cut, 12 clusters", "null": "199 null objects, 5 % to 95 %"},
    )


def by_clusters(rng: np.random.Generator, layers: int = LAYERS) -> Exhibit:
    counts = np.array([2, 4, 8, 12, 16])
    return Exhibit(
        "by_clusters",
        "Relative drop by number of clusters",
        "Relative drop by number of clusters, one line per layer; 12 were stated in advance.",
        {
            "clusters": counts,
            "layer": np.arange(layers),
            "effect": rng.normal(0.01, 0.01, (layers, len(counts))),
            "stated": np.array(12),
            "smallest": np.array(0.05),
        },
        {"effect_name": "relative drop"},
    )


def by_frequency(rng: np.random.Generator, layers: int = LAYERS) -> Exhibit:
    rank = np.arange(32) * 128 + 63.5
    return Exhibit(
        "by_frequency",
        "Sizes of dot products by token frequency",
        "Size over that of random vectors by the tokenizer's order, one line per layer.",
        {"rank": rank, "layer": np.arange(layers), "relative": 1 + rng.normal(0.05, 0.03, (layers, len(rank)))},
        {"of": "size / size of random vectors"},
    )


def splits(rng: np.random.Generator, count: int = 20) -> Exhibit:
    effect = rng.normal(0.03, 0.05, count)
    return Exhibit(
        "splits",
        "Best head minus its block, split by split",
        f"{count} splits: the head picked on one half, the difference of omega^2 on the other with its own bounds.",
        {"effect": effect, "low": effect - 0.15, "high": effect + 0.14, "smallest_effect": np.array(0.1)},
        {
            "picks": [f"layer {i % 4 + 1}, head {i * 3 % 8}" for i in range(count)],
            "effect_name": "difference of omega^2",
        },
    )


def principal_angles(rng: np.random.Generator, layers: int = LAYERS) -> Exhibit:
    depth = np.arange(layers) / max(1, layers - 1)
    effect, sine = 0.1 + 0.3 * depth, 0.7 + 0.2 * depth
    return Exhibit(
        "principal_angles",
        "Principal angles between the subspaces of topic by relative depth, resid_post",
        f"Above, the separation at {layers} layers with its own 90 % bounds; below, principal angles against exchanged labels.",
        {
            "depth": depth,
            "layer": np.arange(layers),
            "effect": effect,
            "low": effect - 0.2,
            "high": effect + 0.15,
            "smallest_effect": np.array(0.2),
            "angles": rng.uniform(40, 89, (layers, 6, 2)),
            "observed": sine,
            "null_low": np.full(layers, 0.62),
            "null_mean": np.full(layers, 0.68),
            "null_high": np.full(layers, 0.73),
        },
        {"pairs": [f"pair {i}" for i in range(6)], "effect_name": "separation"},
    )


def accuracy_by_depth(rng: np.random.Generator, layers: int = LAYERS) -> Exhibit:
    depth = np.arange(layers) / max(1, layers - 1)
    mean = np.stack([0.9 - 0.3 * depth, 0.7 - 0.4 * depth, 0.3 - 0.1 * depth, 0.5 + 0.1 * depth])
    return Exhibit(
        "accuracy_by_depth",
        "Tokens told from the stream by relative depth, resid_post",
        f"Share of tokens found among the vocabulary at {layers} layers, with each layer's own bounds.",
        {
            "depth": depth,
            "layer": np.arange(layers),
            "mean": mean,
            "low": mean - 0.05,
            "high": mean + 0.05,
            "unseen": 0.6 - 0.2 * depth,
        },
        {
            "curves": [
                "accuracy at 10",
                "accuracy at 1",
                "control task, accuracy at 10",
                "selectivity",
            ],
            "interval": "90 % bounds of each layer",
        },
    )


def input_angles(rng: np.random.Generator, layers: int = LAYERS) -> Exhibit:
    depth = np.arange(layers) / max(1, layers - 1)
    cosines = rng.uniform(0.2, 0.9, (layers, 16))
    return Exhibit(
        "input_angles",
        "Directions that tell the token against the unembedding's leading subspace, resid_post",
        f"Squared cosines of principal angles at {layers} layers, and those of random subspaces.",
        {
            "depth": depth,
            "layer": np.arange(layers),
            "cosines": cosines,
            "mean": cosines.mean(axis=1),
            "low": cosines.mean(axis=1) - 0.1,
            "high": cosines.mean(axis=1) + 0.1,
            "null_low": np.full(layers, 0.48),
            "null_high": np.full(layers, 0.52),
            "null_mean": np.full(layers, 0.5),
        },
        {"interval": "90 % bounds"},
    )


def scree(rng: np.random.Generator, layers: int = LAYERS, components: int = 20) -> Exhibit:
    chance = np.tile(0.09 * 0.9 ** np.arange(components), (layers, 1))
    share = chance + np.where(np.arange(components) < 2, 0.1, -0.01)
    return Exhibit(
        "scree",
        "Components of the similarity matrix, resid_post",
        f"Share of variance of the {components} leading components, one panel per layer, against permuted coordinates.",
        {
            "share": share + 0.001 * rng.random(share.shape),
            "null_low": 0.93 * chance,
            "null_median": chance,
            "null_high": 1.07 * chance,
            "rank": np.full(layers, 2),
            "effect": np.linspace(0, 0.3, layers),
        },
        {"panels": [f"layer {i}" for i in range(layers)], "effect_name": "excess share"},
    )


def two_effects_by_depth(rng: np.random.Generator, layers: int = LAYERS, untrained: bool = True) -> Exhibit:
    depth = np.arange(layers) / max(1, layers - 1)
    sides = np.stack([0.6 * depth, 0.3 + 0.1 * depth])
    effect = np.vstack([sides, sides[:1] - sides[1:]])
    arrays: dict[str, Any] = {
        "depth": depth,
        "layer": np.arange(layers),
        "effect": effect,
        "low": effect - 0.1,
        "high": effect + 0.08,
        "smallest_effect": np.array(0.1),
    }
    if untrained:
        arrays["twin"] = rng.normal(0, 0.03, (5, layers))
    return Exhibit(
        "two_effects_by_depth",
        "Cliff's delta of topic within style and of style within topic by relative depth, attn_out",
        "Above, both deltas with their own 90 % bounds; below, the first minus the second.",
        arrays,
        {"sides": ["topic within style", "style within topic"], "effect_name": "delta"},
    )


def raw_and_partial(rng: np.random.Generator, layers: int = LAYERS) -> Exhibit:
    depth = np.arange(layers) / max(1, layers - 1)
    share = np.clip(1 - depth, 0.2, 1.0)
    effect = np.stack([0.5 * depth, 0.5 * depth * share])
    return Exhibit(
        "raw_and_partial",
        "Cliff's delta of topic, raw and beyond induction, by relative depth, attn_out",
        "Above, both deltas with their own 90 % bounds; below, the share of the gap within - between that is left.",
        {
            "depth": depth,
            "layer": np.arange(layers),
            "effect": effect,
            "low": effect - rng.uniform(0.05, 0.1, effect.shape),
            "high": effect + 0.08,
            "share_left": share,
            "smallest_effect": np.array(0.2),
        },
        {"sides": ["raw", "beyond induction"], "effect_name": "delta"},
    )


def models_by_depth(
    rng: np.random.Generator, models: int = 3, depths: int = LAYERS, difference: bool = True
) -> Exhibit:
    depth = np.arange(depths) / max(1, depths - 1)
    effect = 0.1 + 0.1 * np.arange(models)[:, None] + 0.2 * depth + rng.normal(0, 0.01, (models, depths))
    arrays: dict[str, Any] = {"depth": depth, "effect": effect, "parameters": 1e6 * 3.0 ** np.arange(models)}
    if difference:
        between = effect[-1] - effect[0]
        arrays |= {
            "difference": between,
            "low": between - 0.1,
            "high": between + 0.12,
            "smallest_effect": np.array(0.1),
        }
    names = [f"model-{i}" for i in range(models)]
    return Exhibit(
        "models_by_depth",
        "Cliff's delta of topic by relative depth, resid_post, a line per model",
        f"Delta of {models} models at {depths} relative depths.",
        arrays,
        {"models": names, "sides": [names[-1], names[0]] if difference else [], "effect_name": "delta"},
    )


def effect_by_parameters(rng: np.random.Generator, models: int = 6) -> Exhibit:
    size = np.arange(models) / 2
    effect = 0.2 + 0.1 * size + rng.normal(0, 0.02, models)
    return Exhibit(
        "effect_by_parameters",
        "Cliff's delta of topic against the number of parameters, resid_post",
        f"Mean delta of {models} models with 90 % intervals over texts, and the least-squares line.",
        {
            "parameters": 7e7 * 10**size,
            "effect": effect,
            "low": effect - 0.08,
            "high": effect + 0.07,
            "line": 0.2 + 0.1 * size,
        },
        {"models": [f"model-{i}" for i in range(models)], "effect_name": "mean delta"},
    )


def unknown() -> Exhibit:
    return Exhibit("spiral", "A spiral", "A kind that the report has never heard of.", {"turns": np.zeros((3, 2))}, {})


CONTROLS = [
    {
        "name": "shared_words",
        "sentence": "Beyond these proxies (TF-IDF and input embeddings, cubic splines) 61 % of the difference at layer 3 is left "
        "(adjusted p 0.0003); the proxies explain 18 % of the variance between pairs.",
        "numbers": {"t": 4.13, "p_adjusted": 0.0003, "share_left": 0.61, "r2_proxies": 0.18, "draws": 9999},
    },
    {
        "name": "untrained_baseline",
        "sentence": "Untrained networks (5 seeds) reach delta 0.11 at layer 3; trained - untrained is 0.31 [0.17, 0.44]: training made it.",
        "numbers": {"difference": 0.31, "low": 0.17, "high": 0.44, "untrained": [0.1, 0.12, 0.09, 0.13, 0.11]},
    },
]


def summary(name: str, claim: str, outcome: str, expect: str = "supported", **given: Any) -> dict[str, Any]:
    """A claim's object in run.json, with plausible numbers where none are given."""
    body: dict[str, Any] = {
        "id": f"hypotheses/card.py::{name}",
        "family": "CategoryClustering",
        "claim": claim,
        "expect": expect,
        "outcome": outcome,
        "as_expected": outcome == expect,
        "effect": 0.4137,
        "effect_name": "delta",
        "effect_low": 0.2942,
        "effect_high": 0.5218,
        "interval": "90 % interval, lower limit simultaneous over 6 cells and upper limit the cell's own",
        "smallest_effect": 0.2,
        "p": 0.0001,
        "p_plus": 0.00012,
        "p_minus": 0.998,
        "p_plus_adjusted": 0.0012,
        "p_minus_adjusted": 1.0,
        "draws": 9999,
        "exact": False,
        "smallest_attainable_p": 0.0001,
        "statistic": "gap within - between",
        "action": "exchanging topic within style",
        "holds": "somewhere",
        "n_texts": 64,
        "n_units": 64,
        "unit": "text",
        "n_cells": 6,
        "best": {"layer": 3, "head": None, "axis": None},
        "best_words": "layer 3",
        "controls": CONTROLS,
        "secondary": [{"name": "silhouette", "value": 0.113}, {"name": "PERMANOVA pseudo-F", "value": 2.871}],
        "degenerate": [],
        "warnings": [],
        "message": "",
        "texts_to_refute": None,
        "texts_to_support": None,
        "note": "",
        "constants": {
            "site": "attn_out",
            "similarity": "cosine",
            "label": "topic",
            "within": "style",
            "smallest_effect": 0.2,
        },
        "sentence": "Exchanging topic within style (9,999 draws) gave delta = 0.41 at layer 3, 90 % interval [0.29, 0.52], adjusted "
        "p = .0001. Read somewhere, with 0.2 as the smallest effect that matters: the effect exceeds the smallest that matters, more "
        "than chance explains.",
    }
    return body | given


EMPTY: dict[str, Any] = dict.fromkeys(
    k
    for k in summary("Any", "Any.", "supported")
    if k
    not in (
        "id",
        "family",
        "claim",
        "expect",
        "outcome",
        "controls",
        "secondary",
        "degenerate",
        "warnings",
        "message",
        "constants",
    )
)

FACTS: dict[str, Any] = {
    "made": {
        "time": "2026-01-02T03:04:05Z",
        "host": "a-host-name",
        "wall_seconds": 12.3,
        "commit": "0123abcd",
        "passes": 64,
    },
    "versions": {"modclaims": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6", "scipy": "1.17.0"},
    "model": {
        "name": "opt-mini",
        "model": "embedded",
        "revision": "",
        "weights_sha256": "5f" * 32,
        "tokenizer_sha256": "a0" * 32,
        "dtype": "float32",
        "attention": "sdpa",
        "layers": 6,
        "heads": 8,
        "width": 256,
        "causal": True,
    },
    "corpus": {
        "name": "crossed",
        "sha256": "c3" * 32,
        "texts": 64,
        "columns": ["category", "style", "topic"],
        "counts": {
            "category": dict.fromkeys(STYLES, 16),
            "style": dict.fromkeys(STYLES, 16),
            "topic": dict.fromkeys(TOPICS, 16),
        },
        "note": "Written for this project.",
        "facts": {},
        "largest_overlap": 0.011,
    },
    "settings": {
        "model": "embedded",
        "corpus": "embedded",
        "alpha": 0.05,
        "correction": "holm",
        "permutations": 9999,
        "resamples": 1999,
        "seed": 0,
        "tokens": 512,
        "positions": "last:10:4",
        "keyword": "",
    },
    "command": "modclaims run hypotheses/card.py --model embedded --corpus embedded --seed 0",
    "tests": {
        "claims": 9,
        "weighed": 7,
        "cells": 133,
        "skipped": 1,
        "degenerate": 2,
        "weighed_before": 3,
        "corrected_over": 12,
        "from_earlier_runs": 2,
    },
    "locked": "exploratory",
}


def demonstration() -> Run:
    """A realistic run of nine claims."""
    rng = np.random.default_rng(7)

    def clustering() -> tuple[Exhibit, ...]:
        return effect_by_depth(rng), heat_maps(rng, 256), levels_by_depth(), text_map(rng), null_histogram(rng)

    def heads() -> tuple[Exhibit, ...]:
        return head_map(rng), strip(rng), volcano(rng), null_histogram(rng)

    claims = [
        ClaimRecord(
            summary(
                "TopicsClusterInAttention",
                "Attention outputs of same-topic texts point the same way in at least one layer.",
                "supported",
            ),
            exhibits=clustering(),
        ),
        ClaimRecord(
            summary(
                "FirstLayerTellsStylesApart",
                "Attention outputs of same-style texts are already more alike in the first layer.",
                "refuted",
                "refuted",
                effect=0.043,
                effect_low=-0.02,
                effect_high=0.112,
                p=0.21,
                p_plus=0.999,
                p_plus_adjusted=1.0,
                p_minus=0.0002,
                p_minus_adjusted=0.0016,
                n_cells=1,
                holds="at layer 0",
                best_words="layer 0",
                interval="90 % interval",
                sentence="Exchanging style within topic (9,999 draws) gave delta = 0.04, 90 % interval [-0.02, 0.11], p = .21. Read at "
                "layer 0, with 0.2 as the smallest effect that matters: the effect lies below the smallest that matters.",
                controls=CONTROLS[1:],
            ),
            exhibits=(effect_by_depth(rng, untrained=False), null_histogram(rng, 2100, exact=True)),
        ),
        ClaimRecord(
            summary(
                "TopicsClusterBeyondSharedWords",
                "Attention outputs of same-topic texts are more alike than the words that they share would make them.",
                "inconclusive",
                effect=0.157,
                effect_low=0.021,
                effect_high=0.262,
                p=0.0041,
                p_plus=0.17,
                p_plus_adjusted=0.86,
                p_minus=0.31,
                p_minus_adjusted=1.0,
                smallest_effect=0.1,
                texts_to_refute=70,
                texts_to_support=112,
                message="It would take about 70 texts to refute it were the effect 0, and about 112 to support it were it twice the "
                "smallest that matters (before correction over claims).",
                warnings=[
                    "Fewer than 12 texts per category: the bootstrap's error rate at the boundary may reach .08."
                ],
            ),
            exhibits=clustering()[:3],
        ),
        ClaimRecord(
            summary(
                "SingleHeadsAnswerToStyle",
                "At least one attention head lights up, or goes dark, for a style.",
                "supported",
                effect=0.462,
                effect_name="omega^2",
                effect_low=0.31,
                effect_high=0.58,
                n_cells=48,
                best={"layer": 3, "head": 2, "axis": None},
                best_words="layer 3, head 2",
                family="HeadSelectivity",
                statistic="F of style",
                action="exchanging style within topic",
                smallest_effect=0.1,
                degenerate=["layer 0, head 5", "layer 1, head 1"],
                controls=[],
                sentence="Exchanging style within topic (9,999 draws) gave omega^2 = 0.46 at layer 3, head 2, 90 % interval [0.31, 0.58], "
                "adjusted p = .0001. Read somewhere, with 0.1 as the smallest effect that matters: the effect exceeds the smallest that "
                "matters, more than chance explains.",
            ),
            exhibits=heads(),
        ),
        ClaimRecord(
            summary(
                "BestHeadBeatsItsAttentionBlock",
                "The best single head distinguishes the styles better than the attention block it sits in.",
                "refuted",
                "inconclusive",
                effect=0.021,
                effect_name="difference of omega^2",
                effect_low=-0.12,
                effect_high=0.08,
                smallest_effect=0.1,
                p=None,
                p_plus_adjusted=1.0,
                p_minus=0.004,
                p_minus_adjusted=0.028,
                n_cells=20,
                best_words="",
                best={"layer": None, "head": None, "axis": None},
                family="HeadsAgainstBlocks",
                holds="in the median of the splits",
                statistic="bootstrap-t bound",
                action="resampling texts",
                interval="90 % interval: medians over 20 splits of bounds at level 0.025",
                controls=[],
                note="response norm; the effect is the median over splits",
                sentence="Resampling texts (1,999 draws) gave difference of omega^2 = 0.02, the median of 20 splits, 90 % interval "
                "[-0.12, 0.08]. Read in the median of the splits, with 0.1 as the smallest effect that matters: the effect lies below the "
                "smallest that matters.",
            ),
            exhibits=(splits(rng),),
        ),
        ClaimRecord(
            summary(
                "StylesClusterByMagnitude",
                "Attention outputs of same-style texts lie close together, lengths counted.",
                "supported",
            ),
            exhibits=(effect_by_depth(rng, 24), null_histogram(rng)),
        ),
        ClaimRecord(
            summary(
                "HeadsCarryTopicSign",
                "Heads answer to topic with a sign.",
                "inconclusive",
                effect=-0.11,
                effect_low=None,
                effect_high=None,
                message="No bound: the effect stands at the end of its scale or does not vary between texts.",
            ),
            exhibits=(head_map(rng, 24, 16, signed=True), unknown()),
        ),
        ClaimRecord(
            summary(
                "AsksForALabelThatIsNotThere",
                "Texts of one author look alike.",
                "skipped",
                **EMPTY,
                controls=[],
                secondary=[],
                message="Corpus 'crossed' has no column 'author'; it has: category, style, topic.",
            )
        ),
        ClaimRecord(
            summary(
                "BrokenClaim",
                "hypotheses/own.py::BrokenClaim",
                "error",
                **EMPTY,
                controls=[],
                secondary=[],
                constants={},
                message="hypotheses/own.py, line 12: site 'attn_outs' is unknown.\nSites are: attn_out, mlp_out, resid_post.",
            )
        ),
    ]
    return Run(FACTS, tuple(claims))


@pytest.fixture(scope="session")
def run() -> Run:
    """The demonstration run."""
    return demonstration()


@pytest.fixture(scope="session")
def files(run: Run) -> dict[str, bytes]:
    """Its report."""
    return render(run)


@pytest.fixture
def one_claim() -> Callable[..., Run]:
    """A run of one claim: its exhibits, and fields of its summary or of the facts to change."""

    def make(*exhibits: Exhibit, facts: dict[str, Any] | None = None, **given: Any) -> Run:
        body = summary("OneClaim", "One claim.", "supported") | given
        return Run(FACTS | (facts or {}), (ClaimRecord(body, exhibits=exhibits),))

    return make


def dissociation(rng: np.random.Generator) -> Exhibit:
    maps = rng.normal(0, 0.02, (2, 3, 4))
    maps[:, np.arange(3), np.arange(3)] += 0.1
    return Exhibit(
        "dissociation",
        "Who loses what",
        "Net change of loss by module and texts.",
        {"maps": maps},
        {
            "panels": ["8 neurons", "64 neurons"],
            "modules": ["code", "law", "news"],
            "categories": ["code", "law", "news", "verse"],
            "quantity": "change of loss, net",
        },
    )


def dose_curve(rng: np.random.Generator) -> Exhibit:
    matched = np.abs(rng.normal(0, 0.02, (3, 4))).cumsum(axis=1)
    return Exhibit(
        "dose_curve",
        "What texts lose by size",
        "Change of loss at own texts.",
        {
            "size": np.array([1, 2, 4, 8]),
            "own": 2 * matched,
            "matched": matched,
            "matched_low": 0.5 * matched,
            "matched_high": 1.5 * matched,
            "effect": matched,
        },
        {"categories": ["code", "law", "news"], "unit": "neurons"},
    )


@pytest.fixture(scope="session")
def every_kind() -> Callable[..., tuple[Exhibit, ...]]:
    """One exhibit of every kind that is drawn, from a seed."""

    def make(seed: int = 0, ids: Sequence[str] | None = None) -> tuple[Exhibit, ...]:
        rng = np.random.default_rng(seed)
        return (
            heat_maps(rng),
            effect_by_depth(rng),
            levels_by_depth(),
            text_map(rng, ids),
            null_histogram(rng, 500),
            head_map(rng),
            strip(rng, ids),
            volcano(rng),
            splits(rng),
            spectra(rng),
            rank_by_depth(rng),
            active_neurons(rng),
            rank_by_tokens(rng),
            stream(rng, ids),
            two_distributions(rng),
            kurtosis_by_depth(rng),
            against_draws(rng),
            by_clusters(rng),
            by_frequency(rng),
            dissociation(rng),
            dose_curve(rng),
            curve_by_depth(rng),
            principal_angles(rng),
            scree(rng),
            accuracy_by_depth(rng),
            input_angles(rng),
            two_effects_by_depth(rng),
            raw_and_partial(rng),
            models_by_depth(rng),
            effect_by_parameters(rng),
            unknown(),
        )

    return make
