"""Extractors of what encoders read: token ids of words and speech, and face crops."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models.roberta import RobertaModel
from fairseq.models.wav2vec.wav2vec import Wav2VecModel
from harness import WholePicture
from released import WORDS, fabnet_state, small_bert

from mia_fairseq.data.format.dictionary import check_dictionary
from mia_fairseq.errors import InputError
from preprocess.extractors.base import Clip, Extractor, Failure, build_extractor, find_extractor
from preprocess.networks.text_encoder import TextEncoder
from preprocess.networks.text_tokenizer import RobertaTokenizer


def dictionary(extractor: Extractor, folder: Path) -> Path:
    """Writes an extractor's dictionary as binarize does, and checks it as a store does."""
    described = extractor.describe()
    assert described["kind"] == "tokens" and 0 <= int(str(described["pad"])) < extractor.dim
    path = folder / "dict.text.txt"
    path.write_text(extractor.dictionary_text(), encoding="utf-8")
    check_dictionary(path, str(described["dictionary"]), extractor.dim)
    return path


@pytest.mark.parametrize("name", ["minilm", "mpnet"])
def test_stored_tokenizers_give_what_the_model_reads(
    stored_model: Callable[[str], Path], name: str, tmp_path: Path
) -> None:
    folder = stored_model(name)
    extractor = build_extractor(f"{name}_tokens")
    texts = ["I LOVED it, truly!", "well " * 700]
    clips = [Clip("a", text=texts[0]), Clip("none"), Clip("b", text=texts[1]), Clip("c", text=" ")]
    one, none, longer, blank = extractor.extract(clips)
    from transformers import AutoTokenizer

    for text, ids in zip(texts, (one, longer), strict=True):
        assert isinstance(ids, np.ndarray) and ids.dtype == np.int32
        assert ids.tolist() == AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
    assert isinstance(none, np.ndarray) and none.shape == (0,)
    assert isinstance(blank, np.ndarray) and blank.shape == (0,)
    remark = "no words, so no tokens"
    assert extractor.take_notes() == [("none", remark), ("c", remark)]
    lines = dictionary(extractor, tmp_path).read_text().split("\n")
    assert lines[int(one[2])] == "loved 1" and extractor.dim == len(lines) - 1


TYPED = "so [PAD] good <s> a </s> [SEP] [MASK] <mask> <pad> [CLS] [UNK] <unk> </s>"


@pytest.mark.parametrize("name", ["minilm", "mpnet"])
def test_special_tokens_that_a_user_types_are_words(
    stored_model: Callable[[str], Path], name: str
) -> None:
    folder = stored_model(name)
    encoder = TextEncoder(folder)
    (ids,) = build_extractor(f"{name}_tokens").extract([Clip("a", text=TYPED)])
    frozen, _ = encoder.text.encode(TYPED)
    assert isinstance(ids, np.ndarray) and ids.tolist() == frozen
    special = set(encoder.tokenizer.all_special_ids)
    assert {ids[0], ids[-1]} <= special and not set(ids[1:-1].tolist()) & special
    pieces = encoder.tokenizer.convert_ids_to_tokens(frozen[1:-1])
    words = "".join(piece.removeprefix("##") for piece in pieces)
    assert words == TYPED.replace(" ", "").lower()
    states, lengths = encoder.encode(["[PAD] [PAD] good", TYPED])
    assert [len(state) for state in states] == lengths and len(states[0]) == 9


def test_special_tokens_are_words_for_roberta_too(release: tuple[Path, RobertaModel]) -> None:
    tokenizer = RobertaTokenizer(release[0])
    ids = tokenizer.encode(TYPED)
    marks = {tokenizer.dictionary.bos(), tokenizer.dictionary.eos(), tokenizer.dictionary.pad()}
    assert ids[0] == tokenizer.dictionary.bos() and ids[-1] == tokenizer.dictionary.eos()
    assert not set(ids[1:-1]) & marks and len(ids) > 20


def test_any_tokenizer_from_a_folder_and_its_hash(tmp_path: Path) -> None:
    small_bert(tmp_path / "bert", ["so", "GOOD", "good", "film"])
    options = {"folder": str(tmp_path / "bert")}
    keep, lower = (build_extractor("hf_tokens", {**options, "lower": x}) for x in ("no", "yes"))
    clip = Clip("a", text="so GOOD")
    assert keep.extract([clip])[0].tolist() == [2, 5, 6, 3]  # type: ignore[union-attr]
    assert lower.extract([clip])[0].tolist() == [2, 5, 7, 3]  # type: ignore[union-attr]
    dictionary(keep, tmp_path)
    one, other = keep.describe()["tokenizer"], lower.describe()["tokenizer"]
    assert one["lower"] is False and other["lower"] is True  # type: ignore[index]
    assert one["sha256"] == other["sha256"]  # type: ignore[index]
    path = tmp_path / "bert" / "tokenizer.json"
    path.write_text(path.read_text() + "\n")
    assert build_extractor("hf_tokens", options).describe()["tokenizer"] != one
    encoder = TextEncoder(tmp_path / "bert")
    assert encoder.encode(["so film " * 30])[1] == [62]


def test_what_is_no_tokenizer_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"say --option hf_tokens\.folder=FOLDER"):
        build_extractor("hf_tokens")
    with pytest.raises(InputError, match="holds no tokenizer that transformers can load"):
        build_extractor("hf_tokens", {"folder": str(tmp_path)})
    with pytest.raises(InputError, match="lower is 'maybe', expected yes or no"):
        build_extractor("hf_tokens", {"folder": str(tmp_path), "lower": "maybe"})


# ---- of fairseq's checkpoints


def test_roberta_tokens_are_the_hubs_own(
    release: tuple[Path, RobertaModel], tmp_path: Path
) -> None:
    folder, _ = release
    extractor = build_extractor("roberta_tokens", {"folder": str(folder)})
    hub = build_extractor("roberta_large", {"folder": str(folder)})
    clips = [Clip("a", text=WORDS), Clip("b", text="well" + " well" * 600)]
    ids, longer = extractor.extract(clips)
    assert isinstance(ids, np.ndarray) and isinstance(longer, np.ndarray)
    theirs = Dictionary.load(str(dictionary(extractor, tmp_path)))
    assert len(theirs) == extractor.dim and (ids[0], ids[-1]) == (theirs.bos(), theirs.eos())
    assert theirs.unk() not in ids and len(longer) == 603  # nothing is cut here
    with torch.no_grad():
        states = hub.roberta.extract_features(torch.from_numpy(ids).long())  # type: ignore[attr-defined]
    expected = hub.extract(clips[:1])[0]
    assert isinstance(expected, np.ndarray)
    np.testing.assert_allclose(states[0].numpy(), expected, atol=1e-5)
    lower = build_extractor("roberta_tokens", {"folder": str(folder), "lower": "yes"})
    expected_ids = extractor.extract([Clip("a", text=WORDS.lower())])[0]
    assert np.array_equal(lower.extract(clips[:1])[0], expected_ids)


def test_speech_codes_are_what_the_code_roberta_reads(
    speech_release: tuple[Path, Wav2VecModel, RobertaModel], tmp_path: Path, arrays_for_media: None
) -> None:
    folder, _, roberta = speech_release
    rng = np.random.default_rng(5)
    np.save(tmp_path / "a.npy", rng.normal(0, 0.3, 16_000).astype(np.float32))
    np.save(tmp_path / "long.npy", rng.normal(0, 0.3, 22 * 16_000).astype(np.float32))
    clips = [Clip("a", tmp_path / "a.npy"), Clip("none"), Clip("long", tmp_path / "long.npy")]
    features = build_extractor("vqwav2vec", {"folder": str(folder)})
    expected = features.extract(clips[:1])[0]
    told = features.take_notes()
    (folder / "bert_kmeans.pt").unlink()  # codes need no RoBERTa
    extractor = build_extractor("vqwav2vec_codes", {"folder": str(folder)})
    ids, none, longer = extractor.extract(clips)
    assert none == Failure("no media file is named for it")
    assert isinstance(ids, np.ndarray) and isinstance(longer, np.ndarray)
    assert len(longer) == 2200 and extractor.take_notes()[: len(told)] == told
    with torch.no_grad():
        states, _ = roberta(torch.from_numpy(ids).long()[None], features_only=True)
    np.testing.assert_allclose(states[0].numpy(), expected, atol=1e-5)  # type: ignore[arg-type]
    dictionary(extractor, tmp_path)


def test_a_missing_or_broken_dictionary_is_told(
    release: tuple[Path, RobertaModel],
    speech_release: tuple[Path, Wav2VecModel, RobertaModel],
) -> None:
    for name, folder in (("roberta_tokens", release[0]), ("vqwav2vec_codes", speech_release[0])):
        path = folder / "dict.txt"
        path.write_text("no count\n")
        with pytest.raises(InputError, match=r"dict.txt is no dictionary of fairseq"):
            build_extractor(name, {"folder": str(folder)})
        path.unlink()
        with pytest.raises(InputError, match=r"has no dict.txt; put it there"):
            build_extractor(name, {"folder": str(folder)})
    (release[0] / "dict.txt").write_text("1 1\n")
    (release[0] / "encoder.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as GPT-2's byte pairs"):
        RobertaTokenizer(release[0])


# ---- faces


def test_face_crops_are_what_fabnet_encodes(
    clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "preprocess.extractors.face_sequence.build_detector", lambda name: WholePicture()
    )
    torch.save({"state_dict_model": fabnet_state()}, tmp_path / "fabnet.pth")
    options = {"margin": "0", "keyframes": "4"}
    fabnet = build_extractor("fabnet", {**options, "weights": str(tmp_path / "fabnet.pth")})
    extractor = build_extractor("face_crops", options)
    clips = [Clip("a", clip), Clip("gone", tmp_path / "gone.mp4")]
    crops, gone = extractor.extract(clips)
    assert isinstance(crops, np.ndarray) and isinstance(gone, Failure)
    assert crops.shape == (4, 256, 256, 3) and crops.dtype == np.uint8
    assert (extractor.dim, extractor.describe()["kind"]) == (256, "frames")
    expected = fabnet.extract(clips[:1])[0]
    assert np.array_equal(fabnet.encode(crops), expected)  # type: ignore[attr-defined]
    small = build_extractor("face_crops", {**options, "side": "64"}).extract(clips[:1])[0]
    assert isinstance(small, np.ndarray) and small.shape == (4, 64, 64, 3)
    settle = find_extractor("face_crops").settle_options
    assert settle({}, [Clip("a", clip)])["keyframes"] == "30"


def test_a_clip_without_a_face_has_no_frames(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = argparse.Namespace(licence="none", detect=lambda picture: [])
    monkeypatch.setattr("preprocess.extractors.face_sequence.build_detector", lambda name: nobody)
    extractor = build_extractor("face_crops", {"keyframes": "4"})
    (failure,) = extractor.extract([Clip("a", clip)])
    assert failure == Failure(f"{clip}: no face in any of its 4 keyframes")
    with pytest.raises(InputError, match="side is '0', expected pixels from 1 to 1024"):
        build_extractor("face_crops", {"side": "0"})
