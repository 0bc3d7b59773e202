"""Language models as recorders: found on disk, identified by their bytes, loaded only when something must be recorded."""

from __future__ import annotations

import copy
import gc
import hashlib
import json
import logging
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from modclaims import numerics
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError, CorpusError, ModelError, UsageError
from modclaims.lineup import Lineup
from modclaims.lm import attention
from modclaims.lm.anatomy import Anatomy, Network, anatomy_of
from modclaims.lm.block_inputs import BlockInput, block_inputs
from modclaims.lm.checkpoint import Checkpoint, find_checkpoint
from modclaims.lm.extract import extract
from modclaims.lm.intervene import Replacements, Values, answers
from modclaims.lm.spectra import spectra
from modclaims.lm.store import (
    ABLATED,
    LOSS,
    NO_TEXT,
    TOKENS,
    WEIGHTS,
    Entry,
    RecordingStore,
    Shelf,
    StoredFile,
    StoredSource,
    entries_of,
    text_key,
)
from modclaims.lm.tokens import ReadText, TextReader
from modclaims.lm.variants import Variant, scramble
from modclaims.recording import (
    EMBEDDINGS,
    Ablation,
    Activations,
    Array,
    InductionScores,
    Jacobian,
    LogOdds,
    Loss,
    ModelShape,
    Positions,
    Recording,
    Request,
    TokenIds,
    Weights,
    model_of,
)

log = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}
_LOADING_FAULTS = (
    *(OSError, RuntimeError, ValueError, KeyError, TypeError, ImportError),
    *(SafetensorError, pickle.UnpicklingError),
)
NAMED_AT_MOST = 5
"""Texts that an error names; the rest is counted."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Placement:
    """How and where networks are loaded."""

    dtype: str
    """One of `DTYPES`, of weights and activations."""
    device: str
    """Of networks without a device map."""
    device_map: Any
    """None, or what transformers' `from_pretrained` takes: then accelerate spreads the weights."""
    trust_remote_code: bool

    @property
    def halved(self) -> bool:
        """Whether numbers are rounded so coarsely that those of a text would depend on its batch."""
        return self.dtype in ("bfloat16", "float16")

    @property
    def where(self) -> str:
        """The kind of device, on which the last digits depend."""
        return "device map" if self.device_map is not None else torch.device(self.device).type


def load_model(
    spec: str = "embedded",
    *,
    dtype: str | None = None,
    device: str | None = None,
    device_map: Any = None,
    offline: bool = False,
    allow_bin: bool = False,
    trust_remote_code: bool = False,
    batch_size: int = 8,
    store: RecordingStore | None = None,
) -> LanguageModel:
    """The model that `spec` means, ready to record; its weights are hashed now and loaded when first needed.

    `spec` is `embedded`, a folder, or a hub id with `@revision`; each with `#untrained`, `#gaussian` or `#permuted` and
    a seed (`#untrained:1`). `dtype` defaults to what the weights are stored in, `device` to a CUDA device if there is one
    and else the CPU. `batch_size` texts are run at a time, of a network in half precision always one: there the rounding
    depends on the batch, and verdicts must not. Without `store` nothing is kept beyond the recordings at hand.

    Raises `ModelError` for a model that cannot be found, read or understood, `UsageError` for settings.
    """
    if dtype is not None and dtype not in DTYPES:
        raise UsageError(f"--dtype {dtype!r} is unknown; choose one of {', '.join(DTYPES)}.")
    if batch_size < 1:
        raise UsageError(f"--batch-size is {batch_size}; it must be at least 1.")
    found = find_model(
        spec,
        dtype=dtype,
        device=device,
        device_map=device_map,
        offline=offline,
        allow_bin=allow_bin,
        trust_remote_code=trust_remote_code,
    )
    return LanguageModel(*found, batch_size, store or RecordingStore.temporary())


def load_models(
    spec: str, beside: Sequence[str], *, batch_size: int = 8, store: RecordingStore | None = None, **where: Any
) -> LanguageModel | Lineup[LanguageModel]:
    """The model that `spec` means with those beside it, with the options of `load_model`; the model alone where there are none.

    All of them are found before the weights of any are hashed. Raises what `load_model` raises.
    """
    found = [find_model(one, **where) for one in (spec, *beside)]
    store = store or RecordingStore.temporary()
    own, *others = [LanguageModel(*one, batch_size, store) for one in found]
    return Lineup(own, others) if others else own


def find_model(
    spec: str,
    *,
    dtype: str | None = None,
    device: str | None = None,
    device_map: Any = None,
    offline: bool = False,
    allow_bin: bool = False,
    trust_remote_code: bool = False,
) -> tuple[Checkpoint, Any, Any, Placement]:
    """Checkpoint, configuration, tokenizer and placement of a model, before its weights; raises what `load_model` raises."""
    device = _device(device)
    checkpoint = find_checkpoint(spec, offline=offline, allow_bin=allow_bin)
    config, tokenizer = _config_and_tokenizer(checkpoint, trust_remote_code)
    placement = Placement(dtype or _stored_dtype(checkpoint, config), device, device_map, trust_remote_code)
    return checkpoint, config, tokenizer, placement


def _stored_dtype(checkpoint: Checkpoint, config: Any) -> str:
    """What the weights are stored in; of pickles, what the configuration says, and else float32."""
    if checkpoint.dtype is None:
        said = str(config.dtype).removeprefix("torch.")
        return said if said in DTYPES else "float32"
    if checkpoint.dtype not in DTYPES:
        raise ModelError(
            f"The weights of model {checkpoint.origin!r} are stored as {checkpoint.dtype}, in which nothing is computed; "
            f"choose what to run them in with --dtype {', '.join(DTYPES)}."
        )
    return checkpoint.dtype


def _device(name: str | None) -> str:
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as fault:  # torch raises each, by kind of device
        reason = str(fault).strip().splitlines() or ["no reason given"]
        raise UsageError(f"--device {name!r} cannot be used here: {reason[0]}") from None
    return name


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from talking and drawing bars; what matters of it is raised."""
    import transformers

    logging: Any = transformers.utils.logging  # parts of it are untyped
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _config_and_tokenizer(checkpoint: Checkpoint, trust_remote_code: bool) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoTokenizer

    options = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    with _quiet():
        try:
            config = AutoConfig.from_pretrained(checkpoint.folder, **options)
        except Exception as fault:  # a configuration may break anything in the code that it configures
            raise ModelError(
                f"The configuration of model {checkpoint.origin!r} cannot be read: {_brief(fault)}"
            ) from fault
        try:
            tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder, **options)
        except Exception as fault:  # so may a tokenizer's files
            raise ModelError(f"The tokenizer of model {checkpoint.origin!r} cannot be read: {_brief(fault)}") from fault
    if method := getattr(config, "quantization_config", None):
        method = method.get("quant_method") if isinstance(method, dict) else getattr(method, "quant_method", None)
        raise ModelError(
            f"Model {checkpoint.origin!r} is quantised ({method or 'by a method without a name'}), and its matrices cannot be "
            "read as numbers; give the model with plain weights, in half precision if memory is short (--dtype bfloat16)."
        )
    return config, tokenizer


def _brief(fault: Exception) -> str:
    """The first paragraph of an error, on one line."""
    return " ".join(str(fault).strip().split("\n\n")[0].split()) or type(fault).__name__


class LanguageModel:
    """A `Recorder` over one model's network and its variants. Made by `load_model`."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: Any,
        tokenizer: Any,
        placement: Placement,
        batch_size: int,
        store: RecordingStore,
    ) -> None:
        self.checkpoint = checkpoint
        self.store = store
        self.batch_size = 1 if placement.halved else batch_size
        self._config = config
        self._placement = placement
        self._anatomy: Anatomy = anatomy_of(config, checkpoint.name)
        self._text_config = config.get_text_config() if self._anatomy.trunk else config
        shape = self._anatomy.shape(self._text_config, checkpoint.name, self._provenance())
        self._shape = replace(shape, parameters=self._parameters(shape))
        with _quiet():
            self.reader = TextReader(tokenizer, checkpoint.name)
        self._own: Network | None = None
        self._last_read: tuple[Corpus, int, tuple[ReadText, ...]] | None = None

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

    def _parameters(self, shape: ModelShape) -> int | None:
        """How many distinct numbers trunk and head learn, from a network that is laid out without any numbers; None where
        the model's own code does not stand that."""
        try:
            with _quiet(), torch.random.fork_rng(devices=[]), torch.device("meta"):
                trunk, head = self._parts(self._fresh(shape.causal), shape.causal)
        except (
            *_LOADING_FAULTS,
            NotImplementedError,  # torch, of a product without numbers: some own code computes while it is made
        ):
            return None
        learned = [*trunk.parameters(), *(head.parameters() if head is not None else ())]
        return sum({id(one): int(one.numel()) for one in learned}.values())

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
        if tokens > self.shape.context:
            raise UsageError(
                f"--tokens is {tokens}, and model {self.shape.name!r} reads at most {self.shape.context}; lower --tokens, "
                "and --positions with it if they lie beyond."
            )
        last = max(positions.resolve(tokens))
        self._check_length(corpus, tokens, last + 1, f"position {last}")

    def _check_length(
        self,
        corpus: Corpus,
        tokens: int,
        needed: int,
        what: str,
        remedy: str = "choose earlier --positions or fewer --tokens",
    ) -> None:
        read = self._read(corpus, tokens)
        short = [
            (text.id, len(found.ids)) for text, found in zip(corpus.texts, read, strict=True) if len(found.ids) < needed
        ]
        if not short:
            return
        named = ", ".join(f"{name!r} ({length})" for name, length in short[:NAMED_AT_MOST])
        more = f" and {len(short) - NAMED_AT_MOST} more" if len(short) > NAMED_AT_MOST else ""
        raise CorpusError(
            f"Corpus {corpus.name!r} has {len(short)} of {len(corpus.texts)} texts too short for {what}, which takes {needed} "
            f"tokens; their lengths in tokens: {named}{more}. Leave them out, or {remedy} "
            f"(the shortest text has {min(length for _, length in short)})."
        )

    def _read(self, corpus: Corpus, tokens: int) -> tuple[ReadText, ...]:
        if self._last_read is None or self._last_read[0] is not corpus or self._last_read[1] != tokens:
            with _quiet():
                self._last_read = corpus, tokens, tuple(self.reader.read([text.body for text in corpus.texts], tokens))
        return self._last_read[2]

    def record(
        self,
        corpus: Corpus,
        requests: Sequence[Request],
        *,
        tokens: int,
        positions: Positions,
        progress: Progress | None = None,
    ) -> Recording:
        """Answer the requests: one pass a text and network for what the store does not hold yet.

        Networks are those of the requests' variants, loaded one after the other; the model's own stays loaded. Each batch
        is in the store before the next begins, so an interrupted recording goes on where it stopped.
        Ablation takes a pass a text and network without some parts, one of the network as it is, and one of each text that
        values are taken from. `progress(done, total, what)` counts texts, over all networks.

        What the store holds of these texts by another version of `numerics` is not served; how much that is, is logged.

        Raises `InputError` as `check` does, also for the requests' own positions; `ClaimError` for a layer, variant or
        loss that this model cannot have; `ModelError` if its weights do not load, or give values that are not finite.
        """
        self.check(corpus, tokens, positions)
        where, own = positions.resolve(tokens), str(self.checkpoint.variant or "")
        read = self._read(corpus, tokens)
        keys = [text_key(text.ids) for text in read]
        texts = dict(zip(keys, read, strict=True))
        ids = {key: text.id for key, text in zip(keys, corpus.texts, strict=True)} | {NO_TEXT: "(weights)"}
        wanted: dict[Variant | None, dict[str, set[Entry]]] = {}
        jacobians: dict[Entry, Jacobian] = {}
        asked: dict[Entry, Loss | LogOdds] = {}
        chosen: dict[Request, tuple[int, ...]] = {}
        sequences: dict[Request, tuple[str, ...]] = {}
        leading = len(self.reader.leading)
        by_id = dict(zip([text.id for text in corpus.texts], keys, strict=True))
        for request in requests:
            self._check_request(request, corpus, tokens)
            entries = entries_of(request, self.shape, where, tokens, own, by_id, leading)
            if isinstance(request, InductionScores):
                drawn = self.reader.repeated(request, self.vocabulary)
                sequences[request] = tuple(text_key(sequence.ids) for sequence in drawn)
                for number, (key, sequence) in enumerate(zip(sequences[request], drawn, strict=True)):
                    texts.setdefault(key, sequence)
                    ids.setdefault(key, f"(random tokens {number})")
            elif isinstance(request, Jacobian):
                chosen[request] = request.chosen(corpus)
                jacobians.update(dict.fromkeys(entries, request))
            elif isinstance(request, (Loss, LogOdds)):
                if request.texts is not None:
                    chosen[request] = request.chosen(corpus)
                asked.update({entry: request for entry in entries if entry.site in ABLATED})
            of: Sequence[str] = [keys[i] for i in chosen.get(request, range(len(keys)))]
            if isinstance(request, Weights):
                of = [NO_TEXT]
            for key in sequences.get(request, of):
                wanted.setdefault(self._variant(request), {}).setdefault(key, set()).update(entries)

        own_first = sorted(wanted, key=lambda variant: (variant != self.checkpoint.variant, str(variant)))
        jobs = [_Job(variant, self._shelf(variant), wanted[variant]) for variant in own_first]
        if outdated := sum(job.outdated for job in jobs):
            log.warning(
                "Of model %s the store holds %s made by another extractor than this one (%s); %s recorded anew.",
                self.shape.name,
                f"{outdated:,} recording{'s' if outdated > 1 else ''}",
                numerics.of_extractor(),
                "they are" if outdated > 1 else "it is",
            )
        inputs = _Inputs(self, texts)
        total, done = sum(len(job.missing) + job.trials(asked) for job in jobs), 0
        beside = 0
        for job in jobs:
            if not job.missing and not job.ablated:
                continue
            name = self.checkpoint.called(job.variant)
            if progress is not None:
                progress(done, total, name)
            network = self.network(job.variant, head=job.needs_head)
            for batch in job.batches(texts, self.batch_size):
                values = self._measured(network, batch, job.missing[batch[0]], texts, jacobians, inputs)
                self._check_finite(values, [ids[key] for key in batch], name)
                for row, key in enumerate(batch):
                    job.keep(key, {entry: array[row] for entry, array in values.items()})
                done += len(batch)
                if progress is not None:
                    progress(done, total, name)
            replacements = Replacements(network, {key: text.ids for key, text in texts.items()}, by_id)
            for batch in job.ablation_batches(texts, self.batch_size):
                made, found = self._ablated(network, batch, job.ablated, asked, replacements, tokens)
                for key, values in found.items():
                    self._check_finite({entry: value[None] for entry, value in values.items()}, [ids[key]], name)
                    job.keep(key, values)
                done += made
                beside += made
                if progress is not None:
                    progress(done, total, name)
            beside += replacements.passes
            total, done = total + replacements.passes, done + replacements.passes
            del network, replacements
        held = {job.variant: job.held for job in jobs}
        source = StoredSource(
            self.store,
            self.shape,
            where,
            tokens,
            tuple(keys),
            {request.variant: held[self._variant(request)] for request in requests},
            own,
            chosen,
            by_id,
            sequences,
            leading,
        )
        return Recording(corpus, self.shape, where, tuple(text.read for text in read), source, total, beside)

    def _ablated(
        self,
        network: Network,
        batch: Sequence[str],
        missing: Mapping[str, frozenset[Entry]],
        asked: Mapping[Entry, Loss | LogOdds],
        replacements: Replacements,
        tokens: int,
    ) -> tuple[int, dict[str, dict[Entry, Array]]]:
        """Losses and log-odds that texts of equal length lack, and how many passes they took."""
        rows: dict[Entry, list[int]] = {}
        for row, key in enumerate(batch):
            for entry in missing[key]:
                rows.setdefault(entry, []).append(row)
        found: dict[str, dict[Entry, Array]] = {key: {} for key in batch}
        made = 0
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
        for key in batch:
            made += _trials(missing[key], asked)
        return made, found

    def _measured(
        self,
        network: Network,
        batch: Sequence[str],
        entries: Iterable[Entry],
        texts: Mapping[str, ReadText],
        jacobians: Mapping[Entry, Jacobian],
        inputs: _Inputs,
    ) -> dict[Entry, Array]:
        """What one batch of texts lacks, each entry with a leading text axis (of 1, for weights)."""
        entries = frozenset(entries)
        if batch[0] == NO_TEXT:
            return {entry: _matrix(network, entry)[None] for entry in entries}
        spectral = entries & jacobians.keys()
        written = frozenset(entry for entry in entries if entry.site == TOKENS)
        values: dict[Entry, Array] = {}
        if entries - spectral - written:
            values = extract(network, np.stack([texts[key].ids for key in batch]), entries - spectral - written)
        for entry in written:
            values[entry] = np.stack([_padded(texts[key].ids, entry.positions[0]) for key in batch])
        for entry, rows in spectra(network, spectral, jacobians, [inputs.of(key) for key in batch]).items():
            values[entry] = rows
        return values

    def _variant(self, request: Request) -> Variant | None:
        return Variant.parse(request.variant) if request.variant is not None else self.checkpoint.variant

    def check_requests(self, corpus: Corpus, requests: Iterable[Request], tokens: int) -> None:
        """Raise what `record` would raise for these requests before its first pass."""
        for request in requests:
            self._variant(request)
            self._check_request(request, corpus, tokens)

    def _check_request(self, request: Request, corpus: Corpus, tokens: int) -> None:
        if (other := model_of(request)) is not None:
            raise ClaimError(f"Model {self.shape.name!r} is read alone, and something was asked of {other!r}.")
        if isinstance(request, Activations):
            if request.positions is not None:
                self.check(corpus, tokens, request.positions)
        elif isinstance(request, Jacobian):
            what = f"a Jacobian at {request.tokens} tokens"
            self._check_length(corpus, tokens, request.tokens, what, "lower tokens = ... of the claim")
        elif isinstance(request, Weights):
            if request.matrix == "unembedding" and not self.shape.causal:
                raise ClaimError(f"Model {self.shape.name!r} is an encoder and has no unembedding.")
            if request.matrix not in (*EMBEDDINGS, *self._anatomy.matrices):
                raise ClaimError(
                    f"Model {self.shape.name!r} has no matrix {request.matrix!r}; it has: "
                    f"{', '.join((*EMBEDDINGS, *self._anatomy.matrices))}."
                )
        elif isinstance(request, TokenIds):
            return
        elif isinstance(request, InductionScores):
            self._check_repeated(request)
        elif not self.shape.causal:
            raise ClaimError(
                f"Model {self.shape.name!r} is not causal: its tokens also see what comes after them, so it has no "
                "next-token loss. Leave this claim out, or choose a causal model."
            )
        else:
            self._check_length(corpus, tokens, 2, "a next-token loss")
            request.chosen(corpus)
            if isinstance(request, LogOdds) and not 0 <= min(request.among) <= max(request.among) < self.vocabulary:
                raise ClaimError(f"Model {self.shape.name!r} has tokens 0 to {self.vocabulary - 1} only.")
            if request.ablation is not None:
                request.ablation.by_layer(self.shape)
                Loss(texts=request.ablation.source or None).chosen(corpus)

    def _check_repeated(self, request: InductionScores) -> None:
        if not self.shape.causal:
            raise ClaimError(
                f"Model {self.shape.name!r} is not causal: its tokens also see what comes after them, so what follows an earlier "
                "occurrence tells nothing new. Leave this claim out, or choose a causal model."
            )
        if (needed := len(self.reader.leading) + 2 * request.period) > self.shape.context:
            raise ClaimError(
                f"period = {request.period}: sequences of {needed} tokens do not fit into model {self.shape.name!r}, which reads "
                f"at most {self.shape.context}; lower period."
            )

    def _check_finite(self, values: Mapping[Entry, Any], ids: Sequence[str], name: str) -> None:
        for entry, array in values.items():
            # singular values that were only estimated together are not numbers
            wrong = np.isinf(array) if entry.reduce == "values" else ~np.isfinite(array)
            if wrong.any():
                bad = next(index for index, row in zip(ids, wrong, strict=True) if row.any())
                raise ModelError(
                    f"Model {name!r} gives values that are not finite for {entry.site} of layer {entry.layer} in text {bad!r}; "
                    f"it was run in {self._placement.dtype}, try --dtype float32."
                )

    def _shelf(self, variant: Variant | None) -> Shelf:
        about = {**self.shape.provenance, "name": self.checkpoint.called(variant), "variant": str(variant or "")}
        return self.store.shelf(self.key(variant), about)

    def network(self, variant: Variant | None = None, *, head: bool = False) -> Network:
        """The network of a variant (None: as the weights are), with its language-model head if asked for.

        The model's own variant stays loaded for the next call; any other is the caller's to drop. Raises `ModelError`.
        """
        if variant != self.checkpoint.variant:
            return self._load(variant, head)
        if self._own is None or (head and self._own.head is None):
            if self._own is not None:
                self.release()
            self._own = self._load(variant, head)
        return self._own

    def release(self) -> None:
        """Drop the loaded network; the next recording loads it again."""
        self._own = None
        gc.collect()  # modules and their hooks may refer to one another

    def _load(self, variant: Variant | None, head: bool) -> Network:
        attention.register()
        lm_head: torch.nn.Module | None
        with _quiet():
            try:
                if variant is not None and variant.kind == "untrained":
                    trunk, lm_head = self._untrained(variant.seed)
                else:
                    trunk, lm_head = self._trained(head)
            except _LOADING_FAULTS as fault:
                raise ModelError(
                    f"The weights of model {self.checkpoint.origin!r} cannot be loaded: {_brief(fault)}"
                ) from fault
        trunk.eval().requires_grad_(False)
        if lm_head is not None:
            lm_head.eval().requires_grad_(False)
        cap = getattr(self._text_config, self._anatomy.logit_cap, None) if self._anatomy.logit_cap else None
        network = Network(trunk, self._anatomy, self.shape, lm_head if head else None, cap)
        if variant is not None and variant.kind != "untrained":
            scramble(network, variant)
        return network

    def _trained(self, head: bool) -> tuple[torch.nn.Module, torch.nn.Module | None]:
        import transformers

        loader: Any = transformers.AutoModelForCausalLM if head else transformers.AutoModel
        model, report = loader.from_pretrained(
            self.checkpoint.folder,
            config=copy.deepcopy(self._config),
            dtype=DTYPES[self._placement.dtype],
            attn_implementation=attention.NAME,
            use_safetensors=self.checkpoint.safetensors,
            device_map=self._placement.device_map,
            trust_remote_code=self._placement.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
            **({} if head else self._anatomy.options),
        )
        if missing := sorted(report["missing_keys"]):
            raise ValueError(f"{_first(missing)} not among them, so parts of the network would be left to chance.")
        if self._placement.device_map is None:
            model.to(self._placement.device)
        return self._parts(model, head)

    def _parts(self, model: Any, head: bool) -> tuple[torch.nn.Module, torch.nn.Module | None]:
        """The trunk, and the language-model head if the model was loaded with it."""
        base = model.base_model if head else model
        trunk = base.get_submodule(self._anatomy.trunk) if self._anatomy.trunk else base
        if not head:
            return trunk, None
        return trunk, model.get_submodule(self._anatomy.head) if self._anatomy.head else model.get_output_embeddings()

    def _untrained(self, seed: int) -> tuple[torch.nn.Module, torch.nn.Module | None]:
        """Fresh weights, drawn on the CPU in float32 and with the head of a causal model whether it is asked for or not,
        so that they are the same however they are used.

        A device map is for weights that are read; these are put on one device.
        """
        head = self.shape.causal
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self._fresh(head)
        model.to(self._placement.device, DTYPES[self._placement.dtype])
        return self._parts(model, head)

    def _fresh(self, head: bool) -> Any:
        """The whole model as its configuration makes it."""
        import transformers

        attention.register()
        loader: Any = transformers.AutoModelForCausalLM if head else transformers.AutoModel
        return loader.from_config(
            copy.deepcopy(self._config),
            dtype=torch.float32,
            attn_implementation=attention.NAME,
            trust_remote_code=self._placement.trust_remote_code,
            **({} if head else self._anatomy.options),
        )


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (
        f" and {len(names) - 3} more are" if len(names) > 3 else " is" if len(names) == 1 else " are"
    )


def _trials(entries: Iterable[Entry], asked: Mapping[Entry, Loss | LogOdds]) -> int:
    """Different networks, and lengths at which they read a text, that these entries of it need, the whole one included."""
    found = {(entry.positions[0], asked[entry].ablation) for entry in entries}
    return len(found | {(read, None) for read, _ in found})


def _values(
    replacements: Replacements, batch: Sequence[str], read: int, ablation: Ablation, rows: Sequence[int]
) -> Values | None:
    return replacements.of(ablation, [batch[row] for row in rows], read)


def _padded(ids: NDArray[np.int64], count: int) -> Array:
    """The first ids of a text as float64, -1 where there are none."""
    row = np.full(count, -1.0)
    row[: len(ids)] = ids[:count]
    return row


def _matrix(network: Network, entry: Entry) -> Array:
    """One of the network's matrices, as float32 (float64 from a float64 network)."""
    name = entry.site.removeprefix(WEIGHTS)
    if name in EMBEDDINGS:
        weight = network.embedding() if name == "embedding" else network.unembedding()
    else:
        weight = network.matrix(entry.layer, name)
    return weight.detach().to(torch.promote_types(weight.dtype, torch.float32)).cpu().contiguous().numpy()


class _Inputs:
    """What enters the blocks of the model itself, text by text, kept while a recording is made."""

    def __init__(self, model: LanguageModel, texts: Mapping[str, ReadText]) -> None:
        self.model = model
        self.texts = texts
        self._kept: dict[tuple[str, str, int], Mapping[int, BlockInput]] = {}

    def of(self, key: str) -> Callable[[Jacobian], Mapping[int, BlockInput]]:
        """For one text: the inputs, by layer, that a request is about."""

        def find(request: Jacobian) -> Mapping[int, BlockInput]:
            place = (key, request.block, request.tokens)
            if place not in self._kept:
                network = self.model.network(self.model.checkpoint.variant)
                ids = self.texts[key].ids[: request.tokens]
                self._kept[place] = block_inputs(network, ids, range(self.model.shape.layers), request.block)
            return self._kept[place]

        return find


class _Job:
    """What one network must still record, text by text, and the files that hold the rest."""

    def __init__(self, variant: Variant | None, shelf: Shelf, wanted: Mapping[str, Iterable[Entry]]) -> None:
        self.variant = variant
        self.shelf = shelf
        self.held: dict[str, tuple[StoredFile, ...]] = shelf.find(list(wanted))
        self.missing: dict[str, frozenset[Entry]] = {}
        """By text key; only of texts that lack something."""
        self.ablated: dict[str, frozenset[Entry]] = {}
        """The same of what takes passes of its own."""
        self.outdated = 0
        """How many entries of these are there, but made by an older extractor (or older Jacobians)."""
        for key, files in self.held.items():
            by_key = {entry.key: entry for entry in wanted[key]}
            lacking = [by_key[name] for name in set(by_key).difference(*(file.layout for file in files))]
            older = frozenset[str]().union(*(file.names for file in files)) if lacking else frozenset[str]()
            self.outdated += sum(entry.name in older for entry in lacking)
            apart = frozenset(entry for entry in lacking if entry.site in ABLATED)
            if rest := frozenset(lacking) - apart:
                self.missing[key] = rest
            if apart:
                self.ablated[key] = apart

    @property
    def needs_head(self) -> bool:
        """Whether anything that is missing is made with the language-model head."""
        return bool(self.ablated) or any(
            entry in (Entry(LOSS), Entry(f"{WEIGHTS}unembedding")) for m in self.missing.values() for entry in m
        )

    def trials(self, asked: Mapping[Entry, Loss | LogOdds]) -> int:
        """Passes that what is asked of the network without some parts takes, values that stand in their place apart."""
        return sum(_trials(entries, asked) for entries in self.ablated.values())

    def ablation_batches(self, texts: Mapping[str, ReadText], size: int) -> Iterator[list[str]]:
        """Keys of texts with the same number of tokens; those that lack much the same lie together."""
        order = sorted(self.ablated, key=lambda key: (len(texts[key].ids), min(e.name for e in self.ablated[key])))
        groups: dict[int, list[str]] = {}
        for key in order:
            groups.setdefault(len(texts[key].ids), []).append(key)
        for keys in groups.values():
            # an ablation is asked for at some of the texts of a batch only
            step = size if size == 1 else 2 * size
            for start in range(0, len(keys), step):
                yield keys[start : start + step]

    def batches(self, texts: Mapping[str, ReadText], size: int) -> Iterator[list[str]]:
        """Keys of texts that lack the same entries and have the same number of tokens, in the corpus' order."""
        groups: dict[tuple[int, frozenset[Entry]], list[str]] = {}
        for key, lacking in self.missing.items():
            length = len(texts[key].ids) if key in texts else 0
            groups.setdefault((length, lacking), []).append(key)
        for keys in groups.values():
            for start in range(0, len(keys), size):
                yield keys[start : start + size]

    def keep(self, key: str, arrays: Mapping[Entry, Any]) -> None:
        self.held[key] = (*self.held[key], self.shelf.write(key, arrays))
