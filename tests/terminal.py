"""The command line, as it is called on a terminal."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from modclaims import cli


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str) -> tuple[Any, str, str]:
    """Exit code, standard output and standard error of `modclaims` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["modclaims", *args])
    with pytest.raises(SystemExit) as done:
        cli.main()
    out, err = capsys.readouterr()
    return done.value.code, out, err
