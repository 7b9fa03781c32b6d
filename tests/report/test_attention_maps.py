"""What the report shows of a model is what the model did."""

from pathlib import Path

import numpy as np
import pytest
import torch
from harness import train

from mia_fairseq.errors import InputError
from mia_fairseq.modules.interactive_attention import attention_weights
from mia_fairseq.modules.mia import MIAModule
from mia_fairseq.report.attention_maps import channel_names, look, reduced
from mia_fairseq.report.resampling.resampled_metrics import Predictions
from mia_fairseq.report.utterances import telling


def test_attention_is_what_the_module_attends_with() -> None:
    torch.manual_seed(0)
    module = MIAModule(3, kernel_init="random")
    main, aux = torch.randn(3, 7), torch.randn(3, 5)
    attention = attention_weights(main[None], aux[None], module.kernel)[0]
    expected = torch.zeros(5, 7)
    for j in range(7):
        scores = torch.stack([aux[:, i] @ module.kernel @ main[:, j] for i in range(5)])
        expected[:, j] = scores.exp() / scores.exp().sum()
    torch.testing.assert_close(attention, expected)
    torch.testing.assert_close(aux @ attention, module.attend(main[None], aux[None])[0])


def test_blocks_are_averaged() -> None:
    values = torch.arange(12.0).reshape(2, 6)
    found = reduced(values, 5, 3)
    np.testing.assert_allclose(found, [[0.5, 2.5, 4.5], [6.5, 8.5, 10.5]])


def test_an_utterance_is_looked_at(corpus: Path, checkpoint: Path) -> None:
    (seen,) = look(checkpoint, corpus, "test", ["test-3"])
    assert seen.id == "test-3" and seen.text == "a b"
    assert list(seen.modules) == ["audio", "video"]
    assert sum(module.change for module in seen.modules.values()) == pytest.approx(1)
    audio = seen.modules["audio"]
    assert audio.attention.shape == (7, 12) and audio.of_columns == 7
    np.testing.assert_allclose(audio.attention.sum(axis=0), 1, rtol=1e-5)
    assert 1 <= audio.columns <= 7 and 0 < audio.gate.min() <= audio.gate.max() < 1
    assert audio.without is not None and audio.without != seen.prediction
    assert seen.answer == f"{seen.prediction:.2f}"


def test_what_cannot_be_looked_at_is_told(corpus: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no utterance 'test-999'"):
        look(checkpoint, corpus, "test", ["test-999"])
    train(corpus, tmp_path, "--arch", "unimodal", "--max-epoch", "1")
    with pytest.raises(InputError, match="no MIA modules"):
        look(tmp_path / "checkpoint_best.pt", corpus, "test", ["test-3"])


def test_telling_utterances_are_the_extremes_and_the_largest_error() -> None:
    truth = np.array([-3.0, -3, 0, 2, 3, 3])
    guess = np.array([-1.0, -2.9, 3, 2, 0.5, 2.5])
    ids = tuple("abcdef")
    assert telling(Predictions(ids, truth, guess, ())) == ["b", "f", "c"]


def test_channels_are_named_by_words_or_by_their_share_of_the_clip() -> None:
    assert channel_names(9, 2, "one two three") == ("one two", "two three")
    assert channel_names(9, 4, None)[1] == "25% to 50% of the clip"
    assert channel_names(1, 4, "one two") == ()  # one vector an utterance
