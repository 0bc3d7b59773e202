"""Run the numeric tests with the kernels of other processors, each in a process of its own.

    python scripts/kernels.py [--fast] [--at-once N] [--only KERNEL ...] [PYTEST ARGUMENTS]

numpy, scipy and torch choose the code that sums and multiplies by the processor that they find, and no two choices agree in
the last digits. Here they are told to take another's. Each process looks afterwards at what was really taken; where a
library does not have the kernels that it was asked for, that is said, and not tried twice. `--fast` takes a selection of
the tests, for every push. Exit codes: 0 all passed; 1 some failed; 4 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALIASES = {"Katmai": "Prescott"}
"""OpenBLAS tells the first name that has the kernels; builds without the oldest processors give them Prescott's."""
TAKEN = "MODCLAIMS_KERNEL_TAKEN"
"""Environment variable by which a process of tests is told what it should find that it computes with."""
ITSELF = "tests/test_kernels.py::test_this_process_computes_with_the_kernels_that_the_script_found"
NUMERIC = (
    ITSELF,
    *(f"tests/{what}" for what in ("stats", "lm", "families", "calibration")),
    *(f"tests/test_{what}.py" for what in ("known_answer", "minilm", "embedded_card")),
)
"""What is told by numbers."""
FAST = {
    "torch": (ITSELF, *(f"tests/lm/test_{what}.py" for what in ("anatomy", "architectures", "attention", "extract"))),
    "blas": (
        ITSELF,
        *(
            f"tests/stats/{what}.py"
            for what in (
                "effects/test_effects",
                "effects/test_rivals",
                "chance/test_permutation",
                "maps/test_ridge",
                "test_what_does_not_vary",
                "test_witnesses",
            )
        ),
    ),
}
"""What is nearest to the last digits, by whose digits they are."""


@dataclass(frozen=True)
class Kernel:
    """Code of another processor."""

    name: str
    library: str
    """`blas` for numpy and scipy, `torch` for the networks."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that ask for it."""
    expected: str = ""
    """What the library calls it."""


def numpy_features() -> tuple[str, ...]:
    """What numpy chooses its own loops by, on this processor, the humblest first."""
    from numpy._core import _multiarray_umath as core  # the only place that tells

    return tuple(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))


def kernels() -> tuple[Kernel, ...]:
    """All that this processor can run."""
    features = numpy_features()
    wide = tuple(name for name in features if name.startswith(("AVX512", "X86_V4")))
    found = [
        # with torch's own loops those of numpy and of the libraries that torch multiplies by
        Kernel("default", "torch", {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41", "NPY_DISABLE_CPU_FEATURES": " ".join(features)}, "DEFAULT"),
        Kernel("avx2", "torch", {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2", "NPY_DISABLE_CPU_FEATURES": " ".join(wide)}, "AVX2"),
        *(Kernel(core, "blas", {"OPENBLAS_CORETYPE": core}, core) for core in ("Haswell", "Zen", "Prescott")),
    ]  # fmt: skip
    if wide:
        found.append(Kernel("SkylakeX", "blas", {"OPENBLAS_CORETYPE": "SkylakeX"}, "SkylakeX"))
    return tuple(found)


def humblest() -> Kernel:
    """All libraries together with what an old processor has."""
    default, prescott = (next(one for one in kernels() if one.name == name) for name in ("default", "Prescott"))
    return Kernel("humblest", "torch", {**default.asked, **prescott.asked}, default.expected)


def taken(library: str) -> str:
    """What this process really computes with."""
    if library == "torch":
        import torch

        return str(torch.backends.cpu.get_cpu_capability())
    from threadpoolctl import threadpool_info

    for one in ("numpy", "scipy.linalg"):  # each brings an OpenBLAS of its own
        importlib.import_module(one)
    names = {str(one.get("architecture")) for one in threadpool_info() if one["internal_api"] == "openblas"}
    return " and ".join(sorted(ALIASES.get(name, name) for name in names)) or "no OpenBLAS"


def environment(kernel: Kernel) -> dict[str, str]:
    """That of a process which is to use these kernels, on one thread."""
    plain = {
        name: value for name, value in os.environ.items() if name not in {key for one in kernels() for key in one.asked}
    }
    return plain | kernel.asked | {"OMP_NUM_THREADS": "1"}


def really(kernel: Kernel) -> str:
    """What a process that asks for these kernels gets."""
    done = subprocess.run(
        [sys.executable, __file__, "--taken", kernel.library],
        env=environment(kernel), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def to_try(asked: Sequence[Kernel]) -> Iterator[tuple[Kernel, str, str]]:
    """Each kernel with what its process gets, and why it is not tried, if so."""
    seen: dict[tuple[str, str], str] = {}
    for kernel in asked:
        found = really(kernel)
        other = seen.setdefault((kernel.library, found), kernel.name)
        why = (
            f"{kernel.name}: not honoured here, {found} is taken instead, as by {other}" if other != kernel.name else ""
        )
        yield kernel, found, why


def tried(kernel: Kernel, found: str, arguments: Sequence[str]) -> tuple[int, str]:
    """Exit code and output of the tests under one kernel."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        env=environment(kernel) | {TAKEN: f"{kernel.library} {found}"}, cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = "" if found == kernel.expected else f" (not honoured here: {found} is taken instead)"
    lines = done.stdout.strip().splitlines()
    return done.returncode, f"{kernel.name}{told}: {lines[-1] if lines else done.stderr.strip()}\n" + (
        "" if done.returncode == 0 else f"{done.stdout}{done.stderr}\n"
    )


def main(arguments: Sequence[str]) -> int:
    """Try them all, and print a line each, with the whole output of those that failed."""
    if list(arguments[:1]) == ["--taken"]:
        print(taken(arguments[1]))
        return 0
    names = [one.name for one in kernels()]
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--fast", action="store_true", help="a selection of the tests")
    reader.add_argument("--at-once", type=int, default=2, metavar="N", help="so many kernels at a time")
    reader.add_argument("--only", action="append", choices=names, help="this kernel; may be said several times")
    reader.add_argument("tests", nargs="*", help="what pytest is given instead of all numeric tests")
    told = reader.parse_args(arguments)
    worst = 0
    with ThreadPoolExecutor(told.at_once) as pool:
        jobs = []
        for kernel, found, why in to_try([one for one in kernels() if told.only is None or one.name in told.only]):
            if why:
                print(why, flush=True)
                continue
            tests = told.tests or (FAST[kernel.library] if told.fast else NUMERIC)
            jobs.append(pool.submit(tried, kernel, found, tests))
        for job in jobs:
            code, text = job.result()
            print(text, end="", flush=True)
            worst = max(worst, int(code != 0))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
