"""The command line: exit codes, and one clear sentence for bad input before any forward pass."""

import json

import jsonschema
import pytest
from terminal import call

from modclaims import cli
from modclaims.shipped import PACKAGE

SCHEMA = json.loads((PACKAGE / "run.schema.json").read_text())

WORDS = " ".join(f"word{i % 97} of{i % 31}" for i in range(700))


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))


def rows(n=8):
    return [{"id": f"t{i}", "text": f"{i} " * 5 + WORDS[7 * i :], "category": "ab"[i % 2]} for i in range(n)]


def test_list_names_the_shipped_claims(corner, monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "list")
    assert code == 0
    assert "modclaims:card.py::HeadsAreABetterUnit" in out
    assert "expects refuted" in out


def test_list_as_json_is_json(corner, monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "list", "--json", "-k", "heads")
    found = json.loads(out)
    assert code == 0
    assert {row["family"] for row in found} == {"HeadSelectivity", "HeadsAgainstBlocks"}


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["run", "--bogus"], 4, "No such option"),
        (["run", "nowhere.py"], 4, "No hypothesis file or folder nowhere.py"),
        (["run", "-k", "nothing_matches_this"], 5, "No claim is selected"),
        (["run", "--alpha", "2"], 4, "alpha"),
        (["run", "--alpha", "x"], 4, "not a valid float"),
        (["run", "--positions", "700"], 4, "beyond the 512 tokens"),
        (["run", "--tokens", "1024"], 4, "at most 512"),
        (["run", "--corpus", "nowhere.jsonl"], 4, "no corpus 'nowhere.jsonl'"),
        (["run", "--corpus", "one.jsonl"], 4, "one category only"),
        (["run", "--corpus", "lonely.jsonl"], 4, "single text"),
        (["run", "--corpus", "twice.jsonl"], 4, "same id"),
        (["run", "--corpus", "short.jsonl"], 4, "too short"),
        (["run", "--corpus", "latin.jsonl"], 4, "not UTF-8"),
        (["run", "--corpus", "nolabel.jsonl"], 4, "no column 'category'"),
        (["run", "--corpus", "notext.jsonl"], 4, "Line 2 of 'notext.jsonl' has no text"),
        (["run", "--model", "empty"], 4, "no config.json"),
        (["run", "--model", "./missing"], 4, "neither a folder"),
        (["report", "empty"], 4, "holds no finished run"),
        (["nonsense"], 4, "No such command"),
    ],
)
def test_bad_input_is_one_sentence_and_its_exit_code(corner, monkeypatch, capsys, args, code, sentence):
    (corner / "empty").mkdir()
    write(corner / "one.jsonl", [r | {"category": "a"} for r in rows()])
    write(corner / "lonely.jsonl", [r | {"category": "a" if i else "b"} for i, r in enumerate(rows())])
    write(corner / "twice.jsonl", [r | {"id": "same"} for r in rows()])
    write(corner / "short.jsonl", [r | {"text": f"short {i}"} for i, r in enumerate(rows())])
    write(corner / "nolabel.jsonl", [{"id": r["id"], "text": r["text"]} for r in rows()])
    write(
        corner / "notext.jsonl", [{k: v for k, v in r.items() if i != 1 or k != "text"} for i, r in enumerate(rows())]
    )
    (corner / "latin.jsonl").write_bytes(b'{"text": "caf\xe9", "category": "a"}\n')
    found, out, err = call(monkeypatch, capsys, *args)
    assert found == code
    assert sentence in out + err
    assert "Traceback" not in out + err


def test_an_unforeseen_fault_names_its_log(corner, monkeypatch, capsys):
    def burst(*args, **kwargs):
        raise RuntimeError("burst")

    monkeypatch.setattr(cli, "weigh_claims", burst)
    code, _, err = call(monkeypatch, capsys, "run")
    assert code == 12
    log = err.split("Log: ")[1].strip()
    with open(log, encoding="utf-8") as text:
        assert "RuntimeError: burst" in text.read()


def test_an_interruption_ends_with_two(corner, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "weigh_claims", interrupted)
    assert call(monkeypatch, capsys, "run")[0] == 2


def test_a_run_of_the_embedded_model_writes_a_report_and_renders_again(corner, monkeypatch, capsys):
    (corner / "claims.py").write_text(
        "from modclaims import CategoryClustering\n\n\n"
        "class Styles(CategoryClustering):\n"
        '    """Same-style texts <b>point</b> the same way."""\n\n'
        "    label, within, untrained = 'style', 'topic', 0\n\n\n"
        "class Broken(CategoryClustering):\n    '''At no known site.'''\n\n    site = 'nowhere'\n"
    )
    code, out, _ = call(monkeypatch, capsys, "run", "claims.py", "--out", "here", "--permutations", "299")
    assert code == 3
    assert "claims.py::Styles  SUPPORTED" in out
    assert "Corrected (holm) over 2 claims, of which 1 was weighed." in out
    assert "Site 'nowhere' is unknown" in out
    page = (corner / "here" / "report.html").read_text()
    assert "<b>point</b>" not in page
    before = {p.name: p.read_bytes() for p in (corner / "here").iterdir() if p.is_file()}
    (corner / "here" / "report.html").unlink()
    assert call(monkeypatch, capsys, "report", "here")[0] == 0
    assert {p.name: p.read_bytes() for p in (corner / "here").iterdir() if p.is_file()} == before
    body = json.loads((corner / "here" / "run.json").read_text())
    assert body["made"]["passes"] == 64
    again, _, _ = call(monkeypatch, capsys, "run", "claims.py", "--out", "here", "--permutations", "299")
    assert again == 3
    assert json.loads((corner / "here" / "run.json").read_text())["made"]["passes"] == 0  # all from the store
    whole = {c["id"]: c for c in body["claims"]}["claims.py::Styles"]
    code, out, _ = call(monkeypatch, capsys, "run", "claims.py::Styles", "--out", "some", "--permutations", "299")
    assert code == 0
    assert "Corrected (holm) over 2 claims, of which 1 was weighed." in out
    some = json.loads((corner / "some" / "run.json").read_text())
    assert some["hash"] != body["hash"]
    assert [c["p_plus_adjusted"] for c in some["claims"]] == [whole["p_plus_adjusted"]] == [2 * whole["p_plus"]]
    jsonschema.validate(some, SCHEMA)
    page = (corner / "some" / "report.md").read_text()
    assert "after Holm's correction over 2 claims, of which 1 was weighed" in page
    assert "; corrected over 2 claims, of which 1 was weighed: " in page
