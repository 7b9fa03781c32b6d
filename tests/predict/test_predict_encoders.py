"""Clips through checkpoints with encoders: tokens and frames made as in training, or refused."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import train, validate
from released import fabnet_state, small_bert

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from mia_fairseq.predict.__main__ import main, read_options
from mia_fairseq.predict.predictor import Predictor
from preprocess.extraction import worker
from preprocess.extractors.base import (
    Clip,
    Extractor,
    Failure,
    build_extractor,
    register_extractor,
)

WORDS = ["bad", "poor", "so", "fine", "good"]


@register_extractor("bytes_as_faces")
class BytesAsFaces(Extractor):
    """A grey picture of 256 pixels a side for each byte of a file; an empty file is a failure."""

    modality, kind, licence, dim = "video", "frames", "none", 256

    def extract(self, clips):
        levels = [np.frombuffer(clip.path.read_bytes(), np.uint8) for clip in clips]
        pictures = [np.tile(level[:, None, None, None], (1, 256, 256, 3)) for level in levels]
        return [shown if len(shown) else Failure("it is empty") for shown in pictures]


@pytest.fixture(autouse=True)
def nothing_built() -> None:
    worker._built.clear()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with DATA, a BERT of 20 positions, clips c0 ... of the test split, a checkpoint."""
    folder = tmp_path_factory.mktemp("trained")
    small_bert(folder / "bert", WORDS, positions=20)
    torch.save({"state_dict_model": fabnet_state()}, folder / "fabnet.pth")
    options = {"folder": str(folder / "bert"), "lower": "yes"}
    tokens = build_extractor("hf_tokens", options)
    faces = build_extractor("bytes_as_faces")
    specs = {
        name: ModalitySpec.from_json(
            {**made.describe(), "options": chosen, "pool": "none", "dtype": dtype}, "here"
        )
        for name, made, chosen, dtype in (
            ("text", tokens, options, "int32"),
            ("video", faces, {}, "uint8"),
        )
    }
    dictionaries = {"text": tokens.dictionary_text()}
    settings = {"corpus": "c", "label": LabelSpec("regression"), "modalities": specs}
    with StoreWriter(folder / "DATA", **settings, dictionaries=dictionaries) as store:
        for split, rows in {"train": 12, "valid": 3, "test": 4}.items():
            for row in range(rows):
                score = row % 5
                text = " ".join([WORDS[score].upper()] * (30 if split == "test" and not row else 3))
                clip = folder / f"{split}{row}.mp4"
                clip.write_bytes(bytes([40 * score + 5] * (row % 3 + 1)))
                features = {
                    name: made.extract([Clip("c", clip, text)])[0]
                    for name, made in (("text", tokens), ("video", faces))
                }
                store.add(split, Utterance(f"{split}{row}", score - 2.0, text), features)
    encoders = f"text=hf:{folder / 'bert'},video=fabnet:{folder / 'fabnet.pth'}"
    flags = ("--aux-modalities", "video", "--encoder", encoders, "--batch-size", "4")
    train(folder / "DATA", folder, *flags, "--max-epoch", "1")
    return folder


def test_clips_are_predicted_as_their_rows_are(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = trained / "checkpoint_best.pt"
    validate(trained / "DATA", checkpoint, "--predictions", tmp_path / "out.tsv")
    lines = (tmp_path / "out.tsv").read_text().splitlines()[1:]
    predictor = Predictor(checkpoint)
    rows = list(predictor.predict_split(trained / "DATA", "test"))
    clips = [Clip(row.id, trained / f"{row.id}.mp4", row.text) for row in rows]
    assert predictor.reads_words
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        predicted = predictor.predict_clips(clips)
    assert (
        "clips: text of 1 of 4 rows is cut to the 20 positions of its encoder: test0" in caplog.text
    )
    assert "; give --windows, for an answer to each stretch of speech" in caplog.text
    for row, clip, line in zip(rows, predicted, lines, strict=True):
        assert clip.value == pytest.approx(row.value, abs=1e-6) and not clip.missing
        assert clip.value == pytest.approx(float(line.split("\t")[-1]), abs=1e-5)
    assert len({clip.value for clip in predicted}) == 4
    (trained / "nothing.mp4").write_bytes(b"")
    (one,) = predictor.predict_clips([Clip("n", trained / "nothing.mp4", "good")])
    assert one.missing == {"video": "it is empty"} and np.isfinite(one.value)


def test_a_tokenizer_that_moved_is_named_and_another_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, clip = str(trained / "checkpoint_best.pt"), str(trained / "test1.mp4")
    main([checkpoint, clip, "--text", "GOOD so"])
    expected = capsys.readouterr().out
    moved = tmp_path / "moved"
    shutil.move(trained / "bert", moved)
    try:
        worker._built.clear()
        with pytest.raises(InputError, match=r"bert' is no folder, .* --option hf_tokens\.folder"):
            main([checkpoint, clip, "--text", "GOOD so"])
        main([checkpoint, clip, "--text", "GOOD so", "--option", f"text.folder={moved}"])
        assert capsys.readouterr().out == expected
    finally:
        shutil.copytree(moved, trained / "bert")
    small_bert(tmp_path / "other", [*WORDS[::-1]])
    with pytest.raises(InputError, match=r"its text was made by hf_tokens with tokenizer .*here"):
        main([checkpoint, clip, "--text", "x", "--option", f"text.folder={tmp_path / 'other'}"])
    small_bert(tmp_path / "larger", [*WORDS, "more"])
    with pytest.raises(InputError, match="hf_tokens with dim 10, here it has 11"):
        main([checkpoint, clip, "--text", "x", "--option", f"text.folder={tmp_path / 'larger'}"])
    with pytest.raises(InputError, match=r"hf_tokens with tokenizer .*'lower': True.*False"):
        main([checkpoint, clip, "--text", "x", "--option", "text.lower=no"])


def test_options_that_cannot_be_read_are_told(trained: Path) -> None:
    assert read_options(["a.b=c=d", "a.e="]) == {"a": {"b": "c=d", "e": ""}}
    with pytest.raises(InputError, match=r"expected the form MODALITY.KEY=VALUE"):
        read_options(["folder=x"])
    with pytest.raises(InputError, match=r"--option smell: .* reads text, video; name one"):
        Predictor(trained / "checkpoint_best.pt", {"smell": {"folder": "x"}})


def test_data_of_another_tokenizer_is_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "DATA", tmp_path / "DATA")
    meta = tmp_path / "DATA" / "meta.json"
    meta.write_text(meta.read_text().replace('"lower": true', '"lower": false'))
    with pytest.raises(
        InputError, match=r"text was made with tokenizer .* extract the same tokens"
    ):
        main([str(trained / "checkpoint_best.pt"), str(tmp_path / "DATA")])
