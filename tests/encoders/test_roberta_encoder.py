"""The encoder of fairseq's RoBERTa, on small checkpoints of the released format."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.models.roberta import RobertaModel
from harness import spec_of
from released import (
    LACKING,
    fabnet_state,
    settings_2019,
    small_roberta,
    small_vq_wav2vec,
    strip_release,
)

from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.encoders.roberta_encoder import RobertaEncoder
from mia_fairseq.errors import InputError

WORDS = [f"w{number}" for number in range(20)]


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, RobertaModel]:
    folder = tmp_path / "roberta"
    folder.mkdir()
    return folder, small_roberta(folder, "model.pt", WORDS, 12)


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(4, 24, (4, 6), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([6, 0, 2, 4])
    tokens[torch.arange(6) >= lengths[:, None]] = 1
    return tokens, lengths


@pytest.mark.parametrize("file", ["model.pt", "bert_kmeans.pt", ""])
def test_each_row_equals_a_direct_call_of_it_alone(
    release: tuple[Path, RobertaModel], file: str
) -> None:
    folder, model = release
    where = folder
    if file:  # the folder, or the file itself
        (folder / "model.pt").rename(folder / file)
    else:
        where = folder / "model.pt"
    encoder, sha256 = RobertaEncoder.pretrained(str(where))
    assert len(sha256) == 64 and (encoder.output_dim, encoder.max_positions) == (32, 12)
    tokens, lengths = rows()
    with torch.no_grad():
        states = encoder.eval()(tokens, lengths)
        for row, length in enumerate(lengths.tolist()):
            assert not states[row, length:].any()
            if length:
                alone = model(tokens[row : row + 1, :length], features_only=True)[0]
                torch.testing.assert_close(states[row, :length], alone[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("lacking", LACKING)
def test_a_stripped_release_gives_the_same(
    release: tuple[Path, RobertaModel], lacking: str
) -> None:
    whole, _ = RobertaEncoder.pretrained(str(release[0]))
    strip_release(release[0] / "model.pt", lacking)
    stripped, _ = RobertaEncoder.pretrained(str(release[0]))
    assert stripped.architecture() == whole.architecture()
    with torch.no_grad():
        assert torch.equal(whole.eval()(*rows()), stripped.eval()(*rows()))


def test_layers_hold_each_parameter_once_and_no_head(release: tuple[Path, RobertaModel]) -> None:
    encoder, _ = RobertaEncoder.pretrained(str(release[0]))
    held = [id(p) for layer in encoder.layers() for p in layer.parameters()]
    assert sorted(held) == sorted(id(p) for p in encoder.parameters())
    assert len(encoder.layers()) == 3 and not any("lm_head" in n for n in encoder.state_dict())


def test_is_built_again_from_its_architecture_and_weights(
    release: tuple[Path, RobertaModel],
) -> None:
    encoder, _ = RobertaEncoder.pretrained(str(release[0]))
    assert "/somewhere/else" not in str(encoder.architecture())
    again = RobertaEncoder.untrained(encoder.architecture()).eval()
    again.load_state_dict(encoder.eval().state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(encoder(*rows()), again(*rows()))


def test_gradient_checkpointing_changes_no_number(release: tuple[Path, RobertaModel]) -> None:
    def gradients(*, recompute: bool) -> list[torch.Tensor]:
        encoder, _ = RobertaEncoder.pretrained(str(release[0]))
        if recompute:
            encoder.checkpoint_gradients()
        encoder.train()
        torch.manual_seed(3)  # of dropout
        encoder(*rows()).square().sum().backward()
        return [p.grad for p in encoder.parameters() if p.grad is not None]

    plain, recomputed = gradients(recompute=False), gradients(recompute=True)
    assert len(plain) > 30
    for one, other in zip(plain, recomputed, strict=True):
        torch.testing.assert_close(one, other)


def test_checkpoints_that_are_none_of_its_own_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"roberta:: expected a checkpoint, or a folder with"):
        RobertaEncoder.pretrained("")
    with pytest.raises(InputError, match=r"expected a checkpoint, or a folder with one of model"):
        RobertaEncoder.pretrained(str(tmp_path))
    small_vq_wav2vec(tmp_path)
    with pytest.raises(InputError, match=r"holds no RoBERTa .*expected a checkpoint of fairseq"):
        RobertaEncoder.pretrained(str(tmp_path / "vq-wav2vec_kmeans.pt"))
    torch.save({"state_dict_model": fabnet_state()}, tmp_path / "fabnet.pth")
    with pytest.raises(InputError, match=r"holds no RoBERTa"):
        RobertaEncoder.pretrained(str(tmp_path / "fabnet.pth"))
    (tmp_path / "text.pt").write_text("no checkpoint at all")
    with pytest.raises(InputError, match=r"text.pt cannot be read as tensors and settings only"):
        RobertaEncoder.pretrained(str(tmp_path / "text.pt"))


def test_weights_that_belie_the_settings_are_told(release: tuple[Path, RobertaModel]) -> None:
    path = release[0] / "model.pt"
    with torch.serialization.safe_globals([argparse.Namespace]):
        state = release[1].state_dict()
    torch.save({"args": settings_2019(encoder_layers=3), "model": state}, path)
    with pytest.raises(InputError, match=r"do not fit its own settings .*Missing key"):
        RobertaEncoder.pretrained(str(path))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"args": settings_2019(), "model": {}, "x": Evil()}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"it holds \S*exec"):
        RobertaEncoder.pretrained(str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("given", [(np.dtype("f8"), b"short"), (np.dtype("f8"), 3), (b"f8",)])
def test_a_broken_number_is_told(tmp_path: Path, given: tuple[Any, ...]) -> None:
    class Broken:
        def __reduce__(self) -> tuple[Any, ...]:
            return (np.float64(0).__reduce__()[0], given)

    torch.save({"args": settings_2019(), "model": {}, "best": Broken()}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"model\.pt cannot be read as tensors and settings only"):
        RobertaEncoder.pretrained(str(tmp_path))


def test_a_sequence_beyond_the_positions_is_told(release: tuple[Path, RobertaModel]) -> None:
    encoder, _ = RobertaEncoder.pretrained(str(release[0]))
    assert encoder(torch.full((1, 12), 7), torch.tensor([12])).isfinite().all()
    with pytest.raises(InputError, match=r"sequence of 13 tokens is longer than .* 12 positions"):
        encoder(torch.full((1, 13), 7), torch.tensor([13]))


def test_tokens_of_another_dictionary_are_told(release: tuple[Path, RobertaModel]) -> None:
    encoder, _ = RobertaEncoder.pretrained(str(release[0]))  # 20 words, 4 symbols and <mask>
    encoder.check_fits("audio", ModalitySpec(25, "codes", "tokens", {"pad": 1}))
    with pytest.raises(InputError, match=r"has 25 embeddings and pads with 1.*26 tokens"):
        encoder.check_fits("audio", ModalitySpec(26, "codes", "tokens", {"pad": 1}))
    with pytest.raises(InputError, match=r"20 tokens and pads with 0"):
        encoder.check_fits("audio", spec_of("tokens", 20))
