"""What is read of a text: leading special tokens, the text, cut; and which part of the body that was."""

from __future__ import annotations

from pathlib import Path

import pytest
from lm.tiny_opt import save_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from modclaims.errors import ModelError
from modclaims.lm import tokens as tokens_module
from modclaims.lm.tokens import TextReader


@pytest.fixture(params=[False, True], ids=["leading", "leading and trailing"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> TextReader:
    save_tokenizer(tmp_path, trailing=request.param)
    return TextReader(AutoTokenizer.from_pretrained(tmp_path), "m")


def words() -> PreTrainedTokenizerFast:
    """A tokenizer of whole words, with no special tokens."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "a": 2, "moon": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def test_texts_open_with_the_leading_special_tokens_and_have_no_trailing_ones(reader: TextReader) -> None:
    (text,) = reader.read(["abc"], 10)
    assert reader.leading == [0]
    assert len(text.ids) == 4
    assert text.ids[0] == 0
    assert 0 not in text.ids[1:]
    assert text.read == "abc"


def test_texts_are_cut_to_the_tokens_asked_for(reader: TextReader) -> None:
    (text,) = reader.read(["abcdef"], 4)
    assert len(text.ids) == 4
    assert text.read == "abc"


def test_the_part_read_ends_with_the_last_token(reader: TextReader) -> None:
    """Tokens are bytes here, so a cut may fall inside a character: it counts as read."""
    (text,) = reader.read(["aé∑b"], 5)
    assert text.read == "aé∑"


def test_words_between_tokens_are_read_too() -> None:
    reader = TextReader(words(), "m")
    assert reader.leading == []
    assert [text.read for text in reader.read(["  the   moon a a", "the"], 2)] == ["  the   moon", "the"]


def test_special_tokens_that_a_body_spells_out_are_no_leading_ones(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    reader = TextReader(AutoTokenizer.from_pretrained(tmp_path), "m")
    (text,) = reader.read(["<s>ab"], 10)
    assert text.ids.tolist()[:2] == [0, 0]
    assert len(text.ids) == 4


def test_how_many_texts_are_encoded_at_once_changes_nothing(
    reader: TextReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = ["abcde" * k for k in range(1, 6)]
    together = [(text.ids.tolist(), text.read) for text in reader.read(bodies, 12)]
    monkeypatch.setattr(tokens_module, "CHARACTERS_AT_ONCE", 1)
    assert [(text.ids.tolist(), text.read) for text in reader.read(bodies, 12)] == together


def test_a_tokenizer_without_offsets_spells_the_part_read_itself() -> None:
    fast = words()

    class Slow:
        def __call__(self, text: str | list[str], **options: object) -> object:
            options.pop("verbose", None)
            ids = fast(text, **options)["input_ids"]
            return {"input_ids": ids} if isinstance(text, str) else Batch(ids)

        def decode(self, ids: list[int], **options: object) -> str:
            return str(fast.decode(ids, **options))

    class Batch(dict[str, object]):
        encodings = None

        def __init__(self, ids: object) -> None:
            super().__init__(input_ids=ids)

    reader = TextReader(Slow(), "m")
    assert [text.read for text in reader.read(["the  moon a"], 2)] == ["the moon"]


def test_a_tokenizer_that_changes_the_text_between_its_special_tokens_is_refused() -> None:
    answers = {True: [1, 7, 2], False: [8]}

    class Strange:
        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            return {"input_ids": answers[add_special_tokens]}

    with pytest.raises(ModelError, match="tokenizer of model 'm'"):
        TextReader(Strange(), "m")


def test_a_tokenizer_with_two_leading_tokens_keeps_both() -> None:
    tokenizer = words().backend_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(
        single="the moon $A moon", special_tokens=[("the", 1), ("moon", 3)]
    )
    reader = TextReader(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]"), "m")
    assert reader.leading == [1, 3]
    assert [text.ids.tolist() for text in reader.read(["a a a"], 4)] == [[1, 3, 2, 2]]
