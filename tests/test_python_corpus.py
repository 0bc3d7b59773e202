"""The corpus made from a Python installation, a small pretended one and the real one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from modclaims.corpus import Corpus, largest_overlap
from modclaims.corpus_files import read_corpus
from modclaims.errors import CorpusError
from modclaims.python_corpus import LONGEST, build_python_corpus

HELD_OUT = ("operator", "dataclasses", "datetime", "dis", "fractions", "queue", "hashlib", "inspect")


def parity(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2


def prose(key: str, characters: int) -> str:
    """Words that hang on `key`, in lines of ten, so that texts with different keys share no 8-gram."""
    rng = np.random.default_rng(list(key.encode()))
    lines: list[str] = []
    while sum(map(len, lines)) < characters:
        lines.append(" ".join(f"{word:x}" for word in rng.integers(0x1000, 0xFFFFF, size=10)))
    return "\n".join(lines)


def module(key: str, characters: int = 3500) -> str:
    comments = "\n".join(f"    # {line}" for line in prose(key, characters).split("\n"))
    return f'"""Docstring of {key}."""\nimport os\n\n@decorated\ndef first_of_{key}():\n{comments}\n    return os\n'


class Installation:
    """A folder that looks like a standard library and one that looks like site-packages."""

    def __init__(self, root: Path) -> None:
        self.stdlib, self.site = root / "lib", root / "lib" / "site-packages"
        self.site.mkdir(parents=True)

    def write(self, path: Path, content: str | bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def topics(self, entries: dict[str, str], form: str = "{!r}") -> None:
        body = ",\n".join(f"{name!r}: {form.format(entry)}" for name, entry in entries.items())
        self.write(self.stdlib / "pydoc_data" / "topics.py", f"# made by Sphinx\ntopics = {{{body}}}\n")

    def distribution(self, name: str, files: dict[str, str | bytes], version: str = "1.0") -> None:
        info = f"{name}-{version}.dist-info"
        listed = [f"{info}/METADATA", *files]
        self.write(self.site / info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        self.write(self.site / info / "RECORD", "".join(f"{path},,\n" for path in listed))
        for path, content in files.items():
            self.write(self.site / path, content)

    def build(self) -> Corpus:
        return build_python_corpus(self.stdlib, [self.site])


def formula(name: str, key: str, characters: int = 3000) -> str:
    text = prose(key, characters).replace("\n", "\n    ")
    examples = "Examples\n    --------\n    >>> 1"
    return f'def {name}(x):\n    r"""Compute :math:`x^2`.\n\n    {text}\n\n    {examples}\n    """\n'


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    made = Installation(tmp_path)
    for name in HELD_OUT[:5]:
        made.write(made.stdlib / f"{name}.py", module(name))
    made.topics({f"topic-{k}": prose(f"t{k}", 3200) for k in range(5)})
    for k in range(5):
        made.distribution(f"dist{k}", {f"dist{k}-1.0.dist-info/licenses/LICENSE": prose(f"l{k}", 3200)})
        made.write(made.site / "scipy" / f"part{k}" / "_functions.py", formula("square", f"s{k}"))
    for package in ("numpy", "scipy"):
        made.write(made.site / package / "__init__.py", "")
        made.distribution(package, {}, "9.9")
    return made


def blocks(corpus: Corpus, category: str) -> set[str]:
    found = (text.block or "" for text in corpus.texts if text.labels["category"] == category)
    return {block.removeprefix(f"{category}/") for block in found}


def body(corpus: Corpus, identifier: str) -> str:
    return next(text.body for text in corpus.texts if text.id == identifier)


# ---- a pretended installation


def test_the_pretended_modules_are_those_that_training_left_out() -> None:
    assert {parity(name) for name in HELD_OUT} == {1}


def test_four_categories_come_with_blocks_sources_and_facts(installed: Installation) -> None:
    corpus = installed.build()
    assert Counter(corpus.values("category")) == {"code": 5, "manual": 5, "mathematics": 5, "legal": 5}
    assert blocks(corpus, "code") == set(HELD_OUT[:5])
    assert blocks(corpus, "manual") == {f"topic-{k}" for k in range(5)}
    assert blocks(corpus, "legal") == {f"dist{k}" for k in range(5)}
    assert blocks(corpus, "mathematics") == {f"scipy.part{k}" for k in range(5)}
    sources = {text.id: text.source for text in corpus.texts}
    assert sources["code/operator/1"] == "module operator" and sources["manual/topic-0/1"] == "topic topic-0"
    assert (
        sources["legal/dist0/1"] == "dist0 1.0: LICENSE"
        and sources["mathematics/scipy.part0/1"] == "scipy.part0: square"
    )
    assert corpus.facts["numpy"] == corpus.facts["scipy"] == "9.9"
    assert corpus.facts["python"] == sys.version.split()[0] and corpus.facts["near-duplicates dropped"] == "0"


def test_two_builds_are_equal_and_files_made_in_another_order_change_nothing(
    installed: Installation, tmp_path: Path
) -> None:
    once = installed.build()
    again = Installation(tmp_path / "other")
    for path in sorted(installed.stdlib.rglob("*"), reverse=True):
        if path.is_file():
            again.write(again.stdlib / path.relative_to(installed.stdlib), path.read_bytes())
    assert again.build() == once and again.build().digest == once.digest


def test_nothing_that_is_found_gets_imported_or_run(installed: Installation) -> None:
    alarm = "raise SystemExit('imported')\n"
    installed.write(installed.stdlib / "operator.py", alarm + module("operator"))
    installed.write(installed.site / "scipy" / "__init__.py", alarm)
    installed.build()  # what the standard library itself loads late is in by now
    before = set(sys.modules)
    assert "operator" in blocks(installed.build(), "code")
    assert set(sys.modules) - before == set()


def test_code_starts_at_the_first_definition_with_its_decorator(installed: Installation) -> None:
    found = body(installed.build(), "code/operator/1")
    assert found.startswith("@decorated\ndef first_of_operator():") and "Docstring" not in found


def test_modules_seen_in_training_tests_and_other_packages_are_no_code(installed: Installation) -> None:
    assert parity("argparse") == 0
    for name in (
        "argparse.py",
        "test/queue.py",
        "site-packages/queue.py",
        "lib-dynload/queue.py",
        "dis/tests/queue.py",
    ):
        installed.write(installed.stdlib / name, module(name.replace("/", "_").removesuffix(".py")))
    assert blocks(installed.build(), "code") == set(HELD_OUT[:5])


def test_a_module_that_does_not_parse_or_is_not_utf_8_is_passed_over(installed: Installation) -> None:
    installed.write(installed.stdlib / "queue.py", module("queue") + "def broken(:\n")
    installed.write(installed.stdlib / "hashlib.py", module("hashlib").encode() + b"# \xff\n")
    assert blocks(installed.build(), "code") == set(HELD_OUT[:5])


def test_short_modules_of_one_package_are_joined_and_long_ones_are_cut(installed: Installation) -> None:
    for k in range(4):
        installed.write(installed.stdlib / "inspect" / f"part{k}.py", module(f"part{k}", 1100))
    installed.write(installed.stdlib / "queue.py", module("queue", 20_000))
    corpus = installed.build()
    joined = body(corpus, "code/inspect/1")
    assert "first_of_part0" in joined and "first_of_part1" in joined
    assert [text.source for text in corpus.texts if text.id == "code/inspect/1"] == [
        "module inspect.part0; module inspect.part1; module inspect.part2"
    ]
    assert 2800 <= len(body(corpus, "code/queue/1")) <= LONGEST
    assert all(len(text.body) <= LONGEST for text in corpus.texts)


@pytest.mark.parametrize("form", ["{!r}", "r'''{}'''", "('' {!r})"])
def test_topics_are_read_however_their_strings_are_written(form: str, installed: Installation) -> None:
    before = installed.build()
    installed.topics({f"topic-{k}": prose(f"t{k}", 3200) for k in range(5)}, form)
    assert installed.build() == before


def test_a_block_gives_at_most_four_texts_and_a_category_at_most_twenty_four(installed: Installation) -> None:
    installed.topics({f"topic-{k:02}": prose(f"t{k}", 30_000) for k in range(5)})
    sizes = Counter(text.block for text in installed.build().texts if text.labels["category"] == "manual")
    assert set(sizes.values()) == {4} and len(sizes) == 5
    installed.topics({f"topic-{k:02}": prose(f"t{k}", 30_000) for k in range(10)})
    sizes = Counter(text.block for text in installed.build().texts if text.labels["category"] == "manual")
    assert sum(sizes.values()) == 24 and sorted(sizes.values()) == [2] * 6 + [3] * 4


def test_a_text_that_repeats_another_is_dropped_and_counted(installed: Installation) -> None:
    copied = prose("t0", 3200)
    installed.topics({f"topic-{k}": prose(f"t{k}", 3200) for k in range(5)} | {"copy": copied.upper() + "\nmore"})
    corpus = installed.build()
    assert len(blocks(corpus, "manual")) == 5 and len(blocks(corpus, "manual") & {"copy", "topic-0"}) == 1
    assert corpus.facts["near-duplicates dropped"] == "1"


def test_parts_of_one_licence_are_not_spread_over_distributions(installed: Installation) -> None:
    shared = prose("shared", 20_000)
    for name in ("dista", "distb"):
        installed.distribution(name, {f"{name}-1.0.dist-info/LICENSE": shared})
    corpus = installed.build()
    assert len(blocks(corpus, "legal") & {"dista", "distb"}) == 1
    assert Counter(text.block for text in corpus.texts)["legal/dista"] == 4


def test_licences_are_files_called_so_and_short_ones_of_a_distribution_are_joined(installed: Installation) -> None:
    folder = "many-1.0.dist-info/licenses"
    files: dict[str, str | bytes] = {
        f"{folder}/COPYING": prose("m1", 1600),
        f"{folder}/sub/LICENCE.md": prose("m2", 1600),
        f"{folder}/AUTHORS": prose("m3", 4000),
        "many/licenses.py": prose("m4", 4000),
        f"{folder}/NOTICE": b"\xff\xfe" + prose("m5", 4000).encode(),
    }
    installed.distribution("many", files)
    corpus = installed.build()
    assert body(corpus, "legal/many/1").startswith(prose("m1", 1600) + "\n\n" + prose("m2", 1600)[:100])
    assert Counter(text.block for text in corpus.texts)["legal/many"] == 1


def test_too_few_distinct_licences_leave_the_category_out_with_a_note(installed: Installation) -> None:
    for k in range(5):
        installed.distribution(f"dist{k}", {f"dist{k}-1.0.dist-info/licenses/LICENSE": prose("same", 3200)})
    corpus = installed.build()
    assert set(corpus.values("category")) == {"code", "manual", "mathematics"}
    assert corpus.note.startswith("Category 'legal' is left out: only 1 of 5 distributions")
    assert int(corpus.facts["near-duplicates dropped"]) >= 4


def test_mathematics_is_formulas_of_public_functions_without_their_examples(installed: Installation) -> None:
    hidden = installed.site / "scipy" / "hidden"
    installed.write(hidden / "a.py", formula("_private", "h1"))
    installed.write(hidden / "tests" / "b.py", formula("public", "h2"))
    installed.write(hidden / "c.py", formula("plain", "h3").replace(":math:", "") + "# math:\n")
    names = ['"scipy.part"', '"sine"']
    added = (
        "add_newdoc({}, r'''{}''')\n".format(", ".join(names[k:]), f".. math:: x\n{prose(f'n{k}', 1600)}")
        for k in (0, 1)
    )
    installed.write(installed.site / "numpy" / "core" / "docs.py", "".join(added))
    corpus = installed.build()
    assert blocks(corpus, "mathematics") == {"numpy.core", *(f"scipy.part{k}" for k in range(5))}
    found = body(corpus, "mathematics/scipy.part0/1")
    assert found.startswith("Compute :math:`x^2`.") and "Examples" not in found and "\n    " not in found
    assert [text.source for text in corpus.texts if text.block == "mathematics/numpy.core"] == ["numpy.core: sine"]


@pytest.mark.parametrize(
    ("category", "path"), [("code", "operator.py"), ("manual", "pydoc_data/topics.py"), ("mathematics", "scipy")]
)
def test_another_category_with_too_few_blocks_is_refused_by_its_name(
    category: str, path: str, installed: Installation
) -> None:
    if category == "code":
        for name in HELD_OUT[:2]:
            (installed.stdlib / f"{name}.py").unlink()
    elif category == "manual":
        (installed.stdlib / path).unlink()
    else:
        (installed.site / path / "__init__.py").unlink()
    with pytest.raises(CorpusError, match=f"category '{category}' has [03] blocks with enough text and needs 4"):
        installed.build()


def test_an_installation_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="category 'code' has 0 blocks"):
        build_python_corpus(tmp_path / "no", [tmp_path / "where"])


# ---- the real installation


@pytest.fixture(scope="module")
def real() -> Corpus:
    return read_corpus("python")


def test_the_real_corpus_has_four_blocks_and_at_most_24_texts_a_category(real: Corpus) -> None:
    sizes = Counter(real.values("category"))
    assert {"code", "manual", "mathematics"} <= set(sizes) and max(sizes.values()) <= 24
    assert ("legal" in sizes) != ("legal" in real.note)
    for category in sizes:
        assert len(blocks(real, category)) >= 4
    assert max(Counter(real.blocks()).values()) <= 4


def test_the_real_texts_are_long_enough_and_no_two_are_near_duplicates(real: Corpus) -> None:
    assert all(2800 <= len(text.body) <= LONGEST for text in real.texts)
    assert largest_overlap([text.body for text in real.texts]).share <= 0.2


def test_the_real_code_is_of_modules_that_training_left_out(real: Corpus) -> None:
    tops = {
        text.source.split(";")[0].removeprefix("module ").split(".")[0]
        for text in real.texts
        if text.id.startswith("code/")
    }
    assert {parity(name) for name in tops} == {1} and tops <= set(sys.stdlib_module_names)


def test_the_real_corpus_is_the_same_in_another_process(real: Corpus) -> None:
    code = "from modclaims.python_corpus import build_python_corpus as b; print(b().digest)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == real.digest


def test_the_facts_name_versions_and_what_was_dropped(real: Corpus) -> None:
    assert real.facts["numpy"] == np.__version__
    assert set(real.facts) == {"python", "numpy", "scipy", "near-duplicates dropped"}
    assert int(real.facts["near-duplicates dropped"]) > 0
