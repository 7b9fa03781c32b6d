"""The paper's text and audio encoders, on small random checkpoints of the very formats released.

The checkpoints are saved as fairseq saved them in 2019: an argparse.Namespace, meters of a module
that has moved since, torch's old file format, and RoBERTa's old parameter names.
"""

import argparse
import collections
import json
import sys
import tarfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary
from fairseq.data.encoders.gpt2_bpe_utils import get_encoder
from fairseq.models.roberta import RobertaModel
from fairseq.models.roberta.model import base_architecture
from fairseq.models.wav2vec.wav2vec import Wav2VecConfig, Wav2VecModel
from fairseq.tasks.masked_lm import MaskedLMConfig, MaskedLMTask

from mia_fairseq.errors import InputError
from preprocess import fairseq_models
from preprocess.extractors.base import Clip, Failure, build_extractor

WORDS = "Hello world, this was a good film . I hated it THE END"


def _settings(**more: object) -> argparse.Namespace:
    settings = argparse.Namespace(
        arch="roberta",
        task="masked_lm",
        criterion="masked_lm",
        data="/somewhere/else",
        encoder_layers=2,
        encoder_embed_dim=32,
        encoder_ffn_embed_dim=64,
        encoder_attention_heads=4,
        max_positions=512,
        tokens_per_sample=512,
        sample_break_mode="complete",
        optimizer="adam",
        lr=[0.1],
        lr_scheduler="polynomial_decay",
        save_dir="checkpoints",
    )
    vars(settings).update(more)
    return settings


def _save(path: Path, settings: argparse.Namespace, state: dict[str, torch.Tensor]) -> None:
    """Save as fairseq did in 2019, meters and all."""
    old = types.ModuleType("fairseq.meters")
    meter = type("AverageMeter", (), {"__module__": "fairseq.meters"})
    old.AverageMeter = meter  # type: ignore[attr-defined]
    sys.modules["fairseq.meters"] = old
    held = meter()
    held.avg = 1.5  # type: ignore[attr-defined]
    try:
        content = {
            "args": settings,
            "model": state,
            "optimizer_history": [{"num_updates": 500_000, "best_loss": np.float64(1.25)}],
            "extra_state": {"train_meters": collections.OrderedDict(train_loss=held)},
            "last_optimizer_state": None,
        }
        torch.save(content, path, _use_new_zipfile_serialization=False)
    finally:
        del sys.modules["fairseq.meters"]


def _old_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """RoBERTa's parameters as the release calls them: "decoder", one matrix for q, k and v."""
    old = {key.replace("encoder.", "decoder.", 1): value for key, value in state.items()}
    for key in [key for key in old if ".q_proj." in key]:
        parts = [old.pop(key.replace("q_proj", f"{part}_proj")) for part in "qkv"]
        new = key.replace("q_proj.weight", "in_proj_weight").replace("q_proj.bias", "in_proj_bias")
        old[new] = torch.cat(parts)
    return old


def _roberta(folder: Path, checkpoint: str, symbols: list[str], positions: int) -> RobertaModel:
    torch.manual_seed(len(symbols))
    dictionary = Dictionary()
    for symbol in symbols:
        dictionary.add_symbol(symbol, 7)
    dictionary.save(str(folder / "dict.txt"))
    settings = _settings(max_positions=positions, tokens_per_sample=positions)
    whole = argparse.Namespace(**vars(settings))
    base_architecture(whole)
    task = MaskedLMTask(MaskedLMConfig(data=str(folder)), dictionary)
    model = RobertaModel.build_model(whole, task).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    _save(folder / checkpoint, settings, _old_names(model.state_dict()))
    return model


# ---- text


@pytest.fixture
def release(tmp_path: Path, stored_model: Callable[[str], Path]) -> tuple[Path, RobertaModel]:
    """A small ``roberta.large`` with the true GPT-2 byte pairs of some words in its dictionary."""
    bpe = stored_model("gpt2_bpe")
    encoder = get_encoder(str(bpe / "encoder.json"), str(bpe / "vocab.bpe"))
    texts = [WORDS, WORDS.lower(), WORDS.upper(), " well" * 3]
    pieces = sorted({str(piece) for text in texts for piece in encoder.encode(text)})
    folder = tmp_path / "roberta.large"
    folder.mkdir()
    return folder, _roberta(folder, "model.pt", pieces, 512)


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
    assert extractor.take_notes() == [("a", "text cut from 603 to 512 tokens")]


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

    monkeypatch.setattr(fairseq_models, "cache_folder", lambda: cache)
    monkeypatch.setattr(fairseq_models, "fetch_url", fetch)
    for _ in range(2):
        assert build_extractor("roberta_large").dim == 32
    assert urls == ["https://dl.fbaipublicfiles.com/fairseq/models/roberta.large.tar.gz"]
    assert [path.name for path in (cache / "releases").iterdir()] == ["roberta.large"]


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
    torch.save({"args": _settings(), "model": {}, "x": Evil()}, tmp_path / "model.pt")
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

CONVOLUTIONS = "[(16, 10, 5), (16, 8, 4), (16, 4, 2), (16, 4, 2), (16, 4, 2), (16, 1, 1)]"


def _vq(folder: Path, layers: str = CONVOLUTIONS) -> Wav2VecModel:
    torch.manual_seed(0)
    own: dict[str, Any] = {
        "arch": "wav2vec",
        "task": "audio_pretraining",
        "criterion": "binary_cross_entropy",
        "conv_feature_layers": layers,
        "conv_aggregator_layers": "[(16, 2, 1), (16, 3, 1)]",
        "vq_type": "kmeans",
        "vq_vars": 5,
        "vq_groups": 2,
        "combine_groups": True,
        "prediction_steps": 2,
        "infonce": False,
    }
    config = Wav2VecConfig(
        **{key: own[key] for key in own if key in Wav2VecConfig.__dataclass_fields__}
    )
    model = Wav2VecModel(config).eval()
    torch.nn.init.normal_(model.vector_quantizer.embedding)
    settings = argparse.Namespace(
        **own, data="/somewhere/else", sample_rate=16_000, max_sample_size=None, optimizer="adam",
        lr=[0.1], lr_scheduler="cosine",
    )  # fmt: skip
    _save(folder / "vq-wav2vec_kmeans.pt", settings, model.state_dict())
    return model


@pytest.fixture
def speech_release(tmp_path: Path) -> tuple[Path, Wav2VecModel, RobertaModel]:
    folder = tmp_path / "vq"
    folder.mkdir()
    pairs = [f"{a}-{b}" for a in range(5) for b in range(5) if (a, b) != (4, 4)]
    return folder, _vq(folder), _roberta(folder, "bert_kmeans.pt", pairs, 2048)


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
    assert ("long", "codes cut from 2198 to 2046") in extractor.take_notes()
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
