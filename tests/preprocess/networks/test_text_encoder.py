"""MiniLM through the store: right by transformers' own words, and the same bits in any company."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mia_fairseq.data.views.cut_rows import DIVIDE
from mia_fairseq.errors import InputError
from preprocess.extractors.base import Clip, build_extractor
from preprocess.networks.text_encoder import TextEncoder

TEXTS = [
    "I loved it.",
    "what a waste of an evening, and of a perfectly good script",
    "No.",
    "it is fine I guess " * 12,
    "The best thing I have seen in a very long time, truly!",
]


@pytest.fixture(scope="module")
def encoder(stored_model: Callable[[str], Path]) -> TextEncoder:
    torch.set_num_threads(1)
    return TextEncoder(stored_model("minilm"))


def test_states_equal_a_direct_call_of_the_model(encoder: TextEncoder) -> None:
    states, lengths = encoder.encode(TEXTS)
    for text, state, length in zip(TEXTS, states, lengths, strict=True):
        tokens = encoder.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            expected = encoder.model(**tokens).last_hidden_state[0].numpy()
        assert state.shape == expected.shape == (length, 384)
        assert state.dtype == np.float32
        np.testing.assert_allclose(state, expected, atol=2e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_text_has_the_same_bits_in_any_batch_and_order(
    encoder: TextEncoder, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, _ = encoder.encode(TEXTS * 3)
    monkeypatch.setattr(encoder, "batch_size", batch_size)
    backwards, _ = encoder.encode(TEXTS[::-1])
    for one, other in zip(together[: len(TEXTS)], backwards[::-1], strict=True):
        assert one.tobytes() == other.tobytes()


def test_long_texts_are_cut_and_noted_and_empty_ones_give_nothing(
    stored_model: Callable[[str], Path],
) -> None:
    stored_model("minilm")
    extractor = build_extractor("minilm")
    long = Clip("long", text="well " * 700)
    outputs = extractor.extract([Clip("none"), long, Clip("blank", text=" "), Clip("a", text="a")])
    shapes = [output.shape for output in outputs if isinstance(output, np.ndarray)]
    assert shapes == [(0, 384), (512, 384), (0, 384), (3, 384)]
    assert sorted(extractor.take_notes()) == [
        ("blank", "no words, so no text vector"),
        ("long", f"text cut from 702 to 512 tokens; {DIVIDE}"),
        ("none", "no words, so no text vector"),
    ]
    assert str(extractor.describe()["model_sha256"]).startswith("53aa5117")


def test_a_folder_without_a_model_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no text encoder that transformers can load"):
        TextEncoder(tmp_path)
