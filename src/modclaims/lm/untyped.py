"""Untyped: what transformers and torch hand over without saying of what type it is."""

from __future__ import annotations

from typing import Any

Untyped = (
    Any  # Any: models, configurations and tokenizers differ by architecture, and transformers gives none of them a type
)
