"""Categorised texts: `Text` and `Corpus`, what every text must have, and which texts repeat one another.

Readers live in `corpus_files` (JSONL, CSV, folders, shipped corpora) and `python_corpus`; nothing here opens a file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError, CorpusError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Text:
    """One text, the unit of every statistic."""

    id: str
    """Unique in its corpus."""
    body: str
    """What the network reads."""
    labels: Mapping[str, str] = field(hash=False)
    """Categories by label name: `{"topic": "law", "style": "news", "category": "news"}`."""
    block: str | None = None
    """Texts of one block (same book, author, module) are exchanged, resampled and split together."""
    source: str = ""
    """Where the text comes from, for the reader of a report; never compared."""


@dataclass(frozen=True)
class Corpus:
    """Texts in a fixed order, checked when made.

    Raises `CorpusError` when there is no text, two texts share an id, a body is blank, or an id, a body, a label or
    a block holds half of a surrogate pair, which no tokenizer and no report could write.
    """

    name: str
    texts: tuple[Text, ...]
    note: str = ""
    """What a reader must know about how it was made (a category left out, a column not found); may be empty."""
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What it was made from, by name: versions, counts."""

    def __post_init__(self) -> None:
        if not self.texts:
            raise CorpusError(f"Corpus {self.name!r} has no texts.")
        times = Counter(text.id for text in self.texts)
        if len(times) < len(self.texts):
            repeated = [f"{shown(name)} ({count} times)" for name, count in times.items() if count > 1]
            raise CorpusError(
                f"Corpus {self.name!r} has texts with the same id: {some(repeated)}. Make each id unique."
            )
        for text in self.texts:
            if not text.body.strip():
                raise CorpusError(f"Text {shown(text.id)} of corpus {self.name!r} is empty; fill it or leave it out.")
            for part in (text.id, text.body, text.block or "", *text.labels, *text.labels.values()):
                try:
                    part.encode()
                except UnicodeEncodeError as fault:
                    raise CorpusError(
                        f"Text {shown(text.id)} of corpus {self.name!r} holds {part[fault.start]!a}, half of a "
                        "surrogate pair, which is no character; mend the text where it was written."
                    ) from None

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of ids, bodies, labels and blocks in their order; not of sources, note and facts."""
        sha = hashlib.sha256()
        for text in self.texts:
            row = [text.id, text.body, sorted(text.labels.items()), text.block]
            sha.update(json.dumps(row).encode("ascii") + b"\n")
        return sha.hexdigest()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the labels that every text has, sorted."""
        common = set(self.texts[0].labels).intersection(*(text.labels for text in self.texts))
        return tuple(sorted(common))

    def values(self, label: str) -> tuple[str, ...]:
        """The label of each text, in order. Raises `ClaimError` when not every text has it."""
        if label in self.columns:
            return tuple(text.labels[label] for text in self.texts)
        lacking = [shown(text.id) for text in self.texts if label not in text.labels]
        if len(lacking) < len(self):
            raise ClaimError(
                f"Corpus {self.name!r} has label {label!r} on only {len(self) - len(lacking)} of {len(self)} texts; "
                f"missing on {some(lacking)}. Fill it in, or choose another with label=..."
            )
        has = ", ".join(self.columns) or "none"
        raise ClaimError(f"Corpus {self.name!r} has no label {label!r}; it has: {has}. Choose one with label=...")

    def blocks(self) -> tuple[str, ...] | None:
        """The block of each text, in order; None when no text has one. A text without one is a block by itself."""
        named = {text.block for text in self.texts if text.block is not None}
        if not named:
            return None
        return tuple(_own_block(text.id, named) if text.block is None else text.block for text in self.texts)

    def select(self, indices: Iterable[int] | NDArray[np.integer]) -> Corpus:
        """The texts at these indices, in the order given. Raises `CorpusError` for none, or one twice."""
        return replace(self, texts=tuple(self.texts[int(index)] for index in indices))

    def to_frame(self) -> pd.DataFrame:
        """One row per text: `id`, `text`, the labels sorted by name (None where a text lacks one), `block`, `source`."""
        import pandas as pd

        names = sorted({name for text in self.texts for name in text.labels})
        rows = [
            [text.id, text.body, *(text.labels.get(name) for name in names), text.block, text.source]
            for text in self.texts
        ]
        return pd.DataFrame(rows, columns=["id", "text", *names, "block", "source"], dtype=object)


def _own_block(identifier: str, named: set[str]) -> str:
    """A block name for a text that has none, unlike every named block."""
    return _own_block(f"text {identifier}", named) if identifier in named else identifier


def check_categories(corpus: Corpus, label: str = "category") -> None:
    """Raise `CorpusError` when `label` has one value only, or a value that a single text bears.

    Raises `ClaimError` when the corpus has no such label.
    """
    sizes = Counter(corpus.values(label))
    if len(sizes) == 1:
        raise CorpusError(
            f"Corpus {corpus.name!r} has one {label} only, {shown(next(iter(sizes)))}; "
            "to compare categories it takes at least two."
        )
    single = sorted(shown(category) for category, size in sizes.items() if size == 1)
    if single:
        holder = "has a single text" if len(single) == 1 else "have a single text each"
        raise CorpusError(
            f"In corpus {corpus.name!r} {label} {some(single)} {holder}; "
            "a category takes at least two: add texts or leave it out."
        )


class Overlap(NamedTuple):
    """Two texts that share word n-grams: positions `first` < `second`, and the share of the shorter one's n-grams."""

    first: int
    second: int
    share: float


def overlaps(bodies: Sequence[str], n: int = 8, *, threshold: float = 0.2) -> list[Overlap]:
    """Pairs of texts with more than `threshold` of their n-grams in common, largest share first.

    The share is containment: distinct n-grams (of lower-cased words) in both, over those of the text that has fewer.
    A text of fewer than `n` words counts as one n-gram. Work grows with the n-grams that are shared, not with pairs.
    """
    count = len(bodies)
    grams = [word_ngrams(body, n) for body in bodies]
    sizes = np.array([len(found) for found in grams], dtype=np.int64)
    pairs, shared = _shared_counts(grams)
    first, second = np.divmod(pairs, max(count, 1))
    share = shared / np.minimum(sizes[first], sizes[second])
    order = np.lexsort((second, first, -share))
    return [Overlap(int(first[k]), int(second[k]), float(share[k])) for k in order if share[k] > threshold]


def largest_overlap(bodies: Sequence[str], n: int = 8) -> Overlap:
    """The pair with the largest share of common n-grams (see `overlaps`); share 0 of the first two when none is shared.

    Raises `CorpusError` for fewer than two texts.
    """
    if len(bodies) < 2:
        raise CorpusError(f"An overlap is between two texts; there is {len(bodies)}.")
    return next(iter(overlaps(bodies, n, threshold=0.0)), Overlap(0, 1, 0.0))


def word_ngrams(body: str, n: int) -> NDArray[np.uint64]:
    """Distinct 64-bit hashes of the word n-grams, the same in every process (unlike `hash`)."""
    words = re.findall(r"\w+", body.lower())
    codes = {word: int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big") for word in set(words)}
    values = np.array([codes[word] for word in words], dtype=np.uint64)
    width = min(n, len(words))
    if width == 0:
        return values
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    # An odd multiplier keeps word order in the hash; uint64 wraps around by definition, which is what is wanted.
    total = np.zeros(len(windows), dtype=np.uint64)
    for k in range(width):
        total = total * np.uint64(0x9E3779B97F4A7C15) + windows[:, k]
        total ^= total >> np.uint64(29)
    return np.unique(total)


def _shared_counts(grams: Sequence[NDArray[np.uint64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of texts, coded first * count + second, that share n-grams, and how many."""
    count = len(grams)
    if count == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    hashes = np.concatenate(grams)
    holders = np.repeat(np.arange(count), [len(found) for found in grams])
    order = np.argsort(hashes, kind="stable")
    hashes, holders = hashes[order], holders[order]
    starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]]) if len(hashes) else np.zeros(0, np.int64)
    lengths = np.diff(np.r_[starts, len(hashes)])
    totals: Counter[int] = Counter()
    for length in np.unique(lengths[lengths > 1]):
        left, right = np.triu_indices(int(length), 1)
        begins = starts[lengths == length]
        chunk = max(1, 2_000_000 // len(left))
        for at in range(0, len(begins), chunk):
            members = holders[begins[at : at + chunk, None] + np.arange(length)]
            keys, times = np.unique(members[:, left] * count + members[:, right], return_counts=True)
            totals.update(dict(zip(keys.tolist(), times.tolist(), strict=True)))
    pairs = np.array(sorted(totals), dtype=np.int64)
    return pairs, np.array([totals[int(pair)] for pair in pairs], dtype=np.int64)


def shown(name: str, width: int = 60) -> str:
    """A name quoted for a message, shortened when it is as long as a text."""
    return repr(name if len(name) <= width else name[: width - 3] + "...")


def some(names: Sequence[str], limit: int = 5) -> str:
    """A few names for a message, and how many were left out."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
