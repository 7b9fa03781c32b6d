"""Which layers of an encoder learn, at what rate, and what the flags may say."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from harness import spec_of
from released import small_bert
from torch import nn

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.encoders.construction import build_encoders
from mia_fairseq.encoders.encoder_choices import EncoderSettings, read_settings
from mia_fairseq.encoders.encoder_settings import EncoderConfig
from mia_fairseq.encoders.hf_encoder import HFEncoder
from mia_fairseq.encoders.learning import lr_scale_of
from mia_fairseq.encoders.registry import find_encoder, register_encoder
from mia_fairseq.errors import InputError

TOKENS, LENGTHS = torch.randint(5, 9, (3, 4)), torch.tensor([4, 2, 3])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bert")
    small_bert(path, ["a", "b", "c", "d"])  # 9 ids, 2 layers
    return path


def config(**settings: object) -> EncoderConfig:
    return EncoderConfig(**settings)  # type: ignore[arg-type]


def built(folder: Path, **settings: object) -> HFEncoder:
    schema = Schema("c", LabelSpec("regression"), "text", (), {"text": spec_of("tokens", 9)})
    encoders, _ = build_encoders(config(encoder=f"text=hf:{folder}", **settings), schema)
    encoder = encoders["text"]
    assert isinstance(encoder, HFEncoder)
    return encoder


def layers_with_gradient(encoder: HFEncoder) -> list[bool]:
    encoder.train()
    states = encoder(TOKENS, LENGTHS)
    if states.requires_grad:
        states.square().sum().backward()
    return [any(p.grad is not None for p in layer.parameters()) for layer in encoder.layers()]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    ("settings", "learning"),
    [
        ({}, [True, True, True]),
        ({"unfreeze_from": "text=0"}, [True, True, True]),
        ({"unfreeze_from": "text=1"}, [False, True, True]),
        ({"unfreeze_from": "text=2"}, [False, False, True]),
        ({"freeze": "text"}, [False, False, False]),
    ],
)
def test_gradients_reach_the_trained_layers_and_no_frozen_one(
    folder: Path, settings: dict[str, str], learning: list[bool], recompute: bool
) -> None:
    encoder = built(folder, **settings, gradient_checkpointing=recompute)
    assert layers_with_gradient(encoder) == learning
    for layer, learns in zip(encoder.layers(), learning, strict=True):
        assert all(p.requires_grad == learns for p in layer.parameters())
        dropouts = [m for m in layer.modules() if isinstance(m, nn.Dropout)]
        assert dropouts and all(m.training == learns for m in dropouts)
    assert not any(m.training for m in encoder.eval().modules())


def test_a_frozen_encoder_gives_the_same_in_training(folder: Path) -> None:
    encoder = built(folder, freeze="text")
    assert torch.equal(encoder.train()(TOKENS, LENGTHS), encoder.eval()(TOKENS, LENGTHS))


def test_rates_fall_layer_by_layer_from_the_top(folder: Path) -> None:
    encoder = built(folder, encoder_lr_scale="0.1", layer_decay="text=0.5")
    for layer, share in zip(encoder.layers(), (0.025, 0.05, 0.1), strict=True):
        assert {lr_scale_of(p) for p in layer.parameters()} == {share}
    groups = {p.param_group for p in encoder.parameters()}  # type: ignore[attr-defined]
    assert groups == {"text.0", "text.1", "text.2"}
    plain = built(folder, encoder_lr_scale="text=0.1")
    assert {p.param_group for p in plain.parameters()} == {"text"}  # type: ignore[attr-defined]
    assert not any(hasattr(p, "param_group") for p in built(folder).parameters())


def test_flags_are_read() -> None:
    cfg = config(
        encoder="text=hf:a/b, audio=roberta:c=d",
        freeze="audio",
        unfreeze_from="text=3",
        encoder_lr_scale="text=0.05,audio=0.1",
        layer_decay="0.9",
    )
    assert read_settings(cfg, ("text", "audio")) == {
        "text": EncoderSettings("hf:a/b", False, 3, 0.05, 0.9),
        "audio": EncoderSettings("roberta:c=d", True, 0, 0.1, 0.9),
    }
    # A run that leaves a modality out keeps its flags.
    assert list(read_settings(cfg, ("text",))) == ["text"]
    assert read_settings(config(), ()) == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"encoder": "hf:x"},
            r"--encoder is 'hf:x', expected the form MODALITY=VALUE",
        ),
        ({"encoder": "text=hf:a,text=hf:b"}, r"names 'text' twice, the second time as 'text=hf:b'"),
        ({"freeze": "audio"}, r"--freeze names 'audio', which has no encoder; expected .* text"),
        ({"unfreeze_from": "text=-1"}, r"--unfreeze-from is 'text=-1'"),
        ({"unfreeze_from": "txt=1"}, r"--unfreeze-from names 'txt'"),
        ({"unfreeze_from": "text=1", "freeze": "text"}, r"both name 'text'"),
        ({"encoder_lr_scale": "0"}, r"--encoder-lr-scale is '0', expected a number above 0"),
        ({"encoder_lr_scale": "text=nan"}, r"--encoder-lr-scale is 'text=nan'"),
        ({"encoder_lr_scale": "video=0.1"}, r"--encoder-lr-scale names 'video'"),
        ({"layer_decay": "much"}, r"--layer-decay is 'much', expected a number above 0"),
    ],
)
def test_flags_that_cannot_be_read_are_told(settings: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_settings(config(**settings), ("text",))


def test_a_layer_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match=r"text=3: its encoder has layers 0 to 2.*--freeze text"):
        built(folder, unfreeze_from="text=3")


def test_a_modality_without_an_encoder_is_told() -> None:
    schema = Schema("c", LabelSpec("regression"), "text", (), {"text": spec_of("tokens", 9)})
    with pytest.raises(InputError, match=r"--encoder names none for it; give one, such as"):
        build_encoders(config(), schema)
    with pytest.raises(
        InputError, match=r"no encoder is called 'bert', expected one of fabnet, hf"
    ):
        build_encoders(config(encoder="text=bert:x"), schema)


def test_a_further_encoder_registers_itself() -> None:
    @register_encoder("of_a_plugin")
    class Further(HFEncoder):
        pass

    assert find_encoder("of_a_plugin:some:where") == (Further, "some:where")


def test_building_draws_no_random_number(folder: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    built(folder)
    assert torch.equal(torch.rand(3), expected)


def test_checkpoints_may_leave_frozen_weights_out(folder: Path, tmp_path: Path) -> None:
    flags = {"freeze": "text", "leave_out_frozen": True}
    encoder = built(folder, **flags)
    holder = nn.ModuleDict({"text": encoder})
    state = holder.state_dict()
    assert list(state) == ["text.sha256"] and state["text.sha256"].shape == (32,)
    for parameter in encoder.parameters():
        parameter.data.zero_()
    again = nn.ModuleDict({"text": built(folder, **flags)})
    again.load_state_dict(dict(state), strict=True)
    assert any(p.any() for p in again.parameters())
    # weights that learn, if only in part, are kept
    assert len(built(folder, unfreeze_from="text=2", leave_out_frozen=True).state_dict()) > 30
    other = build_other(tmp_path)
    with pytest.raises(InputError, match=r"hf:.* has sha256 .*, the checkpoint was trained with"):
        other.load_state_dict(dict(state), strict=True)


def build_other(folder: Path) -> nn.ModuleDict:
    """The same encoder from a folder with other weights."""
    small_bert(folder, ["a", "b", "c", "e"])
    network = HFEncoder.pretrained(str(folder))[0].network
    network.embeddings.word_embeddings.weight.data.add_(1)
    network.save_pretrained(folder)
    flags = {"freeze": "text", "leave_out_frozen": True}
    return nn.ModuleDict({"text": built(folder, **flags)})


def test_saved_states_say_how_an_encoder_is_had_again(folder: Path, tmp_path: Path) -> None:
    schema = Schema("c", LabelSpec("regression"), "text", (), {"text": spec_of("tokens", 9)})
    kept = config(encoder=f"text=hf:{folder}")
    _, states = build_encoders(kept, schema)
    nowhere = config(encoder=f"text=hf:{tmp_path}")
    encoders, again = build_encoders(nowhere, schema, states)  # needs no folder
    assert again == states and states["text"]["stored"] and encoders["text"].output_dim == 16
    left_out = config(encoder=f"text=hf:{folder}", freeze="text", leave_out_frozen=True)
    _, states = build_encoders(left_out, schema)
    assert not states["text"]["stored"]
    build_encoders(left_out, schema, states)
    gone = SimpleNamespace(**{**vars(left_out), "encoder": f"text=hf:{tmp_path}"})
    with pytest.raises(
        InputError, match=r"is no folder.*leaves out the frozen encoder of text, hf"
    ):
        build_encoders(gone, schema, states)
