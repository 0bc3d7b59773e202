"""Every way to fail, drawn by what the reader must mend.

ModclaimsError
├── InputError          the run as a whole cannot start: exit code 4, before any forward pass
│   ├── UsageError        an option or setting
│   ├── CorpusError       the texts
│   └── ModelError        the network, its weights or its tokenizer
├── NothingSelected     no claim is left to run: exit code 5
├── ClaimError          one claim or its file: that claim is ERROR, its neighbours run
│   └── ClaimCodeError    its own code, or what its constants cause where nobody foresaw them
└── RunFolderError      a run folder in the way, or damaged: exit code 4
"""

from __future__ import annotations


class ModclaimsError(Exception):
    """Base of all errors that modclaims raises on purpose; its message is meant for the user."""


class InputError(ModclaimsError):
    """Arguments, corpus or model are at fault; found before any forward pass."""


class UsageError(InputError):
    """An option, a setting or a claim path that cannot be used."""


class CorpusError(InputError):
    """A corpus that cannot be read, or cannot carry the positions and labels asked for."""


class ModelError(InputError):
    """A model that cannot be found, or whose weights cannot be loaded."""


class NothingSelected(ModclaimsError):
    """No claim matches what was asked for."""


class ClaimError(ModclaimsError):
    """One claim (or its file) is at fault; the outcome of that claim is ERROR."""


class ClaimCodeError(ClaimError):
    """What came out of a claim's own methods, or of modclaims because of constants that nobody foresaw."""


class RunFolderError(InputError):
    """A run folder holds another run, or is damaged."""
