"""Settings: what a run was told, from the command line, a `modclaims.toml` or `[tool.modclaims]`, and defaults."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from modclaims.entries import JsonFields, JsonObject
from modclaims.errors import UsageError
from modclaims.look import TestSettings
from modclaims.recording import Positions
from modclaims.stats.chance.multiplicity import Correction

CORRECTIONS = ("holm", "bh", "by", "none")


@dataclass(frozen=True)
class Settings:
    """Everything that may be set; see `modclaims run --help` for each."""

    model: str = "embedded"
    beside: tuple[str, ...] = ()
    """Further models, which claims about scale read; in no order but the alphabet's."""
    corpus: str = "embedded"
    text: str | None = None
    label: str | None = None
    tokens: int = 512
    positions: str = "last:10:4"
    dtype: str | None = None
    device: str | None = None
    device_map: str | None = None
    batch_size: int = 8
    offline: bool = False
    allow_bin: bool = False
    trust_remote_code: bool = False
    keyword: str = ""
    alpha: float = 0.05
    correction: Correction = "holm"
    permutations: int = 9999
    resamples: int = 9999
    seed: int = 0
    out: str | None = None
    strict: bool = False
    no_cache: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "beside", tuple(sorted(self.beside)))
        checks = (
            (0 < self.alpha < 0.5, f"alpha = {self.alpha} must lie between 0 and .5; .05 is usual."),
            (
                self.correction in CORRECTIONS,
                f"correction = {self.correction!r} is unknown; choose one of {', '.join(CORRECTIONS)}.",
            ),
            (self.permutations >= 99, f"permutations = {self.permutations} is too few; 99 is the least, 9999 usual."),
            (self.resamples >= 199, f"resamples = {self.resamples} is too few; 199 is the least, 9999 usual."),
            (self.tokens >= 1, f"tokens = {self.tokens} must be at least 1."),
            (self.batch_size >= 1, f"batch_size = {self.batch_size} must be at least 1."),
            (self.workers >= 1, f"-n {self.workers}: at least one process weighs claims."),
            (
                self.dtype in (None, "stored", "float32", "float64", "bfloat16", "float16"),
                f"dtype = {self.dtype!r} is unknown; choose stored, float32, float64, bfloat16 or float16.",
            ),
        )
        for good, message in checks:
            if not good:
                raise UsageError(message)
        self.resolved_positions()

    def resolved_positions(self) -> tuple[int, ...]:
        """The positions as indices. Raises `UsageError` for ones that lie outside the tokens kept."""
        return Positions(self.positions).resolve(self.tokens)

    @property
    def weighing(self) -> TestSettings:
        """What statistics depend on."""
        return TestSettings(self.seed, self.permutations, self.resamples, self.alpha)

    def loading(self) -> JsonObject:
        """What a model is loaded with, by the names of `lm.model.load_model`."""
        names = ("dtype", "device", "device_map", "offline", "allow_bin", "trust_remote_code", "batch_size")
        return {name: getattr(self, name) for name in names}

    def as_dict(self) -> JsonObject:
        """All settings by name, as they stand in run.json."""
        return asdict(self)

    def digest(self, *inputs: str) -> str:
        """SHA-256 of what decides the numbers: these settings and the hashes of claims, corpus and model.

        Left out: what may change without changing any verdict (batch size, workers, where files go).
        """
        ignored = {"out", "workers", "batch_size", "no_cache", "offline", "strict", "keyword", "device", "device_map"}
        body = {k: v for k, v in asdict(self).items() if k not in ignored}
        if not self.beside:  # a run without is what it was before there could be any
            del body["beside"]
        return hashlib.sha256(json.dumps([body, list(inputs)], sort_keys=True).encode()).hexdigest()


def from_files(folder: Path) -> JsonObject:
    """Settings of `modclaims.toml`, else of `[tool.modclaims]` in pyproject.toml. Raises `UsageError` for a wrong one."""
    for name in ("modclaims.toml", "pyproject.toml"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            if name == "pyproject.toml":
                continue  # another tool's business
            raise UsageError(f"{path.name} is no valid TOML: {fault}.") from None
        if name == "pyproject.toml":
            table = table.get("tool", {}).get("modclaims", {})
            if not table:
                continue
        return _checked(table, path.name)
    return {}


def _checked(table: JsonFields, source: str) -> JsonObject:
    types = {f.name: f.type for f in fields(Settings)}
    found: JsonObject = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in types:
            raise UsageError(f"{source} sets {key!r}, which is no setting; known are {', '.join(sorted(types))}.")
        wanted = str(types[name])
        if wanted.startswith("tuple"):
            named = [value] if isinstance(value, str) else value
            if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
                raise UsageError(f"{source} sets {key} = {value!r}; it must be a list of strings.")
            found[name] = tuple(named)
            continue
        kind: tuple[type, ...] = (str,)
        if wanted.startswith("int"):
            kind = (int,)
        elif wanted.startswith("float"):
            kind = (int, float)
        elif wanted.startswith("bool"):
            kind = (bool,)
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            raise UsageError(f"{source} sets {key} = {value!r}; it must be of type {kind[-1].__name__}.")
        found[name] = value
    return found
