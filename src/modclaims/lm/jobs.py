"""What one network must still record, text by text, and in which batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from modclaims.lm.store import Shelf
from modclaims.lm.stored_files import StoredFile
from modclaims.lm.tokens import ReadText
from modclaims.lm.variants import Variant
from modclaims.recording import Array, Entry, Request


class Job:
    """What one network must still record, text by text, and the files that hold the rest."""

    def __init__(
        self,
        variant: Variant | None,
        shelf: Shelf,
        wanted: Mapping[str, Iterable[Entry]],
        asked: Mapping[Entry, Request],
    ) -> None:
        self.variant = variant
        self.shelf = shelf
        self.asked = asked
        self.held: dict[str, tuple[StoredFile, ...]] = shelf.find(list(wanted))
        self.missing: dict[str, frozenset[Entry]] = {}
        """By text key; only of texts that lack something."""
        self.apart: dict[str, frozenset[Entry]] = {}
        """The same of what takes passes of its own."""
        self.of_blocks: dict[str, frozenset[Entry]] = {}
        """The same of what is worked out block by block."""
        self.outdated = 0
        """How many entries of these are there, but made by an older extractor (or older Jacobians)."""
        for key, files in self.held.items():
            by_key = {entry.key: entry for entry in wanted[key]}
            lacking = [by_key[name] for name in set(by_key).difference(*(file.layout for file in files))]
            older = frozenset[str]().union(*(file.names for file in files)) if lacking else frozenset[str]()
            self.outdated += sum(entry.name in older for entry in lacking)
            apart = frozenset(entry for entry in lacking if asked[entry].passes_apart)
            of_blocks = frozenset(entry for entry in lacking if asked[entry].of_one_block)
            for found, some in (
                (self.missing, frozenset(lacking) - apart - of_blocks),
                (self.apart, apart),
                (self.of_blocks, of_blocks),
            ):
                if some:
                    found[key] = some

    @property
    def is_done(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing and not self.apart and not self.of_blocks

    @property
    def needs_head(self) -> bool:
        """Whether anything that is missing is made with the language-model head."""
        lacking = (*self.missing.values(), *self.apart.values())
        return any(self.asked[entry].needs_head for entry in frozenset[Entry]().union(*lacking))

    @property
    def passes(self) -> int:
        """Passes that what is missing takes, those for values in the place of parts that are taken out not counted."""
        return len(self.missing) + sum(passes_apart(entries, self.asked) for entries in self.apart.values())

    def batches(self, texts: Mapping[str, ReadText], size: int) -> Iterator[list[str]]:
        """Keys of texts that lack the same entries and have the same number of tokens, in the corpus' order."""
        groups: dict[tuple[int, frozenset[Entry]], list[str]] = {}
        for key, lacking in self.missing.items():
            length = len(texts[key].ids) if key in texts else 0
            groups.setdefault((length, lacking), []).append(key)
        for keys in groups.values():
            for start in range(0, len(keys), size):
                yield keys[start : start + size]

    def batches_apart(self, texts: Mapping[str, ReadText], size: int) -> Iterator[list[str]]:
        """Of what takes passes of its own, keys of texts with the same number of tokens; those that lack much the same lie
        together."""
        order = sorted(self.apart, key=lambda key: (len(texts[key].ids), min(e.name for e in self.apart[key])))
        groups: dict[int, list[str]] = {}
        for key in order:
            groups.setdefault(len(texts[key].ids), []).append(key)
        for keys in groups.values():
            # an ablation is asked for at some of the texts of a batch only
            step = size if size == 1 else 2 * size
            for start in range(0, len(keys), step):
                yield keys[start : start + step]

    def keep(self, key: str, arrays: Mapping[Entry, Array]) -> None:
        """Put what was made of one text into the store."""
        self.held[key] = (*self.held[key], self.shelf.write(key, arrays))


def passes_apart(entries: Iterable[Entry], asked: Mapping[Entry, Request]) -> int:
    """Different networks, and lengths at which they read a text, that these entries of it need, the whole one included."""
    found = {(entry.positions[0], asked[entry].ablation) for entry in entries}
    return len(found | {(read, None) for read, _ in found})
