"""Encoders inside models: contexts and copies share them, pooling, any fusion."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from harness import spec_of
from omegaconf import OmegaConf
from released import small_bert

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import parse_derived
from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectModel, AffectModelConfig

FUSIONS = sorted(name for name, model in MODEL_REGISTRY.items() if issubclass(model, AffectModel))
CONTEXT = "text[-1:-1]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bert")
    small_bert(path, ["a", "b", "c", "d"])  # 9 ids, 16-d
    return path


def build(folder: Path, arch: str = "mia_net", **settings: Any) -> AffectModel:
    torch.manual_seed(0)
    derived = parse_derived("copy=linear(text)", CONTEXT)
    specs = {"text": spec_of("tokens", 9), "audio": ModalitySpec(5)}
    specs |= {name: spec_of("tokens", 9) for name in derived}
    fuses = MODEL_REGISTRY[arch].needs_auxiliaries
    behind = ("audio", *derived) if fuses else ()
    label = LabelSpec("regression")
    schema = Schema("c", label, "text", behind, specs, (), derived if fuses else {})
    cfg = OmegaConf.structured(MODEL_DATACLASS_REGISTRY[arch]())
    cfg._name, cfg.encoder = arch, f"text=hf:{folder}"
    for key, value in settings.items():
        cfg[key] = value
    return MODEL_REGISTRY[arch].from_blueprint(cfg, Blueprint(schema).with_encoders(cfg))


def batch() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    lengths = {"text": [5, 3, 4], "audio": [2, 0, 1], CONTEXT: [0, 4, 2]}
    features = {name: torch.randint(5, 9, (3, max(length))) for name, length in lengths.items()}
    features["audio"] = torch.randn(3, 2, 5)
    return features, {name: torch.tensor(length) for name, length in lengths.items()}


@pytest.mark.parametrize("arch", FUSIONS)
def test_every_fusion_learns_through_a_trained_encoder(folder: Path, arch: str) -> None:
    model = build(folder, arch)
    output = model(*batch())
    assert output.prediction.shape == (3,)
    (output.prediction * torch.tensor([1.0, -2.0, 0.5])).sum().backward()
    for layer in model.encoders["text"].layers():
        assert any(p.grad is not None and p.grad.any() for p in layer.parameters())
    frozen = build(folder, arch, freeze="text")
    frozen(*batch()).prediction.sum().backward()
    assert all(p.grad is None for p in frozen.encoders["text"].parameters())


def test_modes_are_set_once_though_a_part_is_frozen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, asked = build(folder, unfreeze_from="text=1"), []
    encoder = model.encoders["text"]
    walk = type(encoder).train

    def noted(self: torch.nn.Module, mode: bool = True) -> torch.nn.Module:
        asked.append(mode)
        return walk(self, mode)

    monkeypatch.setattr(type(encoder), "train", noted)
    for mode in (False, True, True, True, False, False, True):
        model.train(mode)
        assert model.training is model.head.training is mode
        assert {m.training for block in encoder.blocks() for m in block.modules()} == {mode}
        assert not any(m.training for m in encoder.network.embeddings.modules())
    assert asked == [False, True, False, True]
    model.head.eval()  # whatever set a part by itself, the whole is set again
    encoder.blocks()[0].eval()
    model.train()
    assert model.head.training and encoder.blocks()[0].training


def test_each_input_is_encoded_once(folder: Path) -> None:
    model, read = build(folder), []
    model.encoders["text"].network.register_forward_pre_hook(
        lambda _module, _args, named: read.append(named["input_ids"].shape), with_kwargs=True
    )
    model(*batch())
    assert read == [(3, 5), (2, 4)]  # the text, and the two rows that have a context
    assert list(model.encoders) == ["text", "audio", "copy"]


def test_a_copy_maps_what_the_encoder_gives(folder: Path) -> None:
    model = build(folder).eval()
    features, lengths = batch()
    encoded = model.encoders(features, lengths)
    expected = model.encoders["copy"].linear(encoded["text"].sequence)
    expected[torch.arange(5) >= lengths["text"][:, None]] = 0
    assert torch.allclose(encoded["copy"].sequence, expected)


def test_a_context_is_read_by_its_sources_encoder(folder: Path) -> None:
    model = build(folder).eval()
    features, lengths = batch()
    encoded = model.encoders(features, lengths)[CONTEXT].sequence
    direct = model.encoders["text"](features[CONTEXT], lengths[CONTEXT])
    assert torch.equal(encoded, direct) and not encoded[0].any()
    assert model.shape.dims == {"text": 16, "audio": 5, "copy": 16, CONTEXT: 16}


def test_of_rows_among_neighbours_their_own_vectors_go_on(folder: Path) -> None:
    model = build(folder).eval()
    features, lengths = batch()
    own = {"text": torch.tensor([[2, 3], [1, 3], [3, 2]])}  # the second one stands alone
    lengths["text"] = torch.tensor([5, 3, 0])  # the third was taken away
    encoded = model.encoders(features, lengths, own)
    read = model.encoders["text"](features["text"], lengths["text"])
    found, counts = encoded["text"]
    assert counts.tolist() == [3, 3, 0] and found.shape == (3, 3, 16)
    assert torch.equal(found[0], read[0, [0, 2, 3]]) and torch.equal(found[1], read[1, :3])
    assert not found[2].any() and read[0, 4].any()
    copied = model.encoders["copy"].linear(found[:2])
    assert torch.allclose(encoded["copy"].sequence[:2], copied)
    assert torch.equal(encoded[CONTEXT].lengths, lengths[CONTEXT])
    alone = {"text": torch.tensor([[1, 5], [1, 3], [1, 0]])}
    same, plain = (model(features, lengths, given).prediction for given in (alone, None))
    assert torch.equal(same, plain)


def test_pooling_by_the_first_vector(folder: Path) -> None:
    model = build(folder, pooling="first", no_adapters=True).eval()
    features, lengths = batch()
    encoded = model.encoders(features, lengths)
    for name, (sequence, length) in encoded.items():
        pooled = model.embed(name, sequence, length).pooled
        assert torch.equal(pooled, sequence[:, :1]) and not pooled[length == 0].any()
    with pytest.raises(InputError, match=r"--pooling first gives one vector, --channels is 2"):
        build(folder, pooling="first", channels=2)


@pytest.mark.parametrize("name", FUSIONS)
def test_bf16_gives_gradients(folder: Path, name: str) -> None:
    channels = 2 if name != "cim" else 1
    model = build(folder, name, channels=channels).to(torch.bfloat16)
    features, lengths = batch()
    features["audio"] = features["audio"].bfloat16()
    output = model(features, lengths)
    loss = output.prediction.float().square().sum()
    (loss if output.penalty is None else loss + output.penalty).backward()
    assert loss.isfinite()
    for parameter, tensor in model.named_parameters():
        assert tensor.grad is None or tensor.grad.isfinite().all(), parameter


def test_a_fusion_of_before_there_were_encoders_still_builds() -> None:
    class Older(MODEL_REGISTRY["mag"]):
        def __init__(self, shape, outputs, cfg):
            super().__init__(shape, outputs, cfg)

    schema = Schema(
        "c",
        LabelSpec("regression"),
        "text",
        ("audio",),
        dict.fromkeys(("text", "audio"), ModalitySpec(4)),
    )
    cfg = OmegaConf.structured(MODEL_DATACLASS_REGISTRY["mag"]())
    cfg._name = "mag"
    model = Older.build_model(cfg, SimpleNamespace(blueprint=Blueprint(schema)))
    assert model.head.in_features == 4
    assert isinstance(OmegaConf.to_object(cfg), AffectModelConfig)
