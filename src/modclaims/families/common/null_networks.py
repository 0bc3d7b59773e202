"""Networks that hold nothing learned, which claims about one network are held against."""

from __future__ import annotations

NULLS = ("gaussian", "permuted", "untrained")
