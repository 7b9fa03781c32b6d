"""MIB's bottlenecks against torch's own distributions."""

import pytest
import torch
from fusion_inputs import DIMS, inputs_of, shape_of, without

from mia_fairseq.fusion import Taught
from mia_fairseq.models.representation.mib import Bottleneck, BottleneckFusion, divergence

TAUGHT = Taught(torch.tensor([1.0, -2.0, 0.5]).double(), torch.arange(3))


def fusion_of(place: str, beta: float = 0.01) -> BottleneckFusion:
    torch.manual_seed(0)
    return BottleneckFusion(shape_of(), 4, place=place, beta=beta, weight=0.7).double()


def test_the_divergence_is_torchs() -> None:
    mean, deviation = torch.randn(5, 2, 3), torch.rand(5, 2, 3) + 0.1
    told = torch.distributions.Normal(mean, deviation)
    expected = torch.distributions.kl_divergence(told, torch.distributions.Normal(0.0, 1.0)).mean()
    assert torch.allclose(divergence(mean, deviation), expected, atol=1e-6)


def test_the_divergence_by_hand() -> None:
    # ½ (1² + 2² − log 2² − 1)
    found = divergence(torch.ones(1), torch.full((1,), 2.0))
    assert torch.allclose(found, torch.tensor(2.0 - torch.tensor(2.0).log().item()))


def test_training_draws_and_evaluation_takes_the_mean() -> None:
    torch.manual_seed(0)
    bottleneck = Bottleneck(3, 4, 1, 1)
    bottleneck.deviation.bias.data.fill_(5.0)  # wide
    x = torch.randn(2000, 1, 3)
    z, mean, deviation = bottleneck(x)
    scaled = (z - mean) / deviation
    assert abs(scaled.mean()) < 0.05 and abs(scaled.std() - 1) < 0.05
    z, mean, _ = bottleneck.eval()(x)
    assert torch.equal(z, mean)


@pytest.mark.parametrize(("place", "bottlenecks"), [("early", 1), ("late", 3), ("complete", 4)])
def test_the_penalty_by_its_parts(place: str, bottlenecks: int) -> None:
    fusion, inputs = fusion_of(place).eval(), inputs_of()
    found = fusion(inputs, TAUGHT).penalty
    blocks = [inputs[name].pooled for name in DIMS]
    losses = []
    if place != "early":
        losses += [own_loss(fusion.single[n], x) for n, x in zip(DIMS, blocks, strict=True)]
        blocks = [fusion.single[n](x)[0] for n, x in zip(DIMS, blocks, strict=True)]
    if place != "late":
        losses.append(own_loss(fusion.joint, torch.cat(blocks, dim=2)))
    assert len(losses) == bottlenecks
    assert torch.allclose(found, 0.7 * sum(losses))


def own_loss(bottleneck: Bottleneck, x: torch.Tensor) -> torch.Tensor:
    z, mean, deviation = bottleneck(x)
    told = bottleneck.decoder(z.reshape(3, -1))[:, 0]
    return (told - TAUGHT.labels).abs().mean() + 0.01 * divergence(mean, deviation)


def test_without_labels_the_penalty_is_the_divergence_alone() -> None:
    assert fusion_of("complete", beta=0.0).eval()(inputs_of()).penalty == 0
    assert fusion_of("complete").eval()(inputs_of()).penalty > 0


def test_a_missing_modality_passes_no_bottleneck_of_its_own() -> None:
    fusion = fusion_of("late").eval()
    seen = []
    fusion.output.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    fusion(without(inputs_of(), "audio"), TAUGHT)
    assert (seen[0].unflatten(2, (3, 4)).abs().sum(dim=(0, 1, 3)) > 0).tolist() == [
        True,
        False,
        True,
    ]
