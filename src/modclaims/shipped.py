"""Where the embedded model, the corpora and the shipped suites lie: the checkout's folders, or the wheel's copy."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(*parts: str) -> Path:
    """Path of a shipped folder or file: `shipped("data", "models", "opt-mini")`, `shipped("hypotheses", "card.py")`.

    A checkout's own folders win when the package runs from `src/`; an installed wheel carries them in `_shipped/`.
    """
    checkout = PACKAGE.parent.parent
    if PACKAGE.parent.name == "src" and (checkout / "pyproject.toml").is_file():
        return checkout.joinpath(*parts)
    return PACKAGE.joinpath("_shipped", *parts)
