"""FAb-Net as an encoder of keyframes, on random weights of the released format."""

from pathlib import Path

import pytest
import torch
from harness import spec_of
from released import fabnet_state, numpy_numbers

from mia_fairseq.encoders import fabnet_encoder as fabnet
from mia_fairseq.encoders.fabnet_encoder import FabNetEncoder
from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.fabnet_network import load_fabnet


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("fabnet") / "affectnet_4views.pth"
    torch.save({"state_dict_model": fabnet_state(), "best": numpy_numbers()}, path)
    return path


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (3, 2, 256, 256, 3), generator=generator, dtype=torch.uint8)
    return frames, torch.tensor([2, 0, 1])


@pytest.mark.parametrize("training", [False, True])
def test_each_face_equals_a_direct_call_of_it_alone(
    release: Path, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fabnet, "CHUNK", 2)
    encoder, _ = FabNetEncoder.pretrained(str(release))
    frames, lengths = rows()
    with torch.no_grad():
        states = encoder.train(training)(frames, lengths)
        assert states.shape == (3, 2, 256)
        direct = load_fabnet(release)
        for row, length in enumerate(lengths.tolist()):
            assert not states[row, length:].any()
            for place in range(length):
                face = frames[row, place].permute(2, 0, 1)[None].float() / 255
                alone = direct(face).flatten()
                torch.testing.assert_close(states[row, place], alone, atol=1e-4, rtol=1e-4)


def test_its_layers_hold_each_parameter_once_and_are_built_again(release: Path) -> None:
    encoder, _ = FabNetEncoder.pretrained(str(release))
    held = [id(p) for layer in encoder.layers() for p in layer.parameters()]
    assert sorted(held) == sorted(id(p) for p in encoder.parameters())
    assert len(encoder.layers()) == 8
    FabNetEncoder.untrained(encoder.architecture()).load_state_dict(
        encoder.state_dict(), strict=True
    )


def test_gradient_checkpointing_changes_no_number(release: Path) -> None:
    def gradients(*, recompute: bool) -> list[torch.Tensor]:
        encoder, _ = FabNetEncoder.pretrained(str(release))
        if recompute:
            encoder.checkpoint_gradients()
        encoder.train()
        encoder(*rows()).square().sum().backward()
        return [p.grad for p in encoder.parameters() if p.grad is not None]

    plain, recomputed = gradients(recompute=False), gradients(recompute=True)
    assert len(plain) == 28  # eight convolutions, six norms
    for one, other in zip(plain, recomputed, strict=True):
        torch.testing.assert_close(one, other)


def test_faces_of_another_size_and_tokens_are_told(release: Path) -> None:
    encoder, _ = FabNetEncoder.pretrained(str(release))
    encoder.check_fits("video", spec_of("frames", 256))
    with pytest.raises(InputError, match=r"pictures of 64 pixels a side .*fabnet reads 256"):
        encoder.check_fits("video", spec_of("frames", 64))
    with pytest.raises(InputError, match=r"encoder of frames, DATA holds tokens"):
        encoder.check_fits("video", spec_of("tokens", 256))
