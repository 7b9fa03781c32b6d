"""Linear copies and modality dropout inside the models, over the registry."""

import pytest
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from omegaconf import OmegaConf

from mia_fairseq.encoders.linear_copy import LinearCopyEncoder
from mia_fairseq.models.affect_model import AffectModel, FusionShape

FUSIONS = sorted(
    name
    for name, model in MODEL_REGISTRY.items()
    if issubclass(model, AffectModel) and model.needs_auxiliaries
)
DIMS = {"text": 8, "audio": 6, "audio2": 6, "text[-3:-1]": 8}
SHAPE = FusionShape("text", ("audio", "audio2", "text[-3:-1]"), DIMS, 2, {"audio2": "audio"})


def build(name: str, **settings: float) -> AffectModel:
    torch.manual_seed(0)
    cfg = OmegaConf.structured(MODEL_DATACLASS_REGISTRY[name]())
    cfg._name, cfg.dropout = name, 0.0
    for key, value in settings.items():
        cfg[key] = value
    return MODEL_REGISTRY[name](SHAPE, 1, cfg)


def batch() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    lengths = {
        "text": torch.tensor([3, 2, 1, 3]),
        "audio": torch.tensor([4, 1, 2, 0]),
        "text[-3:-1]": torch.tensor([0, 1, 1, 1]),
    }
    features = {
        name: torch.randn(4, int(length.max()), DIMS[name]) for name, length in lengths.items()
    }
    return features, lengths


@pytest.mark.parametrize("name", FUSIONS)
def test_a_copy_is_made_of_its_sources_features_and_learns(name: str) -> None:
    model = build(name)
    encoder = model.encoders["audio2"]
    assert isinstance(encoder, LinearCopyEncoder)
    (model(*batch()).prediction * torch.tensor([1.0, -2.0, 0.5, 3.0])).sum().backward()
    assert encoder.linear.weight.grad is not None and encoder.linear.weight.grad.any()


@pytest.mark.parametrize("name", FUSIONS)
def test_it_saves_and_loads_under_readable_names(name: str) -> None:
    model, other = build(name).eval(), build(name).eval()
    for parameter in other.parameters():
        parameter.data.add_(1)
    state = model.state_dict()
    assert "encoders.text[-3:-1].mean" in state and "encoders.audio2.linear.weight" in state
    other.load_state_dict(state, strict=True)
    with torch.no_grad():
        assert torch.equal(model(*batch()).prediction, other(*batch()).prediction)


def test_a_copy_is_a_linear_map_of_the_normalised_features() -> None:
    encoder = LinearCopyEncoder(3)
    encoder.fit([torch.randn(50, 3).numpy() * 4 + 2])
    sequence, lengths = torch.randn(2, 5, 3), torch.tensor([5, 2])
    expected = (sequence - encoder.mean) / encoder.scale @ encoder.linear.weight.T
    expected = expected + encoder.linear.bias
    expected[1, 2:] = 0
    assert torch.allclose(encoder(sequence, lengths), expected, atol=1e-5)


@pytest.mark.parametrize("name", FUSIONS)
def test_a_dropped_modality_is_as_good_as_missing_and_takes_its_copy_along(name: str) -> None:
    model = build(name, modality_dropout=0.5).eval()
    features, lengths = batch()
    gone = {**lengths, "audio": torch.zeros(4, dtype=torch.int64)}
    with torch.no_grad():
        first = model(features, gone).prediction
        other = {**features, "audio": torch.randn_like(features["audio"])}
        assert torch.allclose(first, model(other, gone).prediction)
        assert not torch.allclose(first, model(features, lengths).prediction)


@pytest.mark.parametrize("name", FUSIONS)
def test_modality_dropout_changes_training_and_only_training(name: str) -> None:
    model, plain = build(name, modality_dropout=0.5), build(name)
    with torch.no_grad():
        assert not torch.allclose(model(*batch()).prediction, plain(*batch()).prediction)
        plain.load_state_dict(model.state_dict())
        model.eval(), plain.eval()
        assert torch.equal(model(*batch()).prediction, plain(*batch()).prediction)
