"""Text, Corpus, categories and overlaps."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from modclaims.corpus import Corpus, Overlap, Text, check_categories, largest_overlap, overlaps, word_ngrams
from modclaims.errors import ClaimError, CorpusError


def text(name: str, category: str = "a", *, body: str = "", block: str | None = None, **labels: str) -> Text:
    return Text(name, body or f"body of {name}", {"category": category, **labels}, block=block)


def corpus(*texts: Text) -> Corpus:
    return Corpus("essays", texts)


# ---- bad input


def test_a_corpus_without_texts_is_refused() -> None:
    with pytest.raises(CorpusError, match="'essays' has no texts"):
        corpus()


def test_ids_used_twice_are_named_with_their_count() -> None:
    with pytest.raises(CorpusError, match=r"same id: 'x' \(3 times\), 'y' \(2 times\)"):
        corpus(text("x"), text("y"), text("x"), text("z"), text("y"), text("x"))


@pytest.mark.parametrize("blank", [" ", "\n\t\n", "\u00a0"])
def test_a_blank_body_is_refused_by_its_id(blank: str) -> None:
    with pytest.raises(CorpusError, match="Text 'x' of corpus 'essays' is empty"):
        corpus(text("x", body=blank))


@pytest.mark.parametrize("where", ["id", "body", "label", "name of a label", "block"])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(where: str) -> None:
    half = "a\ud800"
    parts: dict[str, Any] = {"id": "x", "body": "b", "labels": {"k": "v"}, "block": "c"}
    changes: dict[str, dict[str, Any]] = {
        "id": {"id": half},
        "body": {"body": half},
        "label": {"labels": {"k": half}},
        "name of a label": {"labels": {half: "v"}},
        "block": {"block": half},
    }
    with pytest.raises(CorpusError, match="surrogate"):
        corpus(Text(**(parts | changes[where])))


def test_an_unknown_label_is_a_fault_of_the_claim_and_lists_the_known_ones() -> None:
    with pytest.raises(ClaimError) as caught:
        corpus(text("x", author="z")).values("topic")
    assert str(caught.value) == (
        "Corpus 'essays' has no label 'topic'; it has: author, category. Choose one with label=..."
    )


def test_a_label_that_some_texts_lack_is_no_column_and_says_which_lack_it() -> None:
    some = corpus(text("x", topic="law"), text("y"), text("z", topic="law"))
    assert some.columns == ("category",)
    with pytest.raises(ClaimError, match="on only 2 of 3 texts; missing on 'y'"):
        some.values("topic")


def test_a_single_category_is_refused() -> None:
    with pytest.raises(CorpusError, match="one category only, 'a'"):
        check_categories(corpus(text("x"), text("y")), "category")


def test_categories_with_a_single_text_are_named() -> None:
    three = corpus(text("x", "a"), text("y", "a"), text("z", "c"), text("w", "b"))
    with pytest.raises(CorpusError, match="'b', 'c' have a single text each"):
        check_categories(three, "category")
    with pytest.raises(CorpusError, match="'b' has a single text;"):
        check_categories(three.select([0, 1, 3]), "category")


def test_checking_a_label_that_is_not_there_is_a_fault_of_the_claim() -> None:
    with pytest.raises(ClaimError, match="no label 'topic'"):
        check_categories(corpus(text("x")), "topic")


def test_two_texts_of_each_category_pass() -> None:
    check_categories(corpus(text("x", "a"), text("y", "a"), text("z", "b"), text("w", "b")), "category")


# ---- what a corpus gives


def test_the_digest_is_that_of_one_line_of_json_a_text() -> None:
    found = corpus(text("x", block="m"), text("y", "b", topic="law", body="caf\u00e9")).digest
    lines = b"""["x", "body of x", [["category", "a"]], "m"]
["y", "caf\\u00e9", [["category", "b"], ["topic", "law"]], null]
"""
    assert found == hashlib.sha256(lines).hexdigest()


def test_the_digest_hears_every_id_body_label_block_and_the_order() -> None:
    base = (text("x"), text("y"))
    others = [
        (text("y"), text("x")),
        (text("x"), text("z", body="body of y")),
        (text("x"), text("y", body="other")),
        (text("x"), text("y", "b")),
        (text("x"), text("y", topic="law")),
        (text("x"), text("y", block="m")),
        (text("x", body="body of xbody of y"), text("y")),
    ]
    digests = [corpus(*texts).digest for texts in (base, *others)]
    assert len(set(digests)) == len(digests)


def test_the_digest_is_deaf_to_name_source_note_facts_and_to_the_order_of_labels() -> None:
    plain = Corpus("a", (Text("x", "b", {"k": "1", "l": "2"}),))
    other = Corpus("b", (Text("x", "b", {"l": "2", "k": "1"}, source="s"),), note="n", facts={"f": "1"})
    assert plain.digest == other.digest


def test_values_stand_in_the_order_of_the_texts() -> None:
    assert corpus(text("x", "b"), text("y", "a")).values("category") == ("b", "a")


def test_blocks_are_none_when_no_text_names_one() -> None:
    assert corpus(text("x"), text("y")).blocks() is None


def test_a_text_without_a_block_is_a_block_by_itself_even_when_its_id_is_a_block() -> None:
    blocks = corpus(text("x", block="y"), text("y"), text("z", block="y"), text("w")).blocks()
    assert blocks == ("y", "text y", "y", "w")


def test_a_selection_keeps_name_note_facts_and_the_order_asked_for() -> None:
    whole = Corpus("essays", (text("x"), text("y"), text("z")), note="n", facts={"f": "1"})
    part = whole.select(np.array([2, 0]))
    assert [t.id for t in part.texts] == ["z", "x"] and len(part) == 2
    assert (part.name, part.note, part.facts) == ("essays", "n", {"f": "1"})


def test_selecting_no_text_or_one_twice_is_refused() -> None:
    with pytest.raises(CorpusError, match="no texts"):
        corpus(text("x")).select([])
    with pytest.raises(CorpusError, match="same id"):
        corpus(text("x")).select([0, 0])


def test_a_frame_has_a_row_a_text_and_keeps_strings() -> None:
    frame = corpus(text("001", "NA", block="m"), text("002", "1.0", topic="law")).to_frame()
    assert list(frame.columns) == ["id", "text", "category", "topic", "block", "source"]
    assert frame["id"].tolist() == ["001", "002"] and frame["category"].tolist() == ["NA", "1.0"]
    assert frame["topic"].tolist() == [None, "law"] and frame["block"].tolist() == ["m", None]


def test_a_corpus_can_be_pickled_and_hashed() -> None:
    whole = corpus(text("x"), text("y", block="m"))
    digest = whole.digest
    again = pickle.loads(pickle.dumps(whole))
    assert again == whole and again.digest == digest and hash(again) == hash(whole)


def test_the_module_imports_no_more_than_numpy_and_the_standard_library() -> None:
    heavy = "pandas", "scipy", "torch", "sklearn", "statsmodels", "matplotlib", "transformers", "rich", "click"
    code = f"import sys, modclaims.corpus, modclaims.corpus_files; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- overlaps


def words(start: int, stop: int) -> str:
    return " ".join(f"w{k}" for k in range(start, stop))


def test_an_overlap_is_the_share_of_the_8_grams_of_the_shorter_text() -> None:
    # 0..19 has 13 8-grams, 10..49 has 33; both hold 10..19, that is 3 of them.
    assert overlaps([words(0, 20), words(10, 50)]) == [Overlap(0, 1, 3 / 13)]
    assert overlaps([words(0, 20), words(10, 50)], threshold=3 / 13) == []


def test_a_text_inside_another_overlaps_it_fully_whatever_its_case_and_punctuation() -> None:
    inside = words(5, 15).upper().replace(" ", ", ")
    assert overlaps([words(0, 30), words(40, 70), inside]) == [Overlap(0, 2, 1.0)]


def test_texts_shorter_than_an_n_gram_overlap_only_when_equal() -> None:
    assert overlaps(["one two", "One, two!", "two one", "", "..."]) == [Overlap(0, 1, 1.0)]


def test_word_order_matters() -> None:
    assert largest_overlap([words(0, 8), " ".join(reversed(words(0, 8).split()))]).share == 0


def test_overlaps_agree_with_sets_of_tuples_on_random_texts() -> None:
    rng = np.random.default_rng(5)
    bodies = [" ".join(rng.choice(["a", "b", "c"], size=rng.integers(2, 60))) for _ in range(40)]
    grams = []
    for body in bodies:
        tokens = body.split()
        width = min(4, len(tokens))
        grams.append({tuple(tokens[k : k + width]) for k in range(len(tokens) - width + 1)})
    wanted = {(i, j): len(grams[i] & grams[j]) / min(len(grams[i]), len(grams[j])) for j in range(40) for i in range(j)}
    found = overlaps(bodies, 4, threshold=0.3)
    assert {(i, j): share for i, j, share in found} == {k: v for k, v in wanted.items() if v > 0.3}
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)
    assert largest_overlap(bodies, 4).share == max(wanted.values())


def test_a_sentence_that_all_of_many_texts_share_is_counted_between_every_two() -> None:
    shared = words(0, 12)
    bodies = [f"{shared} {words(1000 * k, 1000 * k + 8)}" for k in range(1, 61)]
    found = overlaps(bodies, threshold=0.0)
    assert len(found) == 60 * 59 // 2 and {one.share for one in found} == {5 / 13}


def test_the_largest_overlap_of_unlike_texts_is_zero_and_takes_two() -> None:
    assert largest_overlap([words(0, 20), words(30, 50)]) == Overlap(0, 1, 0.0)
    with pytest.raises(CorpusError, match="between two texts; there is 1"):
        largest_overlap(["one"])
    assert overlaps([]) == []


def test_n_gram_hashes_are_the_same_in_every_process() -> None:
    code = "from modclaims.corpus import word_ngrams; print(word_ngrams('a b c d', 2).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(word_ngrams("A, b c d", 2).tolist())
