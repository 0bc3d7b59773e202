"""Reading corpora: what is kept as it stands, and one clear sentence for whatever is wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modclaims.corpus_files import read_corpus
from modclaims.errors import CorpusError

GOOD = [
    {"id": "001", "text": "one", "category": "NA"},
    {"id": "002", "text": "two", "category": "NA"},
    {"id": "003", "text": "three", "category": "1.0"},
    {"id": "004", "text": "four", "category": "1.0"},
]
Write = Callable[..., Path]


@pytest.fixture
def jsonl(tmp_path: Path) -> Write:
    def write(rows: list[Any], name: str = "mine.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return write


@pytest.fixture
def table(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Write:
    def write(files: dict[str, str | bytes]) -> Path:
        root = tmp_path / "texts"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return write


def refusal(path: Path | str, **options: str) -> str:
    """The sentence with which a corpus is refused: one line that names the file."""
    with pytest.raises(CorpusError) as caught:
        read_corpus(path, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


# ---- what is read


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_jsonl_keeps_every_field_a_string_with_or_without_a_byte_order_mark(mark: bytes, tmp_path: Path) -> None:
    path = tmp_path / "essays.jsonl"
    path.write_bytes(mark + "\n".join(json.dumps(row) for row in GOOD).encode())
    corpus = read_corpus(path)
    assert corpus.name == "essays" and corpus.columns == ("category",) and corpus.note == ""
    assert [(t.id, t.body, t.labels["category"]) for t in corpus.texts] == [tuple(row.values()) for row in GOOD]
    assert {t.block for t in corpus.texts} == {None} and corpus.blocks() is None


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_reads_the_same_as_jsonl(mark: bytes, jsonl: Write, table: Write) -> None:
    lines = [",".join(GOOD[0]), *(",".join(row.values()) for row in GOOD)]
    for end in ("\n", "\r\n"):
        assert read_corpus(table(mark + end.join(lines).encode())).digest == read_corpus(jsonl(GOOD)).digest


def test_a_corpus_written_as_csv_with_quotes_commas_and_line_ends_comes_back(tmp_path: Path) -> None:
    bodies = ['say "hi",\nthen go', "tab\there", "caf\u00e9 \U0001f600", " spaces kept "]
    path = tmp_path / "mine.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "text", "category"])
        writer.writerows([str(k), body, "ab"[k % 2]] for k, body in enumerate(bodies))
    assert [t.body for t in read_corpus(path).texts] == bodies


def test_a_field_longer_than_the_csv_modules_limit_is_read_and_the_limit_is_left_alone(table: Write) -> None:
    before = csv.field_size_limit()
    long = "word " * 60_000
    corpus = read_corpus(table(f"text,category\n{long}a,x\nb,x\nc,y\nd,y\n"))
    assert corpus.texts[0].body == long + "a"
    assert csv.field_size_limit() == before


def test_json_numbers_and_booleans_keep_the_text_they_had_and_null_is_absent(jsonl: Write) -> None:
    row = '{"id": %d, "text": "t%d", "category": %s, "year": 1.50, "big": 1e400, "flag": true, "gone": null}\n'
    corpus = read_corpus(jsonl([row % (k, k, ["10", "false"][k % 2]) for k in range(4)]))
    assert corpus.values("category") == ("10", "false", "10", "false")
    assert [t.id for t in corpus.texts] == ["0", "1", "2", "3"]
    assert corpus.columns == ("big", "category", "flag", "year")
    assert corpus.texts[0].labels == {"category": "10", "year": "1.50", "big": "1e400", "flag": "true"}


def test_ids_are_made_where_there_are_none(jsonl: Write) -> None:
    rows = [{k: v for k, v in row.items() if k != "id" or row is GOOD[1]} for row in GOOD]
    assert [t.id for t in read_corpus(jsonl(rows)).texts] == ["row-1", "002", "row-3", "row-4"]


def test_block_and_source_are_read_and_title_and_long_columns_are_no_labels(jsonl: Write) -> None:
    rows = [row | {"block": "b", "source": "s", "title": "t", "author": "x", "abstract": "y" * 81} for row in GOOD]
    corpus = read_corpus(jsonl(rows))
    assert corpus.columns == ("author", "category")
    assert corpus.texts[0].block == "b" and corpus.texts[0].source == "s"


def test_lists_and_objects_are_no_labels(jsonl: Write) -> None:
    assert read_corpus(jsonl([row | {"tags": ["a"], "more": {"k": 1}} for row in GOOD])).columns == ("category",)


def test_text_names_the_column_with_the_texts(jsonl: Write) -> None:
    rows = [{"body": row["text"] + " body", **row} for row in GOOD]
    corpus = read_corpus(jsonl(rows), text_column="body")
    assert corpus.texts[0].body == "one body" and corpus.columns == ("category", "text")


def test_label_names_the_column_that_becomes_the_category_and_keeps_the_others(jsonl: Write) -> None:
    rows = [row | {"topic": "ab"[k % 2]} for k, row in enumerate(GOOD)]
    corpus = read_corpus(jsonl(rows), label="topic")
    assert corpus.values("category") == corpus.values("topic") == ("a", "b", "a", "b")


def test_a_title_can_be_the_category_when_it_is_named(jsonl: Write) -> None:
    rows = [row | {"title": "ab"[k % 2]} for k, row in enumerate(GOOD)]
    assert read_corpus(jsonl(rows), label="title").values("category") == ("a", "b", "a", "b")


def test_without_a_category_other_labels_serve_and_the_note_names_them(jsonl: Write) -> None:
    rows = [{"text": f"t{k}", "topic": "law", "style": "news"} for k in range(2)]
    corpus = read_corpus(jsonl(rows))
    assert corpus.columns == ("style", "topic")
    assert "--label COLUMN can name one of: topic, style" in corpus.note


def test_blank_lines_are_passed_over_and_unusual_line_ends_stay_in_the_text(jsonl: Write) -> None:
    rows: list[Any] = [
        "\n",
        *(json.dumps(row | {"text": "a\u2028b\x85" + row["id"]}, ensure_ascii=False) + "\n" for row in GOOD),
    ]
    assert read_corpus(jsonl([*rows, "  \r\n"])).texts[0].body == "a\u2028b\x85001"


def test_a_folder_gives_a_category_a_sub_folder_and_a_text_a_file(folder: Write) -> None:
    root = folder({"news/b.txt": "one", "news/a.txt": "two\r\nlines", "law/2020/c": "\ufeffthree", "law/d.md": "four"})
    corpus = read_corpus(root)
    assert corpus.name == "texts"
    assert [t.id for t in corpus.texts] == ["law/2020/c", "law/d.md", "news/a.txt", "news/b.txt"]
    assert [t.body for t in corpus.texts] == ["three", "four", "two\nlines", "one"]
    assert corpus.values("category") == ("law", "law", "news", "news")


def test_hidden_files_are_passed_over_and_files_beside_the_categories_are_counted(folder: Write) -> None:
    files = {"a/x": "1", "a/y": "2", "b/x": "3", "b/y": "4", "b/.hidden": b"\xff", ".git/z": "5", "README": "6"}
    corpus = read_corpus(folder(files))
    assert len(corpus) == 4 and corpus.note == "Files beside the category folders, left out: 1."


def test_the_current_folder_has_a_name(folder: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder({"a/x": "1", "a/y": "2", "b/x": "3", "b/y": "4"}))
    assert read_corpus(".").name == "texts"


def test_an_existing_file_or_folder_wins_over_a_shipped_name(folder: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder({"crossed/a/x": "1", "crossed/a/y": "2", "crossed/b/x": "3", "crossed/b/y": "4"})
    monkeypatch.chdir(root)
    assert len(read_corpus("crossed")) == 4


# ---- what is refused


@pytest.mark.parametrize("name", ["absent.jsonl", "no/such/folder", "pyhton", "", "a\0b", "x" * 5000])
def test_what_is_not_there_is_refused_with_the_shipped_names(name: str) -> None:
    assert "the shipped corpora are crossed, study and python (embedded is crossed)" in refusal(name)


def test_an_unknown_ending_is_refused_with_the_known_ones(table: Write) -> None:
    assert "by its ending '.parquet'; write JSON lines (.jsonl), CSV" in refusal(table("x", "mine.parquet"))


@pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl"])
def test_bytes_that_are_not_utf_8_are_refused_with_offset_and_line(name: str, table: Write) -> None:
    sentence = refusal(table(b"text,category\ncaf\xe9,x\n", name))
    assert f"{name}' is not UTF-8: byte 0xe9 at offset 17 (line 2)" in sentence


def test_utf_16_is_recognised(table: Write) -> None:
    assert "mark of UTF-16" in refusal(table("text,category\na,b\n".encode("utf-16")))


def test_malformed_json_is_refused_with_its_line(jsonl: Write) -> None:
    assert "Line 3 of" in refusal(jsonl([GOOD[0], "\n", '{"id": 1,\n']))
    assert "nested too deep" in refusal(jsonl(["[" * 100_000 + "\n"]))


def test_an_array_over_the_file_is_told_to_be_lines(table: Write) -> None:
    assert "Write one object per line" in refusal(table(json.dumps(GOOD, indent=1), "mine.json"))


@pytest.mark.parametrize(
    ("row", "kind"), [('["a"]', "an array"), ('"a"', "the value"), ("3", "the value"), ("null", "the")]
)
def test_a_json_row_that_is_no_object_is_refused_with_its_line(row: str, kind: str, jsonl: Write) -> None:
    sentence = refusal(jsonl([GOOD[0], row + "\n"]))
    assert f"is {kind}" in sentence and "Line 2 of" in sentence and "not an object" in sentence


@pytest.mark.parametrize("field", ["text", "category"])
@pytest.mark.parametrize("value", [None, "", "  \n", "absent"])
def test_a_row_without_text_or_label_is_refused_with_its_line(field: str, value: str | None, jsonl: Write) -> None:
    row = {k: v for k, v in GOOD[2].items() if k != field} | ({} if value == "absent" else {field: value})
    what = "text" if field == "text" else "label"
    assert f"has no {what} in column '{field}'" in (sentence := refusal(jsonl([*GOOD[:2], row, GOOD[3]])))
    assert sentence.startswith("Line 3 of")


@pytest.mark.parametrize(
    ("line", "what"),
    [("3,,x", "no text in column 'text'"), ("3,c,", "no label in column 'category'"), ("3,c", "no label")],
)
def test_a_csv_row_without_text_or_label_is_refused_with_its_number(line: str, what: str, table: Write) -> None:
    sentence = refusal(table(f'id,text,category\n1,"a\nb",x\n2,b,x\n{line}\n4,d,y\n'))
    assert sentence.startswith("Row 3 of") and what in sentence


@pytest.mark.parametrize(
    ("field", "value", "kind"), [("text", ["a"], "a list"), ("category", {"k": 1}, "an object"), ("id", [1], "a list")]
)
def test_a_list_or_object_where_a_string_is_needed_is_refused(field: str, value: Any, kind: str, jsonl: Write) -> None:
    assert f"holds {kind} in column '{field}'" in refusal(jsonl([*GOOD, GOOD[0] | {field: value}]))


def test_a_missing_column_is_refused_with_the_columns_found(jsonl: Write, table: Write) -> None:
    assert "no column 'text'; columns found: 'body', 'category'. Name the right one with --text" in refusal(
        jsonl([{"body": "a", "category": "x"}])
    )
    assert "no column 'topic'; columns found: 'id', 'text', 'category'. Name the right one with --label" in refusal(
        jsonl(GOOD), label="topic"
    )
    assert "no column 'body'; columns found: 'text;category'" in refusal(
        table("text;category\na;x\n"), text_column="body"
    )
    assert "Say which one holds the categories with --label" in refusal(jsonl([{"id": "1", "text": "a"}]))


def test_one_category_is_refused(jsonl: Write) -> None:
    assert "Corpus 'mine' has one category only, 'NA'" in refusal(jsonl(GOOD[:2]))


def test_a_category_with_a_single_text_is_refused(jsonl: Write) -> None:
    assert "'1.0' has a single text" in refusal(jsonl(GOOD[:3]))


def test_ids_used_twice_are_refused(jsonl: Write) -> None:
    assert "same id: '001' (2 times)" in refusal(jsonl([*GOOD, GOOD[0]]))


def test_an_escape_that_is_half_a_surrogate_pair_is_refused(jsonl: Write) -> None:
    assert "surrogate" in refusal(jsonl([*GOOD, '{"id": "5", "text": "\\ud83d", "category": "NA"}\n']))


@pytest.mark.parametrize("name", ["mine.csv", "mine.jsonl"])
def test_an_empty_file_is_refused(name: str, table: Write) -> None:
    assert "mine." in refusal(table("", name))
    assert "has no rows" in refusal(table("text,category\n" if name.endswith("csv") else "\n", name))


def test_a_csv_column_named_twice_is_refused(table: Write) -> None:
    assert "two columns called 'text'" in refusal(table("text,category,text\na,b,c\n"))


def test_a_csv_row_with_too_many_fields_is_refused_with_its_number(table: Write) -> None:
    assert "Row 2 of" in (sentence := refusal(table("text,category\na,x\nb, and more,x\n")))
    assert "3 fields, but there are 2 columns" in sentence


def test_a_quote_that_is_never_closed_is_refused(table: Write) -> None:
    assert "is no CSV" in refusal(table('text,category\na,x\n"b,x\nc,y\nd,y\n'))


def test_an_empty_folder_is_refused(tmp_path: Path, folder: Write) -> None:
    (tmp_path / "texts").mkdir()
    assert "is empty; put one sub-folder per category" in refusal(tmp_path / "texts")
    assert "has no sub-folders" in refusal(folder({"a.txt": "1"}))
    (tmp_path / "texts" / "law").mkdir()
    assert "law' holds no file" in refusal(tmp_path / "texts")


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"PNG\0\0", "holds a zero byte at offset 3"), (b"\x89PNG", "is not UTF-8: byte 0x89 at offset 0")],
)
def test_a_binary_file_in_a_folder_is_refused_by_its_name(content: bytes, what: str, folder: Write) -> None:
    sentence = refusal(folder({"a/x": "1", "a/y": "2", "b/x.png": content, "b/y": "4"}))
    assert "b/x.png' " in sentence and what in sentence


def test_an_empty_file_in_a_folder_is_refused_by_its_name(folder: Write) -> None:
    assert "File 'b/x' of" in refusal(folder({"a/x": "1", "a/y": "2", "b/x": " \n", "b/y": "4"}))


def test_a_folder_with_one_category_or_a_single_text_is_refused(folder: Write) -> None:
    assert "one category only, 'a'" in refusal(folder({"a/x": "1", "a/y": "2"}))
    assert "'b' has a single text" in refusal(folder({"b/x": "1"}))


def test_options_that_name_a_column_work_for_a_folder_as_for_a_file(folder: Write) -> None:
    root = folder({"a/x": "1", "a/y": "2", "b/x": "3", "b/y": "4"})
    assert read_corpus(root, text_column="text", label="category").digest == read_corpus(root).digest
    assert "columns found: 'id', 'text', 'category'" in refusal(root, label="topic")


def test_a_file_that_cannot_be_opened_is_refused(folder: Write) -> None:
    root = folder({"a/x": "1", "a/y": "2", "b/x": "3"})
    (root / "b" / "gone").symlink_to(root / "nowhere")
    assert "b/gone' cannot be read: No such file" in refusal(root)
