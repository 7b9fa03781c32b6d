"""Low-rank fusion against the tensor that it never writes out."""

import torch
from fusion_inputs import DIMS, inputs_of, shape_of, without

from mia_fairseq.models.tensor_fusion.lmf import LowRankFusion


def written_out(fusion: LowRankFusion) -> torch.Tensor:
    """W = Σ_i w_1⁽ⁱ⁾ ⊗ w_2⁽ⁱ⁾ ⊗ w_3⁽ⁱ⁾, (d_m, d_1 + 1, d_2 + 1, d_3 + 1)."""
    w = torch.zeros(4, *(dim + 1 for dim in DIMS.values())).double()
    for out in range(4):
        for i in range(fusion.rank):
            row = i * 4 + out
            one, two, three = (
                torch.cat([factor.weight[row], factor.bias[row : row + 1]])
                for factor in fusion.factors.values()
            )
            w[out] += one[:, None, None] * two[None, :, None] * three[None, None, :]
    return w


def test_equals_the_full_tensor_times_the_outer_product() -> None:
    torch.manual_seed(0)
    fusion, inputs = LowRankFusion(shape_of(), 3).double(), inputs_of()
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.copy_(torch.randn_like(parameter))
        tensor, fused = written_out(fusion), fusion(inputs).fused
        for b in range(3):
            for c in range(2):
                z = [
                    torch.cat([inputs[name].pooled[b, c], torch.ones(1).double()]) for name in DIMS
                ]
                expected = torch.zeros(4).double()
                for i, x in enumerate(z[0]):
                    for j, y in enumerate(z[1]):
                        for k, t in enumerate(z[2]):
                            expected += tensor[:, i, j, k] * x * y * t
                assert torch.allclose(fused[b, c], expected + fusion.bias)


def test_without_any_modality_nothing_comes_out_at_the_start() -> None:
    inputs = inputs_of()
    for name in DIMS:
        inputs = without(inputs, name)
    assert not LowRankFusion(shape_of(), 4).double()(inputs).fused.any()
