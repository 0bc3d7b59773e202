"""Properties are checked on the same examples every time, and without a clock."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("modclaims", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("modclaims")
