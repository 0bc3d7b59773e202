"""Language models as recorders: found on disk, identified by their bytes, loaded only when something must be recorded."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Unpack

from modclaims import numerics
from modclaims.corpus import Corpus
from modclaims.errors import UsageError
from modclaims.lm.anatomy import ATTENTION_VERSION, anatomy_of
from modclaims.lm.jobs import Job
from modclaims.lm.kept import Known, settings_of
from modclaims.lm.model_files import LoadingOptions, ModelFiles, find_model, quiet
from modclaims.lm.store import RecordingStore, Shelf, text_key
from modclaims.lm.stored_source import StoredSource
from modclaims.lm.tokens import ReadText, TextReader, repeated
from modclaims.lm.torch_build import torch_version
from modclaims.lm.variants import Variant
from modclaims.lm.wanted import Wanted, variant_of
from modclaims.model_set import ModelSet, Progress
from modclaims.recording import ModelShape, Positions, RandomTokens, Reading, Recording, Request

if TYPE_CHECKING:  # torch and transformers take seconds, and are loaded where something is not in the store
    from modclaims.lm.network import Network
    from modclaims.lm.networks import NetworkLoader

log = logging.getLogger(__name__)

_NO_NUMBERS = ("model", "revision", "stored_dtype")
"""What of a network's provenance no number depends on, beside its weights."""


def load_model(
    spec: str = "embedded",
    *,
    batch_size: int = 8,
    store: RecordingStore | None = None,
    **options: Unpack[LoadingOptions],
) -> LanguageModel:
    """The model that `spec` means, ready to record; its weights are hashed now and loaded when first needed.

    `spec` is `embedded`, a folder, or a hub id with `@revision`; each with `#untrained`, `#gaussian` or `#permuted` and
    a seed (`#untrained:1`). Options are `dtype`, by default what the weights are stored in, but on the CPU float32 where
    that is half precision (`stored` keeps it); `device`, by default a CUDA device if there is one and else the CPU;
    `device_map`, `offline`, `allow_bin` and `trust_remote_code` (see `LoadingOptions`). `batch_size` texts are run at a
    time, of a network that computes in half precision always one: there the rounding depends on the batch, and verdicts
    must not. Without `store` nothing is kept beyond the recordings at hand.

    Raises `ModelError` for a model that cannot be found, read or understood, `UsageError` for settings.
    """
    if batch_size < 1:
        raise UsageError(f"--batch-size is {batch_size}; it must be at least 1.")
    store = store or RecordingStore.temporary()
    return LanguageModel(find_model(spec, store, **options), batch_size, store)


def load_models(
    spec: str,
    beside: Sequence[str],
    *,
    batch_size: int = 8,
    store: RecordingStore | None = None,
    **options: Unpack[LoadingOptions],
) -> LanguageModel | ModelSet[LanguageModel]:
    """The model that `spec` means with those beside it, with the options of `load_model`; the model alone where there are none.

    All of them are found before the weights of any are hashed. Raises what `load_model` raises.
    """
    store = store or RecordingStore.temporary()
    found = [find_model(one, store, **options) for one in (spec, *beside)]
    own, *others = [LanguageModel(files, batch_size, store) for files in found]
    return ModelSet(own, others) if others else own


class LanguageModel:
    """A `Recorder` over one model's network and its variants. Made by `load_model`."""

    def __init__(self, files: ModelFiles, batch_size: int, store: RecordingStore) -> None:
        self.checkpoint = files.checkpoint
        self.store = store
        self._files = files
        self._placement = files.placement
        self.batch_size = 1 if self._placement.halved else batch_size
        if files.known is not None and files.kept is not None:
            self._anatomy, config = files.kept.anatomy, files.known.config
        else:
            self._anatomy = anatomy_of(files.description.config, self.checkpoint.name)
            config = self._text_config
        self.vocabulary = int(config.vocab_size)
        """Rows of the embedding."""
        self._shape = self._anatomy.shape(config, self.checkpoint.name, self._provenance())
        known = files.known or self._learned()
        self._shape = replace(self._shape, parameters=known.parameters)
        self.leading = known.leading
        """Special tokens that open every text."""
        self._own: Network | None = None
        self._last_read: tuple[Corpus, tuple[ReadText, ...], Reading] | None = None

    @property
    def _text_config(self) -> Any:  # see `Description.config`
        """The part of the configuration that describes the trunk."""
        config = self._files.description.config
        return config.get_text_config() if self._anatomy.trunk else config

    def _learned(self) -> Known:
        """What configuration and tokenizer say, asked of transformers, and kept for the next time."""
        known = Known(
            settings_of(self._anatomy, self._text_config), self._loader.parameters(), tuple(self.reader.leading)
        )
        if self._files.kept is not None:
            self._files.kept.keep(known)
        return known

    @property
    def _loader(self) -> NetworkLoader:
        from modclaims.lm.networks import NetworkLoader

        return NetworkLoader(self._files, self._anatomy, self._text_config, self.shape)

    @cached_property
    def reader(self) -> TextReader:
        """The model's own tokenizer."""
        with quiet():
            return TextReader(self._files.description.tokenizer, self.checkpoint.name)

    def _provenance(self) -> dict[str, str]:
        found = {
            "model": self.checkpoint.origin,
            "revision": self.checkpoint.revision or "",
            "variant": str(self.checkpoint.variant or ""),
            **{f"{what}_sha256": digest for what, digest in self.checkpoint.digests.items()},
            "dtype": self._placement.dtype,
            "stored_dtype": self._placement.stored_dtype or "",
            "device": self._placement.where,
            "attention": ATTENTION_VERSION,
            "torch": torch_version(),
            "transformers": version("transformers"),
        }
        return {name: value for name, value in found.items() if value}

    @property
    def shape(self) -> ModelShape:
        """The network's dimensions and identity."""
        return self._shape

    def __repr__(self) -> str:
        return f"LanguageModel({self.shape.name!r})"

    def key(self, variant: Variant | None) -> str:
        """SHA-256, in hexadecimal, of everything that the numbers of one network depend on."""
        identity = {name: value for name, value in self.shape.provenance.items() if name not in _NO_NUMBERS}
        identity["variant"] = str(variant or "")
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def check(self, corpus: Corpus, tokens: int, positions: Positions) -> None:
        """Raise `InputError` if the corpus cannot be read at these positions.

        `UsageError` for more tokens than the network can read, or positions beyond them; `CorpusError`, naming the
        texts, where one is too short.
        """
        self.reading(corpus, tokens).check(corpus, positions)

    def check_requests(self, corpus: Corpus, requests: Iterable[Request], tokens: int) -> None:
        """Raise what `record` would raise for these requests before its first pass."""
        reading = self.reading(corpus, tokens)
        for request in requests:
            variant_of(request, reading)
            request.check(corpus, reading)

    def reading(self, corpus: Corpus, tokens: int, positions: Positions | None = None) -> Reading:
        """How the model reads the first `tokens` tokens of each text, with the run's positions if they are given.

        Raises what `check` raises, of the positions that are given.
        """
        reading = self._read(corpus, tokens)[1]
        if positions is None:
            return reading
        reading.check(corpus, positions)
        return replace(reading, positions=positions.resolve(tokens))

    def _read(self, corpus: Corpus, tokens: int) -> tuple[tuple[ReadText, ...], Reading]:
        """The texts as they are read, and what there is to know of it; kept until another corpus is read."""
        if self._last_read is None or self._last_read[0] is not corpus or self._last_read[2].tokens != tokens:
            read = self._as_read([text.body for text in corpus.texts], tokens)
            reading = Reading(
                self.shape,
                tuple(len(text.ids) for text in read),
                tokens,
                number=8 if self._placement.dtype == "float64" else 4,
                vocabulary=self.vocabulary,
                own=str(self.checkpoint.variant or ""),
                leading=len(self.leading),
                matrices=tuple(self._anatomy.matrices),
                keys={text.id: text_key(found.ids) for text, found in zip(corpus.texts, read, strict=True)},
            )
            self._last_read = corpus, read, reading
        return self._last_read[1:]

    def _as_read(self, bodies: Sequence[str], tokens: int) -> tuple[ReadText, ...]:
        """Bodies as the model reads them, from the store if they are there."""
        kept = self._files.kept
        if kept is not None and (found := kept.texts(bodies, tokens)) is not None:
            return found
        reader = self.reader
        with quiet():
            read = tuple(reader.read(bodies, tokens))
        if kept is not None:
            kept.keep_texts(bodies, tokens, read)
        return read

    def _drawn(self, sequences: Sequence[RandomTokens]) -> list[ReadText]:
        """Random tokens as the model reads them, drawn from ids that are in the store if they can be."""
        kept = self._files.kept
        ordinary = kept.ordinary(self.vocabulary) if kept is not None else None
        if ordinary is None:
            ordinary = self.reader.ordinary(self.vocabulary)
            if kept is not None:
                kept.keep_ordinary(self.vocabulary, ordinary)
        return repeated(sequences, self.leading, ordinary)

    def record(
        self,
        corpus: Corpus,
        requests: Sequence[Request],
        *,
        tokens: int,
        positions: Positions,
        progress: Progress | None = None,
    ) -> Recording:
        """Answer the requests: one pass per text and network for what the store does not hold yet.

        Networks are those of the requests' variants, loaded one after the other; the model's own stays loaded. Each batch
        is in the store before the next begins, so an interrupted recording goes on where it stopped.
        Ablation takes a pass per text and network without some parts, one of the network as it is, and one of each text that
        values are taken from. `progress(done, total, what)` counts texts, over all networks.

        What the store holds of these texts by another version of `numerics` is not served; how much that is, is logged.

        Raises `InputError` as `check` does, also for the requests' own positions; `ClaimError` for a layer, variant or
        loss that this model cannot have; `ModelError` if its weights do not load, or give values that are not finite.
        """
        reading = self.reading(corpus, tokens, positions)
        read = self._read(corpus, tokens)[0]
        wanted = Wanted.of_texts(corpus, reading, read)
        wanted.collect(requests, corpus, self._drawn)
        own = self.checkpoint.variant
        own_first = sorted(wanted.entries, key=lambda variant: (variant != own, str(variant)))
        jobs = [Job(variant, self._shelf(variant), wanted.entries[variant], wanted.asked) for variant in own_first]
        self._tell_outdated(sum(job.outdated for job in jobs))
        made, for_ablation = (0, 0) if all(job.is_done for job in jobs) else self._make(jobs, wanted, progress)
        held = {job.variant: job.held for job in jobs}
        source = StoredSource(
            self.store,
            reading,
            tuple(reading.keys[text.id] for text in corpus.texts),
            {request.variant: held[variant_of(request, reading)] for request in requests},
            wanted.rows,
        )
        seen = tuple(text.read for text in read)
        return Recording(corpus, self.shape, reading.positions, seen, source, made, for_ablation)

    def _make(self, jobs: Sequence[Job], wanted: Wanted, progress: Progress | None) -> tuple[int, int]:
        """Record what jobs lack: the passes that it took, and how many of them were for ablation."""
        from modclaims.lm.block_spectra import OwnInputs
        from modclaims.lm.passes import Passes

        inputs = OwnInputs(partial(self.network, self.checkpoint.variant), wanted.texts)
        passes = Passes(wanted, inputs, jobs, self.batch_size, self._placement.dtype, progress)
        for job in jobs:
            network = partial(self.network, job.variant, head=job.needs_head)
            passes.make(job, network, self.checkpoint.called(job.variant))
        passes.make_drawn(partial(self.network, None), self.checkpoint.called)
        return passes.total, passes.for_ablation

    def _tell_outdated(self, count: int) -> None:
        if count:
            log.warning(
                "Of model %s the store holds %s made by another extractor than this one (%s); %s recorded anew.",
                self.shape.name,
                f"{count:,} recording{'s' if count > 1 else ''}",
                numerics.of_extractor(),
                "they are" if count > 1 else "it is",
            )

    def _shelf(self, variant: Variant | None) -> Shelf:
        about = {**self.shape.provenance, "name": self.checkpoint.called(variant), "variant": str(variant or "")}
        return self.store.shelf(self.key(variant), about)

    def network(self, variant: Variant | None = None, *, head: bool = False) -> Network:
        """The network of a variant (None: as the weights are), with its language-model head if asked for.

        The model's own variant stays loaded for the next call; any other is the caller's to drop. Raises `ModelError`.
        """
        if variant != self.checkpoint.variant:
            return self._loader.load(variant, head)
        if self._own is None or (head and self._own.head is None):
            if self._own is not None:
                self.release()
            self._own = self._loader.load(variant, head)
        return self._own

    def release(self) -> None:
        """Drop the loaded network; the next recording loads it again."""
        self._own = None
        gc.collect()  # modules and their hooks may refer to one another
