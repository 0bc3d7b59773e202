"""Language models as recorders: found on disk, identified by their bytes, loaded only when something must be recorded."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Unpack

import torch

from modclaims import numerics
from modclaims.corpus import Corpus
from modclaims.errors import UsageError
from modclaims.lm import attention
from modclaims.lm.anatomy import Network, anatomy_of
from modclaims.lm.jobs import Job
from modclaims.lm.measures import OwnInputs
from modclaims.lm.model_files import LoadingOptions, ModelFiles, find_model, quiet
from modclaims.lm.networks import NetworkLoader
from modclaims.lm.passes import Passes, Progress
from modclaims.lm.store import RecordingStore, Shelf, text_key
from modclaims.lm.stored_source import StoredSource
from modclaims.lm.tokens import ReadText, TextReader
from modclaims.lm.variants import Variant
from modclaims.lm.wanted import Wanted, variant_of
from modclaims.model_set import ModelSet
from modclaims.recording import ModelShape, Positions, Reading, Recording, Request

log = logging.getLogger(__name__)


def load_model(
    spec: str = "embedded",
    *,
    batch_size: int = 8,
    store: RecordingStore | None = None,
    **options: Unpack[LoadingOptions],
) -> LanguageModel:
    """The model that `spec` means, ready to record; its weights are hashed now and loaded when first needed.

    `spec` is `embedded`, a folder, or a hub id with `@revision`; each with `#untrained`, `#gaussian` or `#permuted` and
    a seed (`#untrained:1`). Options are `dtype`, by default what the weights are stored in; `device`, by default a CUDA
    device if there is one and else the CPU; `device_map`, `offline`, `allow_bin` and `trust_remote_code` (see
    `LoadingOptions`). `batch_size` texts are run at a time, of a network in half precision always one: there the rounding
    depends on the batch, and verdicts must not. Without `store` nothing is kept beyond the recordings at hand.

    Raises `ModelError` for a model that cannot be found, read or understood, `UsageError` for settings.
    """
    if batch_size < 1:
        raise UsageError(f"--batch-size is {batch_size}; it must be at least 1.")
    return LanguageModel(find_model(spec, **options), batch_size, store or RecordingStore.temporary())


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
    found = [find_model(one, **options) for one in (spec, *beside)]
    store = store or RecordingStore.temporary()
    own, *others = [LanguageModel(files, batch_size, store) for files in found]
    return ModelSet(own, others) if others else own


class LanguageModel:
    """A `Recorder` over one model's network and its variants. Made by `load_model`."""

    def __init__(self, files: ModelFiles, batch_size: int, store: RecordingStore) -> None:
        self.checkpoint = files.checkpoint
        self.store = store
        self._placement = files.placement
        self.batch_size = 1 if self._placement.halved else batch_size
        anatomy = anatomy_of(files.config, self.checkpoint.name)
        self._text_config = files.config.get_text_config() if anatomy.trunk else files.config
        shape = anatomy.shape(self._text_config, self.checkpoint.name, self._provenance())
        loader = NetworkLoader(files, anatomy, self._text_config, shape)
        self._shape = replace(shape, parameters=loader.parameters())
        self._loader = replace(loader, shape=self._shape)
        with quiet():
            self.reader = TextReader(files.tokenizer, self.checkpoint.name)
        self._own: Network | None = None
        self._last_read: tuple[Corpus, tuple[ReadText, ...], Reading] | None = None

    def _provenance(self) -> dict[str, str]:
        found = {
            "model": self.checkpoint.origin,
            "revision": self.checkpoint.revision or "",
            "variant": str(self.checkpoint.variant or ""),
            **{f"{what}_sha256": digest for what, digest in self.checkpoint.digests.items()},
            "dtype": self._placement.dtype,
            "device": self._placement.where,
            "attention": attention.VERSION,
            "torch": str(torch.__version__),  # its own class would bring torch into every process that weighs
            "transformers": version("transformers"),
        }
        return {name: value for name, value in found.items() if value}

    @property
    def shape(self) -> ModelShape:
        """The network's dimensions and identity."""
        return self._shape

    def __repr__(self) -> str:
        return f"LanguageModel({self.shape.name!r})"

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding."""
        return int(self._text_config.vocab_size)

    def key(self, variant: Variant | None) -> str:
        """SHA-256, in hexadecimal, of everything that the numbers of one network depend on."""
        identity = {name: value for name, value in self.shape.provenance.items() if name not in ("model", "revision")}
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
            with quiet():
                read = tuple(self.reader.read([text.body for text in corpus.texts], tokens))
            reading = Reading(
                self.shape,
                tuple(len(text.ids) for text in read),
                tokens,
                number=8 if self._placement.dtype == "float64" else 4,
                vocabulary=self.vocabulary,
                own=str(self.checkpoint.variant or ""),
                leading=len(self.reader.leading),
                matrices=tuple(self._loader.anatomy.matrices),
                keys={text.id: text_key(found.ids) for text, found in zip(corpus.texts, read, strict=True)},
            )
            self._last_read = corpus, read, reading
        return self._last_read[1:]

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
        wanted.collect(requests, corpus, self.reader)
        own = self.checkpoint.variant
        own_first = sorted(wanted.entries, key=lambda variant: (variant != own, str(variant)))
        jobs = [Job(variant, self._shelf(variant), wanted.entries[variant], wanted.asked) for variant in own_first]
        self._tell_outdated(sum(job.outdated for job in jobs))
        inputs = OwnInputs(partial(self.network, own), wanted.texts)
        planned = sum(job.passes for job in jobs)
        passes = Passes(wanted, inputs, planned, self.batch_size, self._placement.dtype, progress)
        for job in jobs:
            network = partial(self.network, job.variant, head=job.needs_head)
            passes.make(job, network, self.checkpoint.called(job.variant))
        held = {job.variant: job.held for job in jobs}
        source = StoredSource(
            self.store,
            reading,
            tuple(reading.keys[text.id] for text in corpus.texts),
            {request.variant: held[variant_of(request, reading)] for request in requests},
            wanted.rows,
        )
        seen = tuple(text.read for text in read)
        return Recording(corpus, self.shape, reading.positions, seen, source, passes.total, passes.for_ablation)

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
