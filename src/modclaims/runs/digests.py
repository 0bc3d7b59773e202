"""Digests by which runs, and claims among them, are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from modclaims import __version__, numerics
from modclaims.corpus import Corpus
from modclaims.outcome import Outcome
from modclaims.recording import ModelShape
from modclaims.runs.collect import Collected
from modclaims.runs.planned import Planned
from modclaims.runs.settings import Settings


def run_digest(
    collected: Sequence[Collected],
    corpus: Corpus,
    shape: ModelShape,
    settings: Settings,
    unselected: Sequence[Collected] = (),
) -> str:
    """SHA-256 of resolved settings, claims, corpus, model and versions of the arithmetic.

    On one machine, read in batches of one size, two runs with the same one have the same numbers to the bit, whatever the
    order, the neighbours or the workers. With another batch size, on another processor, or with other builds of numpy,
    scipy and torch the last digits differ: outcomes are equal, effects and limits within `numerics.SAME_WITHIN`, p-values
    and levels within `numerics.SAME_DRAWS` draws. Where a level stands that near to alpha the outcome may be another one.
    Claims that were collected and not selected are part of it: a run of some claims is another run than that of all.
    """
    return settings.digest(
        corpus.digest,
        numerics.identity(),
        *_provenance(shape),
        *(f"beside {network_digest(other)}" for other in shape.models if shape.beside),
        *(f"{one.id}={_pinned(one)}" for one in collected),
        *(f"unselected {one.id}={_pinned(one)}" for one in unselected),
    )


def _pinned(one: Collected) -> str:
    return one.claim.digest() if one.claim is not None else one.fault


def level_key(plan: Planned, corpus: Corpus, shape: ModelShape, settings: Settings) -> str:
    """SHA-256 of all that the levels of one claim depend on, by which the log keeps them for runs that leave it out.

    Correction comes after levels; models beside the run's own count only for claims that read them.
    """
    assert plan.collected.claim is not None
    read = shape
    if plan.collected.claim.models() == 1:
        read, settings = replace(shape, beside=()), replace(settings, beside=())
    numbers = run_digest((), corpus, read, replace(settings, correction="holm"))
    return hashlib.sha256(
        "\n".join([__version__, network_digest(shape), noted_claim(plan, shape), numbers]).encode()
    ).hexdigest()


def noted_claim(plan: Planned, shape: ModelShape) -> str:
    """Hash of a claim as the log knows it: one that reads further models is another claim beside other ones."""
    assert plan.collected.claim is not None
    digest = plan.collected.claim.digest()
    if plan.outcome is Outcome.ERROR or plan.collected.claim.models() == 1:
        return digest
    return hashlib.sha256("\n".join([digest, *map(network_digest, shape.models)]).encode()).hexdigest()


def network_digest(shape: ModelShape) -> str:
    """SHA-256 of what a network is: its name and all that is known of where it came from."""
    return hashlib.sha256("\n".join([shape.name, *_provenance(shape)]).encode()).hexdigest()


def _provenance(shape: ModelShape) -> list[str]:
    """All of it but what the digest of the weights says already."""
    return sorted(f"{k}={v}" for k, v in shape.provenance.items() if k != "stored_dtype")
