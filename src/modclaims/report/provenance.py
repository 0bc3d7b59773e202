"""Provenance: which model, corpus, settings and versions a run had, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modclaims.drawing.numerals import NOTHING, plain
from modclaims.drawing.rows import Table
from modclaims.entries import JsonFields, JsonObject
from modclaims.report.values import exactly, spoken

_MODEL_ORDER = (
    "name",
    "id",
    "model",
    "revision",
    "variant",
    "weights_sha256",
    "config_sha256",
    "tokenizer_sha256",
    "dtype",
    "stored_dtype",
    "attention",
    "device",
    "layers",
    "heads",
    "kv_heads",
    "width",
    "head_width",
    "mlp_width",
    "context",
    "causal",
    "parameters",
)
_CORPUS_ORDER = (
    "name",
    "sha256",
    "texts",
    "columns",
    "blocks",
    "counts",
    "largest_overlap",
    "note",
)
_SETTINGS_ORDER = (
    "model",
    "beside",
    "corpus",
    "text",
    "label",
    "alpha",
    "correction",
    "permutations",
    "resamples",
    "seed",
    "tokens",
    "positions",
    "dtype",
    "device",
)
_WORDS = {
    "weights_sha256": "SHA-256 of weights",
    "config_sha256": "SHA-256 of configuration",
    "tokenizer_sha256": "SHA-256 of tokenizer",
    "sha256": "SHA-256",
    "stored_dtype": "dtype that weights are stored in",
    "largest_overlap": "largest 8-gram overlap of two texts",
}


def provenance_of(facts: JsonFields) -> tuple[Table, ...]:
    """A table each of models, corpus, settings and versions, of those that the run's facts hold."""
    corpus = dict(facts.get("corpus") or {})
    corpus |= {f"counts of {k}": v for k, v in (corpus.pop("counts", None) or {}).items()}
    corpus |= corpus.pop("facts", None) or {}
    found = (
        ("Model", _ordered(facts.get("model") or {}, _MODEL_ORDER)),
        *(
            (f"Model beside it: {plain(one['name'])}", _ordered(one, _MODEL_ORDER))
            for one in facts.get("models") or []
            if one.get("name") != (facts.get("model") or {}).get("name")
        ),
        ("Corpus", _ordered(corpus, _CORPUS_ORDER)),
        ("Settings", _ordered(facts.get("settings") or {}, _SETTINGS_ORDER)),
        ("Versions", _ordered(_versions(facts), ["modclaims", "arithmetic", "python"])),
    )
    return tuple(Table((name, ""), rows, name, words=(0, 1)) for name, rows in found if rows)


def _versions(facts: JsonFields) -> JsonObject:
    """Of packages, and of the arithmetic where the run tells them (older ones do not)."""
    found = dict(facts.get("versions") or {})
    if made := facts.get("numerics"):
        found["arithmetic"] = ", ".join(f"{name} {number}" for name, number in made.items())
    return found


def _ordered(body: object, order: Sequence[str]) -> tuple[tuple[str, str], ...]:
    if not isinstance(body, Mapping):
        return (("name", plain(body)),)
    keys = [*(k for k in order if k in body), *sorted(k for k in body if k not in order)]
    rows = [(_WORDS.get(k, spoken(k)), exactly(body[k])) for k in keys]
    return tuple((a, b) for a, b in rows if b != NOTHING)
