"""ModelSet: several models as one recorder, the run's own and those beside it, which claims about scale compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar, runtime_checkable

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError, CorpusError, ModelError
from modclaims.recording import ModelShape, Positions, Recorder, Recording, Request

Progress = Callable[[int, int, str], None]
DIGESTS = ("weights_sha256", "config_sha256", "tokenizer_sha256", "variant")
"""What two models must not have in common altogether."""


class Reader(Recorder, Protocol):
    """A recorder that can let go of what it holds in memory."""

    def release(self) -> None:
        """Drop the loaded network; the next recording loads it again."""
        ...


@runtime_checkable
class Foretelling(Protocol):
    """A recorder that can tell before any pass which requests it cannot answer."""

    def check_requests(self, corpus: Corpus, requests: Iterable[Request], tokens: int) -> None:
        """Raise what recording them would raise."""
        ...


R = TypeVar("R", bound=Reader)


class ModelSet(Generic[R]):
    """A `Recorder` over several models, one of which is in memory at a time.

    Requests that name no model are answered by `own`, all others by the model of `beside` that they name. Where
    several models have one name, each goes by where it came from.
    """

    def __init__(self, own: R, beside: Sequence[R]) -> None:
        """Raises `ModelError` for a model that is given twice, or whose size nobody can tell."""
        shapes = [reader.shape for reader in (own, *beside)]
        names = [shape.name for shape in shapes]
        called = [shape.name if names.count(shape.name) == 1 else str(_called(shape, shape.name)) for shape in shapes]
        for i, shape in enumerate(shapes):
            if shape.parameters is None:
                raise ModelError(
                    f"How many parameters model {shape.name!r} has cannot be told, so it has no place among models "
                    "ordered by size; leave --beside out, or give models that transformers builds itself."
                )
            for j in range(i):
                if called[i] == called[j] or _same(shape, shapes[j]):
                    raise ModelError(
                        f"Models {called[j]!r} and {called[i]!r} are the same; --model and every --beside must name "
                        "another one, since a model that counts twice says nothing twice."
                    )
        self.own = own
        self.beside = dict(zip(called[1:], beside, strict=True))
        others = [replace(shape, name=name) for shape, name in zip(shapes[1:], called[1:], strict=True)]
        order = sorted(others, key=lambda shape: (shape.parameters or 0, shape.name))
        self.shape: ModelShape = replace(shapes[0], name=called[0], beside=tuple(order))

    def of(self, name: str | None) -> R:
        """The recorder of one model (None: the run's own). Raises `ClaimError` for one that the run does not read."""
        if name is None:
            return self.own
        if name not in self.beside:
            raise ClaimError(f"Model {name!r} is none of those beside {self.shape.name!r}.")
        return self.beside[name]

    def check(self, corpus: Corpus, tokens: int, positions: Positions) -> None:
        """Raise `InputError`, naming the model, if one of them cannot read the corpus at these positions."""
        self.own.check(corpus, tokens, positions)
        for name, reader in self.beside.items():
            check_beside(name, reader, corpus, tokens, positions)

    def check_requests(self, corpus: Corpus, requests: Iterable[Request], tokens: int) -> None:
        """Raise what `record` would raise for these requests before its first pass."""
        for request in requests:
            check_requests(self.of(request.model), corpus, (request.for_model(None),), tokens)

    def record(
        self,
        corpus: Corpus,
        requests: Sequence[Request],
        *,
        tokens: int,
        positions: Positions,
        progress: Progress | None = None,
    ) -> Recording:
        """One model after the other, by size, each let go before the next is loaded; the run's own comes last and stays.

        Every model keeps recordings as if it were read alone.
        """
        asked: dict[str | None, list[Request]] = {name: [] for name in (*(s.name for s in self.shape.beside), None)}
        for request in requests:
            self.of(request.model)
            asked[request.model].append(request.for_model(None))
        found: dict[str | None, Recording] = {}
        before = 0
        if any(asked[name] for name in self.beside):
            self.own.release()
        for name, mine in asked.items():
            if name is not None and not mine:
                continue
            counted = None if progress is None else _Counted(progress, before)
            reader = self.of(name)
            found[name] = reader.record(corpus, mine, tokens=tokens, positions=positions, progress=counted)
            before += 0 if counted is None else counted.total
            if name is not None and found[name].passes:  # else nothing was loaded
                reader.release()
        own = found.pop(None)
        others = {
            shape.name: replace(found[shape.name], shape=shape) for shape in self.shape.beside if shape.name in found
        }
        return replace(
            own,
            shape=self.shape,
            passes=own.passes + sum(other.passes for other in others.values()),
            ablation_passes=own.ablation_passes,
            beside=others,
        )


class _Counted:
    """Progress of one model behind that of those before it."""

    def __init__(self, told: Progress, before: int) -> None:
        self.told, self.before, self.total = told, before, 0

    def __call__(self, done: int, total: int, what: str) -> None:
        self.total = total
        self.told(self.before + done, self.before + total, what)


def check_beside(name: str, reader: Recorder, corpus: Corpus, tokens: int, positions: Positions) -> None:
    """Raise what a model beside the run's own finds wrong with the corpus, with its name."""
    try:
        reader.check(corpus, tokens, positions)
    except CorpusError as fault:
        raise CorpusError(f"Model {name!r}, given with --beside, cannot read all texts. {fault}") from None


def check_requests(reader: Recorder, corpus: Corpus, requests: Iterable[Request], tokens: int) -> None:
    """Raise what a recorder finds wrong with requests before its first pass; one that cannot tell beforehand finds nothing."""
    if isinstance(reader, Foretelling):
        reader.check_requests(corpus, requests, tokens)


def _called(shape: ModelShape, name: str) -> str:
    """Where a model came from, with its variant."""
    origin = shape.provenance.get("model", name)
    _, sign, variant = name.rpartition("#")
    return f"{origin}#{variant}" if sign else origin


def _same(one: ModelShape, other: ModelShape) -> bool:
    """Whether two models are one, as far as their bytes tell."""
    first, second = ([shape.provenance.get(key, "") for key in DIGESTS] for shape in (one, other))
    return bool(first[0]) and first == second


Lineup = ModelSet
"""What `ModelSet` was called; goes with the next release but one."""
