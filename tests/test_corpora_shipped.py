"""The corpora written for this project are what data/corpora/README.md says they are."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path

import pytest

from modclaims.corpus import Corpus, largest_overlap
from modclaims.corpus_files import read_corpus

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data" / "corpora"
TOKENIZER = ROOT / "data" / "models" / "opt-mini" / "tokenizer.json"
COLUMNS = {
    "crossed": ["id", "text", "topic", "style", "category", "title"],
    "study": ["id", "text", "category", "title"],
}


@pytest.fixture(params=["crossed", "study"])
def corpus(request: pytest.FixtureRequest) -> Corpus:
    return read_corpus(FOLDER / f"{request.param}.jsonl")


@pytest.fixture
def crossed() -> Corpus:
    return read_corpus(FOLDER / "crossed.jsonl")


def test_crossed_has_four_texts_of_every_topic_in_every_style(crossed: Corpus) -> None:
    cells = Counter(zip(crossed.values("topic"), crossed.values("style"), strict=True))
    assert len(crossed) == 64
    assert len(set(crossed.values("topic"))) == len(set(crossed.values("style"))) == 4
    assert set(cells.values()) == {4} and len(cells) == 16


def test_the_category_of_a_crossed_text_is_its_style(crossed: Corpus) -> None:
    assert crossed.values("category") == crossed.values("style")
    assert crossed.columns == ("category", "style", "topic")


def test_crossed_is_sorted_and_numbered_within_its_cells(crossed: Corpus) -> None:
    wanted = sorted(crossed.texts, key=lambda text: (text.labels["topic"], text.labels["style"], text.id))
    assert list(crossed.texts) == wanted
    assert {text.id for text in wanted} == {
        f"{text.labels['topic']}-{text.labels['style']}-{number}" for text in wanted for number in (1, 2, 3, 4)
    }


def test_study_has_the_design_of_the_study() -> None:
    study = read_corpus(FOLDER / "study.jsonl")
    assert Counter(study.values("category")) == {"news": 4, "paper": 3, "code": 3}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_stand_in_their_order_and_titles_differ(name: str) -> None:
    rows = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]
    assert all(list(row) == COLUMNS[name] for row in rows)
    assert len({row["title"] for row in rows}) == len(rows)
    assert not any(row["text"].split("\n")[0] == row["title"] for row in rows)


def test_no_two_texts_share_more_than_a_fiftieth_of_their_8_grams(corpus: Corpus) -> None:
    assert largest_overlap([text.body for text in corpus.texts]).share <= 0.02


def test_the_two_corpora_do_not_repeat_each_other(crossed: Corpus) -> None:
    both = [*crossed.texts, *read_corpus(FOLDER / "study.jsonl").texts]
    assert largest_overlap([text.body for text in both]).share <= 0.02


def test_prose_has_at_least_430_words(corpus: Corpus) -> None:
    prose = [text for text in corpus.texts if text.labels["category"] != "code"]
    assert min(len(text.body.split()) for text in prose) >= 430


def test_every_character_is_ascii(corpus: Corpus) -> None:
    assert [text.id for text in corpus.texts if not text.body.isascii()] == []


def test_every_program_of_crossed_is_python_that_compiles_without_a_warning(crossed: Corpus) -> None:
    for text in crossed.texts:
        if text.labels["style"] == "code":
            compile(ast.parse(text.body), text.id, "exec")


def test_every_text_has_at_least_530_tokens_of_the_embedded_tokenizer(corpus: Corpus) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    assert min(len(tokenizer.encode(text.body).ids) for text in corpus.texts) >= 530


@pytest.mark.parametrize(("name", "same_as"), [("crossed", "crossed"), ("embedded", "crossed"), ("study", "study")])
def test_a_shipped_corpus_is_read_by_its_name(
    name: str, same_as: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_corpus(name)
    assert found.name == same_as
    assert found.digest == read_corpus(FOLDER / f"{same_as}.jsonl").digest
