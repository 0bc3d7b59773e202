"""Passes of networks without some parts, and of a text's first tokens: what texts lack of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from modclaims.lm.intervene import Replacements, Values, answers
from modclaims.lm.network import Network
from modclaims.recording import Ablation, Array, Entry, Request


def tried(
    network: Network,
    batch: Sequence[str],
    missing: Mapping[str, frozenset[Entry]],
    asked: Mapping[Entry, Request],
    replacements: Replacements,
) -> dict[str, dict[Entry, Array]]:
    """What texts of equal length (by key) lack of what takes passes of its own, by text: one number for each entry."""
    rows: dict[Entry, list[int]] = {}
    for row, key in enumerate(batch):
        for entry in missing[key]:
            rows.setdefault(entry, []).append(row)
    found: dict[str, dict[Entry, Array]] = {key: {} for key in batch}
    for read in sorted({entry.positions[0] for entry in rows}):
        entries = sorted((entry for entry in rows if entry.positions[0] == read), key=lambda entry: entry.name)
        values = answers(
            network,
            np.stack([replacements.ids[key][:read] for key in batch]),
            [(asked[entry], rows[entry]) for entry in entries],
            partial(_values, replacements, batch, read),
        )
        for entry, numbers in zip(entries, values, strict=True):
            for row, number in zip(rows[entry], numbers, strict=True):
                found[batch[row]][entry] = np.asarray(number)
    return found


def _values(
    replacements: Replacements, batch: Sequence[str], read: int, ablation: Ablation, rows: Sequence[int]
) -> Values | None:
    return replacements.of(ablation, [batch[row] for row in rows], read)
