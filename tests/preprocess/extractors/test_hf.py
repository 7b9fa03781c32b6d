"""Any transformers encoder from a local folder: small random ones of each kind."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from mia_fairseq.data.views.cut_rows import DIVIDE
from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require_transformers
from preprocess.extractors.base import Clip, Failure, build_extractor


@pytest.fixture(scope="module")
def transformers() -> ModuleType:
    pytest.importorskip("transformers", reason="pip install transformers")
    torch.manual_seed(0)
    return require_transformers("this test")


SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.mark.parametrize("kind", ["Bert", "Roberta"])
def test_text_equals_a_direct_call(transformers: ModuleType, tmp_path: Path, kind: str) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "so", "good", "film"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = transformers.BertTokenizer(
        vocab={word: index for index, word in enumerate(words)}, model_max_length=10**30
    )
    tokenizer.save_pretrained(tmp_path)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(words), max_position_embeddings=40, pad_token_id=0, **SMALL
    )
    model = getattr(transformers, f"{kind}Model")(config).eval()
    model.save_pretrained(tmp_path)
    extractor = build_extractor("hf_text", {"path": str(tmp_path)})
    limit = 40 if kind == "Bert" else 39
    output, longer = extractor.extract(
        [Clip("a", text="so good film"), Clip("b", text="film " * 60)]
    )
    with torch.no_grad():
        expected = model(torch.tensor([[2, 5, 6, 7, 3]])).last_hidden_state[0].numpy()
    assert isinstance(output, np.ndarray)
    np.testing.assert_allclose(output, expected, atol=1e-5)
    assert isinstance(longer, np.ndarray)
    assert longer.shape == (limit, 16)
    assert extractor.take_notes() == [("b", f"text cut from 62 to {limit} tokens; {DIVIDE}")]
    described = extractor.describe()
    assert described["model"] == str(tmp_path)
    assert len(str(described["model_sha256"])) == 64


@pytest.fixture
def speech_folder(transformers: ModuleType, tmp_path: Path) -> Path:
    config = transformers.Wav2Vec2Config(
        conv_dim=(8, 8), conv_kernel=(10, 8), conv_stride=(20, 16), num_feat_extract_layers=2,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, **SMALL,
    )  # fmt: skip
    transformers.Wav2Vec2Model(config).save_pretrained(tmp_path / "speech")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "speech")
    return tmp_path / "speech"


def test_audio_equals_a_direct_call(
    transformers: ModuleType, speech_folder: Path, tmp_path: Path, arrays_for_media: None
) -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    np.save(tmp_path / "a.npy", audio)
    extractor = build_extractor("hf_audio", {"path": str(speech_folder), "longest": "1"})
    model = transformers.Wav2Vec2Model.from_pretrained(speech_folder).eval()
    prepare = transformers.Wav2Vec2FeatureExtractor.from_pretrained(speech_folder)
    expected = []
    with torch.no_grad():
        for window in (audio[:16_000], audio[16_000:]):
            inputs = prepare(window, sampling_rate=16_000, return_tensors="pt")
            expected.append(model(**inputs).last_hidden_state[0].numpy())
    output, short, none = extractor.extract(
        [Clip("a", tmp_path / "a.npy"), Clip("b", tmp_path / "a.npy", end=1.05), Clip("c")]
    )
    assert isinstance(output, np.ndarray)
    np.testing.assert_allclose(output, np.concatenate(expected), atol=1e-5)
    assert extractor.rate == 50.0
    assert isinstance(short, np.ndarray)
    assert len(short) == len(expected[0])
    assert none == Failure("no media file is named for it")
    assert extractor.take_notes() == [("b", "its last tenth of a second is left")]


def test_an_encoder_of_another_rate_and_a_tokenizer_without_padding_are_told(
    transformers: ModuleType, speech_folder: Path, tmp_path: Path
) -> None:
    prepare = transformers.Wav2Vec2FeatureExtractor(sampling_rate=8_000)
    prepare.save_pretrained(speech_folder)
    with pytest.raises(InputError, match="wants 8000 Hz, not 16000"):
        build_extractor("hf_audio", {"path": str(speech_folder)})
    vocab = {word: index for index, word in enumerate(("[UNK]", "[CLS]", "[SEP]", "so"))}
    tokenizer = transformers.BertTokenizer(vocab=vocab, pad_token="[CLS]")
    tokenizer.save_pretrained(tmp_path)
    config = transformers.BertConfig(vocab_size=4, **SMALL)
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has no padding token of its own"):
        build_extractor("hf_text", {"path": str(tmp_path)})


def test_images_equal_a_direct_call(
    transformers: ModuleType, tmp_path: Path, arrays_for_media: None
) -> None:
    config = transformers.ViTConfig(image_size=32, patch_size=16, **SMALL)
    model = transformers.ViTModel(config).eval()
    model.save_pretrained(tmp_path / "vit")
    size = {"height": 32, "width": 32}
    prepare = transformers.ViTImageProcessor(size=size)
    prepare.save_pretrained(tmp_path / "vit")
    frames = np.random.default_rng(0).integers(0, 256, (7, 40, 50, 3), dtype=np.uint8)
    np.save(tmp_path / "a.npy", frames)
    np.save(tmp_path / "empty.npy", frames[:0])
    extractor = build_extractor("hf_image", {"path": str(tmp_path / "vit"), "frames": "4"})
    output, empty, none = extractor.extract(
        [Clip("a", tmp_path / "a.npy"), Clip("e", tmp_path / "empty.npy"), Clip("n")]
    )
    with torch.no_grad():
        pictures = prepare(images=[frames[index] for index in (0, 2, 4, 6)], return_tensors="pt")
        expected = model(**pictures).pooler_output.numpy()
    assert isinstance(output, np.ndarray)
    np.testing.assert_allclose(output, expected, atol=1e-5)
    assert empty == Failure("empty.npy has no picture between its start and end")
    assert none == Failure("no media file is named for it")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("hf_text", "holds no text encoder that transformers can load"),
        ("hf_audio", "holds no model that hf_audio can load"),
        ("hf_image", "holds no model that hf_image can load"),
    ],
)
def test_what_cannot_be_loaded_is_told(
    transformers: ModuleType, tmp_path: Path, name: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        build_extractor(name, {"path": str(tmp_path)})
    with pytest.raises(InputError, match=f"say --option {name}.path=FOLDER"):
        build_extractor(name)


def test_minilm_is_the_same_by_either_name(
    transformers: ModuleType, stored_model: Callable[[str], Path]
) -> None:
    folder = stored_model("minilm")
    clips = [Clip("a", text="I loved it.")]
    one = build_extractor("minilm").extract(clips)[0]
    other = build_extractor("hf_text", {"path": str(folder)}).extract(clips)[0]
    assert isinstance(one, np.ndarray)
    assert isinstance(other, np.ndarray)
    assert one.tobytes() == other.tobytes()
