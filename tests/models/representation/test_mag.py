"""The adaptation gate against its equations, row by row."""

import pytest
import torch
from fusion_inputs import inputs_of, shape_of, without

from mia_fairseq.errors import InputError
from mia_fairseq.models.representation.mag import MAG, AdaptationGate


@pytest.mark.parametrize("beta", [0.01, 100.0])
def test_equals_the_equations_row_by_row(beta: float) -> None:
    torch.manual_seed(0)
    fusion, inputs = AdaptationGate(shape_of(), beta).double(), inputs_of()
    fused = fusion(inputs).fused
    for b in range(3):
        for c in range(2):
            z = inputs["text"].pooled[b, c]
            h = torch.zeros(4).double()
            for name in ("audio", "video"):
                a, gate = inputs[name].pooled[b, c], fusion.gates[name]
                opened = (gate.weight @ torch.cat([z, a]) + gate.bias).clamp(min=0)
                h += opened * (fusion.values[name].weight @ a)
            alpha = min(float(z.norm() / h.norm()) * beta, 1.0)
            assert torch.allclose(fused[b, c], alpha * h)
            assert float(fused[b, c].norm()) <= beta * float(z.norm()) * (1 + 1e-9)


def test_nothing_comes_of_missing_auxiliaries() -> None:
    inputs = without(without(inputs_of(), "audio"), "video")
    assert not AdaptationGate(shape_of(), 1.0).double()(inputs).fused.any()


def test_an_impossible_beta_is_refused() -> None:
    with pytest.raises(InputError, match="--mag-beta is 0"):
        MAG.build_fusion(shape_of(), type("Cfg", (), {"mag_beta": 0.0}))
