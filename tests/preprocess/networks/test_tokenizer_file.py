"""A tokenizer's file by itself gives the ids that transformers gives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from preprocess.networks.text_tokenizer import TextTokenizer
from preprocess.networks.tokenizer_file import TokenizerFile

TEXTS = [
    *("", "   ", "I loved every minute.", "don't  can't U.S.A. $5.00 #1", "THE END"),
    *(
        "Hello [PAD] you [SEP] [CLS] [MASK]",
        "Ünïcode é 日本語 🙂",
        " spaces\t tabs\nlines ",
        "a" * 300,
    ),
    *("I\u200bx", "ＦＵＬＬ", "\u0130stanbul", "e\u0301", "one word " * 400),
]


@pytest.mark.parametrize("name", ["minilm", "mpnet"])
def test_ids_and_dictionary_are_those_of_transformers(
    stored_model: Callable[[str], Path], name: str
) -> None:
    folder = stored_model(name)
    own, theirs = TokenizerFile(folder), TextTokenizer(folder)
    for text in TEXTS:
        assert own.encode(text) == theirs.encode(text), text
    assert (own.pad, own.size, own.sha256()) == (theirs.pad, theirs.size, theirs.sha256())
    assert own.dictionary_text() == theirs.dictionary_text()
