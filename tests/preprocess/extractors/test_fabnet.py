"""FAb-Net: the release's file layout at full size, against plain functional calls."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from harness import WholePicture
from released import CONVOLUTIONS, NORMS, fabnet_state, numpy_numbers
from torch.nn import functional as F

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.fabnet_network import FabNetNetwork, find_fabnet, load_fabnet
from preprocess.extractors.base import Clip, Failure, build_extractor, find_extractor


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("fabnet") / "release" / "affectnet_4views.pth"
    path.parent.mkdir()
    content = {"state_dict_model": fabnet_state(), "state_dict": {}, "epoch": 3}
    content["best"] = numpy_numbers()
    torch.save(content, path, _use_new_zipfile_serialization=False)  # as old PyTorch wrote it
    return path


def by_hand(state: dict[str, torch.Tensor], faces: torch.Tensor) -> torch.Tensor:
    """The encoder as a chain of function calls."""
    x = faces
    for place, (convolution, norm) in enumerate(zip(CONVOLUTIONS, NORMS, strict=True)):
        weight, bias = (state[f"encoder.{convolution}.{part}"] for part in ("weight", "bias"))
        x = F.conv2d(x, weight, bias, stride=2, padding=1)
        if norm is not None:
            mean, variance, scale, shift = (
                state[f"encoder.{norm}.{part}"][None, :, None, None]
                for part in ("running_mean", "running_var", "weight", "bias")
            )
            x = (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift
        if place < 7:
            x = torch.where(x > 0, x, 0.2 * x)
    return x


def test_the_encoder_equals_plain_function_calls(checkpoint):
    faces = torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        got = load_fabnet(checkpoint)(faces)
        expected = by_hand(fabnet_state(), faces)
    assert got.shape == (3, 256, 1, 1)
    assert expected.std() > 0.1
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_it_has_the_releases_names_and_sizes():
    state = FabNetNetwork().state_dict()
    kept = {f"encoder.{k}": v.shape for k, v in state.items() if "num_batches" not in k}
    release = {k: v.shape for k, v in fabnet_state().items() if k.startswith("encoder.")}
    assert kept == release


def test_zip_folder_and_file_load_alike(checkpoint, tmp_path):
    archive = tmp_path / "release_bmvc_fabnet.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(checkpoint, "release/affectnet_4views.pth")
    modern = tmp_path / "modern.pth"
    torch.save({"state_dict_model": fabnet_state()}, modern)
    expected = load_fabnet(checkpoint).state_dict()
    places = (archive, modern, checkpoint.parent, checkpoint.parent.parent)
    for found in (find_fabnet(str(place)) for place in places):
        state = load_fabnet(found).state_dict()
        assert all(torch.equal(state[key], expected[key]) for key in expected)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_a_checkpoint_cannot_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict_model": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="cannot be read as a PyTorch checkpoint"):
        load_fabnet(tmp_path / "evil.pth")
    assert not (tmp_path / "made-by-a-pickle").exists()


def test_other_files_are_refused_in_a_sentence(tmp_path):
    torch.save({"model": {}}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no entry 'state_dict_model'"):
        load_fabnet(tmp_path / "other.pth")
    short = {k: v for k, v in fabnet_state().items() if not k.startswith("encoder.20")}
    torch.save({"state_dict_model": short}, tmp_path / "short.pth")
    with pytest.raises(InputError, match=r"does not fit FAb-Net.*20\.weight"):
        load_fabnet(tmp_path / "short.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match="cannot be read as a PyTorch checkpoint"):
        load_fabnet(tmp_path / "text.pth")
    with pytest.raises(InputError, match="there is no FAb-Net there"):
        find_fabnet(str(tmp_path / "none"))


def test_the_extractor_encodes_the_keyframes_faces(checkpoint, clip, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "preprocess.extractors.face_sequence.build_detector", lambda name: WholePicture()
    )
    options = {"weights": str(checkpoint), "margin": "0"}
    with pytest.raises(InputError, match="keyframes=average depends on the whole corpus"):
        build_extractor("fabnet", options)
    gone = Clip("d", tmp_path / "gone.mp4")
    corpus = [Clip("a", clip, start=0.0, end=0.5), Clip("b", clip), Clip("c"), gone]
    options = find_extractor("fabnet").settle_options(options, corpus)
    assert options["keyframes"] == "18"  # of 5 and 30 frames, 17.5
    extractor = build_extractor("fabnet", options)
    first, second, failed = extractor.extract([Clip("a", clip, end=0.5), Clip("b", clip), gone])
    assert extractor.describe()["keyframes"] == "18"
    assert set(extractor.take_stages()) == {"decode video", "find faces", "encode faces"}
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert (first.shape, second.shape, first.dtype) == ((5, 256), (18, 256), np.float32)
    assert isinstance(failed, Failure)
    assert "no such file" in failed.reason
    faces = torch.from_numpy(extractor.faces(Clip("b", clip)).crops).permute(0, 3, 1, 2) / 255
    expected = by_hand(fabnet_state(), faces).flatten(1).numpy()
    np.testing.assert_allclose(second, expected, atol=1e-5, rtol=1e-5)
    # However clips are grouped, each has the same bits.
    np.testing.assert_array_equal(extractor.extract([Clip("b", clip)])[0], second)


def test_other_keyframe_rules_need_no_look_at_the_corpus():
    settle = find_extractor("fabnet").settle_options
    assert settle({"keyframes": "2/s", "margin": "0"}, []) == {"keyframes": "2/s", "margin": "0"}
    assert find_extractor("face_expression").settle_options({}, []) == {}
    with pytest.raises(InputError, match="no clip of the corpus has pictures"):
        settle({}, [Clip("a")])
