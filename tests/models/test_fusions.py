"""What every fusion must hold, over the registry: a new one gets these tests for free."""

import pytest
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from omegaconf import OmegaConf

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.data.format.labels import MELD_CLASSES, LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.fusion import Taught
from mia_fairseq.models.affect_model import AffectModel

FUSIONS = sorted(name for name, model in MODEL_REGISTRY.items() if issubclass(model, AffectModel))
DIMS = {"text": 8, "audio": 6, "video": 5, "pulse": 4, "gaze": 3}
LENGTHS = {
    "text": [4, 1, 3],
    "audio": [2, 5, 1],
    "video": [1, 1, 1],
    "pulse": [3, 2, 6],
    "gaze": [2, 2, 2],
}


def build(name: str, modalities: int, label: LabelSpec | None = None, **settings) -> AffectModel:
    torch.manual_seed(0)
    names = list(DIMS)[:modalities]
    schema = Schema(
        "test",
        label or LabelSpec("regression"),
        names[0],
        tuple(names[1:]) if MODEL_REGISTRY[name].needs_auxiliaries else (),
        {n: ModalitySpec(DIMS[n]) for n in names},
    )
    cfg = OmegaConf.structured(MODEL_DATACLASS_REGISTRY[name]())
    cfg._name = name
    for key, value in settings.items():
        cfg[key] = value
    return MODEL_REGISTRY[name].from_blueprint(cfg, Blueprint(schema))


def batch(modalities: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    features, lengths = {}, {}
    for name in list(DIMS)[:modalities]:
        lengths[name] = torch.tensor(LENGTHS[name])
        features[name] = torch.randn(3, max(LENGTHS[name]), DIMS[name])
        for row, length in enumerate(LENGTHS[name]):
            features[name][row, length:] = 0
    return features, lengths


ZOO = (
    *("cim", "concat", "cross_transformer", "lmf", "mag", "mha", "mia_net", "misa", "mmim"),
    *("tfn", "transformer", "unimodal"),
    *("bbfn", "cm_bert", "his_msa", "mib", "mtsa", "multimodal_routing", "qmf", "self_mm"),
    *("sse_ft", "tcm_lstm"),
)


def taught(model: AffectModel, rows: int = 3) -> dict[str, Taught]:
    """What training tells a fusion that asks for labels; nothing for others."""
    if not model.asks_for_labels:
        return {}
    model.fusion.begin_training(rows)
    labels = torch.tensor([1.5, -2.0, 0.5][:rows])
    return {"taught": Taught(labels, torch.arange(rows))}


def test_the_papers_model_the_baseline_and_the_zoo_are_registered() -> None:
    assert set(ZOO) <= set(FUSIONS)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("modalities", [2, 3, 4, 5])
@pytest.mark.parametrize("name", FUSIONS)
def test_shapes_and_gradients_to_every_input(name: str, modalities: int, channels: int) -> None:
    model = build(name, modalities, channels=channels)
    features, lengths = batch(modalities)
    for tensor in features.values():
        tensor.requires_grad_()
    told = taught(model)
    output = model(features, lengths, **told)
    assert output.prediction.shape == (3,)
    weights = torch.tensor([1.0, -2.0, 0.5])  # a plain sum is what batch norm cancels
    (output.prediction * weights).sum().backward()
    for modality in model.encoders:
        gradient = features[modality].grad
        assert gradient is not None and gradient.isfinite().all() and gradient.any(), modality
    if output.penalty is not None:  # some parts, a decoder say, serve the penalty alone
        model(features, lengths, **told).penalty.backward()
    for parameter, tensor in model.named_parameters():
        assert tensor.grad is not None and tensor.grad.isfinite().all(), parameter


@pytest.mark.parametrize("name", FUSIONS)
def test_alone_equals_padded_in_a_batch(name: str) -> None:
    model = build(name, 3, channels=2).eval()
    features, lengths = batch(3)
    with torch.no_grad():
        together = model(features, lengths).prediction
        for row in range(3):
            alone = model(
                {n: f[row : row + 1, : lengths[n][row]] for n, f in features.items()},
                {n: length[row : row + 1] for n, length in lengths.items()},
            ).prediction
            assert torch.allclose(alone, together[row], atol=1e-5)


@pytest.mark.parametrize("name", FUSIONS)
def test_padding_is_never_read(name: str) -> None:
    model = build(name, 3).eval()
    features, lengths = batch(3)
    dirty = {n: f.clone() for n, f in features.items()}
    for n, tensor in dirty.items():
        for row, length in enumerate(lengths[n]):
            tensor[row, length:] = 7.0
    with torch.no_grad():
        clean = model(features, lengths).prediction
        assert torch.allclose(clean, model(dirty, lengths).prediction, atol=1e-6)


@pytest.mark.parametrize("name", FUSIONS)
def test_a_missing_modality_is_no_noise(name: str) -> None:
    model = build(name, 3).eval()
    features, lengths = batch(3)
    features["audio"][1], lengths["audio"][1] = 0, 0
    with torch.no_grad():
        prediction = model(features, lengths).prediction
        features["audio"][1] = 5.0  # what stands behind a length of 0 does not count
        assert prediction.isfinite().all()
        assert torch.allclose(prediction, model(features, lengths).prediction)


# MIA's convolution mixes the main modality with each auxiliary's answer, there or not; LMF's
# bias is the coefficient of the constant 1.
MISSING_STILL_WEIGHS = {"mia_net": ("fusion.stack",), "lmf": ("fusion.factors.audio.bias",)}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", [name for name in ZOO if name != "unimodal"])
def test_no_weight_of_a_missing_modality_takes_part(name: str, channels: int) -> None:
    model = build(name, 3, channels=channels)
    features, lengths = batch(3)
    features["audio"].zero_()
    lengths["audio"].zero_()
    output = model(features, lengths, **taught(model))
    loss = output.prediction.square().sum()
    (loss if output.penalty is None else loss + output.penalty).backward()
    allowed = MISSING_STILL_WEIGHS.get(name, ())
    for parameter, tensor in model.named_parameters():
        if "audio" in parameter and not parameter.startswith(allowed or ("none",)):
            assert tensor.grad is None or not tensor.grad.any(), parameter


@pytest.mark.parametrize("missing", [("text",), ("audio", "video"), ("text", "audio", "video")])
@pytest.mark.parametrize("name", FUSIONS)
def test_any_modality_may_be_missing_in_training(name: str, missing: tuple[str, ...]) -> None:
    model = build(name, 3, channels=2)
    features, lengths = batch(3)
    for modality in missing:
        features[modality][:2], lengths[modality][:2] = 0, 0
    output = model(features, lengths, **taught(model))
    loss = output.prediction.square().sum()
    (loss if output.penalty is None else loss + output.penalty).backward()
    assert loss.isfinite() and (output.penalty is None or output.penalty.isfinite())
    for parameter, tensor in model.named_parameters():
        assert tensor.grad is None or tensor.grad.isfinite().all(), parameter


@pytest.mark.parametrize("name", FUSIONS)
def test_classes_come_out_as_logits(name: str) -> None:
    model = build(name, 3, LabelSpec("classes", names=MELD_CLASSES))
    assert model(*batch(3)).prediction.shape == (3, 7)


@pytest.mark.parametrize("name", FUSIONS)
def test_saves_and_loads(name: str) -> None:
    model, other = build(name, 3).eval(), build(name, 3, dropout=0.2).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
        other.load_state_dict(model.state_dict(), strict=True)
        assert torch.equal(model(*batch(3)).prediction, other(*batch(3)).prediction)


def test_without_adapters_there_are_none() -> None:
    model = build("mia_net", 3, no_adapters=True)
    assert len(model.adapters) == 0 and model(*batch(3)).prediction.shape == (3,)


def test_the_main_modality_may_go_without_an_adapter() -> None:
    model = build("mia_net", 3, no_main_adapter=True)
    auxiliaries = model.shape.auxiliaries
    assert tuple(model.adapters) == auxiliaries and len(auxiliaries) == 2
    assert model(*batch(3)).prediction.shape == (3,)


def test_a_main_modality_alone_cannot_be_fused() -> None:
    with pytest.raises(InputError, match="--arch unimodal"):
        build("mia_net", 1)


def test_only_the_last_modules_scale_starts_at_the_setting() -> None:
    stack = build("mia_net", 4, fusion_scale_init=0.0).fusion.stack
    assert [module.norm.weight.item() for module in stack.values()] == [1, 1, 0]


def test_with_a_scale_of_zero_mia_net_starts_as_the_main_modality_alone() -> None:
    fused, alone = build("mia_net", 3, fusion_scale_init=0.0), build("unimodal", 3)
    alone.load_state_dict(
        {k: v for k, v in fused.state_dict().items() if k in alone.state_dict()}, strict=True
    )
    with torch.no_grad():
        one, other = fused.eval()(*batch(3)).prediction, alone.eval()(*batch(3)).prediction
    assert torch.allclose(one, other, atol=1e-6)


def test_the_penalty_is_the_sum_over_modules() -> None:
    model = build("mia_net", 3, channels=2, kernel_init="random")
    terms = [module.penalty() for module in model.fusion.stack.values()]
    assert torch.allclose(model(*batch(3)).penalty, sum(terms)) and sum(terms) > 0


def test_adding_a_modality_adds_one_small_module() -> None:
    def fusion_size(modalities: int) -> int:
        return sum(p.numel() for p in build("mia_net", modalities).fusion.parameters())

    # W 1, gate 1 + 1, fusion 2·3 + 1, batch norm 2.
    assert [fusion_size(n) for n in (2, 3, 4, 5)] == [12, 24, 36, 48]
