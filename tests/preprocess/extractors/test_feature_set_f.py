"""The paper's text and audio encoders, on small random checkpoints of the very formats released.

tests/released.py makes the checkpoints, conftest.py the folders.
"""

import argparse
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary
from fairseq.data.encoders.gpt2_bpe_utils import get_encoder
from fairseq.models.roberta import RobertaModel
from fairseq.models.wav2vec.wav2vec import Wav2VecModel
from released import LACKING, WORDS, settings_2019, strip_release

from mia_fairseq.data.views.cut_rows import DIVIDE
from mia_fairseq.errors import InputError
from mia_fairseq.pretrained import released_files
from preprocess.extractors.base import Clip, Failure, build_extractor

# ---- text


def _direct(model: RobertaModel, folder: Path, text: str, bpe: Path) -> np.ndarray:
    """The states by a direct call of the modules, without the extractor's path."""
    encoder = get_encoder(str(bpe / "encoder.json"), str(bpe / "vocab.bpe"))
    dictionary = Dictionary.load(str(folder / "dict.txt"))
    numbers = [dictionary.index(str(piece)) for piece in encoder.encode(text)]
    row = torch.tensor([[dictionary.bos(), *numbers, dictionary.eos()]])
    with torch.no_grad():
        states, _ = model(row, features_only=True)
    return states[0].numpy()


@pytest.mark.parametrize("case", ["keep", "lower", "upper"])
def test_roberta_equals_a_direct_call(
    release: tuple[Path, RobertaModel], stored_model: Callable[[str], Path], case: str
) -> None:
    folder, model = release
    extractor = build_extractor("roberta_large", {"folder": str(folder.parent), "case": case})
    outputs = extractor.extract([Clip("a", text=WORDS), Clip("b", text=""), Clip("c", text="it")])
    text = {"keep": WORDS, "lower": WORDS.lower(), "upper": WORDS.upper()}[case]
    expected = _direct(model, folder, text, stored_model("gpt2_bpe"))
    assert isinstance(outputs[0], np.ndarray)
    assert outputs[0].dtype == np.float32
    assert len(expected) > 14
    np.testing.assert_allclose(outputs[0], expected, atol=1e-5)
    assert isinstance(outputs[1], np.ndarray)
    assert outputs[1].shape == (0, 32)
    alone = extractor.extract([Clip("a", text=WORDS)])[0]
    assert isinstance(alone, np.ndarray)
    assert alone.tobytes() == outputs[0].tobytes()
    assert extractor.take_notes() == [("b", "no words, so no text vector")]
    assert extractor.describe()["dim"] == extractor.dim == 32


def test_a_long_text_is_cut_to_512_positions_and_noted(release: tuple[Path, RobertaModel]) -> None:
    extractor = build_extractor("roberta_large", {"folder": str(release[0])})
    output = extractor.extract([Clip("a", text="well" + " well" * 600)])[0]
    assert isinstance(output, np.ndarray)
    assert output.shape == (512, 32)
    assert extractor.take_notes() == [("a", f"text cut from 603 to 512 tokens; {DIVIDE}")]


def test_the_release_is_fetched_unpacked_and_kept(
    release: tuple[Path, RobertaModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "roberta.large.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(release[0], "roberta.large")
    cache = tmp_path / "cache"
    urls: list[str] = []

    def fetch(url: str) -> Path:
        urls.append(url)
        return archive

    monkeypatch.setattr(released_files, "cache_folder", lambda: cache)
    monkeypatch.setattr(released_files, "fetch_url", fetch)
    for _ in range(2):
        assert build_extractor("roberta_large").dim == 32
    assert urls == ["https://dl.fbaipublicfiles.com/fairseq/models/roberta.large.tar.gz"]
    assert [path.name for path in (cache / "releases").iterdir()] == ["roberta.large"]
    with (cache / "releases" / "roberta.large" / "roberta.large" / "dict.txt").open("a") as words:
        words.write("more 1\n")
    with pytest.raises(InputError, match=r"dict\.txt has sha256 .* when it was fetched; remove"):
        build_extractor("roberta_large")


@pytest.mark.parametrize("lacking", LACKING)
def test_stripped_releases_give_the_same(
    release: tuple[Path, RobertaModel],
    speech_release: tuple[Path, Wav2VecModel, RobertaModel],
    tmp_path: Path,
    arrays_for_media: None,
    lacking: str,
) -> None:
    text = shutil.copytree(release[0], tmp_path / "text")
    sound = shutil.copytree(speech_release[0], tmp_path / "sound")
    for path in (text / "model.pt", sound / "bert_kmeans.pt", sound / "vq-wav2vec_kmeans.pt"):
        strip_release(path, lacking)
    clip = Clip("a", _sound(tmp_path / "a.npy", 1.0), text=WORDS)
    for name, folders in {
        "roberta_large": (release[0], text),
        "vqwav2vec": (speech_release[0], sound),
        "vqwav2vec_codes": (speech_release[0], sound),
    }.items():
        whole, stripped = (
            build_extractor(name, {"folder": str(folder)}).extract([clip])[0] for folder in folders
        )
        assert isinstance(whole, np.ndarray) and len(whole) > 14
        np.testing.assert_array_equal(whole, stripped)


def test_a_missing_file_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "dict.txt").write_text("")
    with pytest.raises(InputError, match=r"has no model\.pt; put it there \(from https://dl"):
        build_extractor("roberta_large", {"folder": str(tmp_path)})
    with pytest.raises(InputError, match="case is 'Title', expected keep, lower, upper"):
        build_extractor("roberta_large", {"folder": str(tmp_path), "case": "Title"})


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    (tmp_path / "dict.txt").write_text("")
    torch.save({"args": settings_2019(), "model": {}, "x": Evil()}, tmp_path / "model.pt")
    (tmp_path / "encoder.json").write_text(json.dumps({}))
    (tmp_path / "vocab.bpe").write_text("")
    with pytest.raises(
        InputError, match=r"cannot be read as tensors and settings only: it holds \S*exec"
    ):
        build_extractor("roberta_large", {"folder": str(tmp_path)})
    assert not (tmp_path / "ran").exists()


def test_a_truncated_checkpoint_is_told(release: tuple[Path, RobertaModel]) -> None:
    path = release[0] / "model.pt"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"cannot be read as tensors and settings only: .* again"):
        build_extractor("roberta_large", {"folder": str(release[0])})


# ---- audio


def _sound(path: Path, seconds: float) -> Path:
    rng = np.random.default_rng(5)
    np.save(path, rng.normal(0, 0.3, int(seconds * 16_000)).astype(np.float32))
    return path


def test_vq_wav2vec_equals_a_direct_call(
    speech_release: tuple[Path, Wav2VecModel, RobertaModel], tmp_path: Path, arrays_for_media: None
) -> None:
    folder, vq, roberta = speech_release
    path = _sound(tmp_path / "a.npy", 1.0)
    extractor = build_extractor("vqwav2vec", {"folder": str(folder)})
    output = extractor.extract([Clip("a", path)])[0]
    dictionary = Dictionary.load(str(folder / "dict.txt"))
    with torch.no_grad():
        sound = torch.from_numpy(np.load(path))[None]
        _, codes = vq.vector_quantizer.forward_idx(vq.feature_extractor(sound))
        words = [f"{a}-{b}" for a, b in codes[0].tolist()]
        numbers = [dictionary.index(word) for word in words]
        row = torch.tensor([[dictionary.bos(), *numbers, dictionary.eos()]])
        expected, _ = roberta(row, features_only=True)
    assert len(set(words)) > 3
    assert isinstance(output, np.ndarray)
    assert output.shape == (len(words) + 2, 32)
    assert 95 < len(words) < 101  # 100 codes a second
    np.testing.assert_allclose(output, expected[0].numpy(), atol=1e-5)
    unknown = numbers.count(dictionary.unk())
    notes = extractor.take_notes()
    assert notes == (
        [("a", f"{unknown} of {len(words)} codes are not in the dictionary")] if unknown else []
    )


def test_long_and_too_short_sound_is_told(
    speech_release: tuple[Path, Wav2VecModel, RobertaModel], tmp_path: Path, arrays_for_media: None
) -> None:
    extractor = build_extractor("vqwav2vec", {"folder": str(speech_release[0])})
    clips = [
        Clip("long", _sound(tmp_path / "long.npy", 22)),
        Clip("short", _sound(tmp_path / "short.npy", 0.02)),
        Clip("none"),
    ]
    outputs = extractor.extract(clips)
    assert isinstance(outputs[0], np.ndarray)
    assert outputs[0].shape == (2048, 32)
    assert outputs[1:] == [
        Failure("its sound has 320 samples, fewer than 465"),
        Failure("no media file is named for it"),
    ]
    assert ("long", f"codes cut from 2198 to 2046 tokens; {DIVIDE}") in extractor.take_notes()
    assert extractor.describe()["codes_sha256"] != extractor.describe()["model_sha256"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (None, "holds no wav2vec settings"),
        (argparse.Namespace(conv_feature_layers="[exit()]"), "is no plain list; not loaded"),
    ],
)
def test_a_wrong_or_wicked_speech_checkpoint_is_refused(
    tmp_path: Path, settings: argparse.Namespace | None, sentence: str
) -> None:
    for name in ("bert_kmeans.pt", "dict.txt"):
        (tmp_path / name).write_text("")
    torch.save({"args": settings, "model": {}}, tmp_path / "vq-wav2vec_kmeans.pt")
    with pytest.raises(InputError, match=sentence):
        build_extractor("vqwav2vec", {"folder": str(tmp_path)})
