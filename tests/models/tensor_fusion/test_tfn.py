"""Tensor fusion against loops, and the sizes it takes and refuses."""

from itertools import product

import pytest
import torch
from fusion_inputs import DIMS, inputs_of, shape_of, without

from mia_fairseq.errors import InputError
from mia_fairseq.models.tensor_fusion.tfn import TensorFusion, outer_product, product_width


def test_the_outer_product_by_loops() -> None:
    vectors = [torch.randn(2, 3, p) for p in (2, 3, 4)]
    found = outer_product(vectors)
    assert found.shape == (2, 3, 3 * 4 * 5)
    for b, c in product(range(2), range(3)):
        extended = [[*vector[b, c].tolist(), 1.0] for vector in vectors]
        expected = [x * y * z for x in extended[0] for y in extended[1] for z in extended[2]]
        assert torch.allclose(found[b, c], torch.tensor(expected))


def test_the_fusion_is_a_network_on_the_outer_product() -> None:
    torch.manual_seed(0)
    fusion, inputs = TensorFusion(shape_of(), 2).double(), inputs_of()
    first, _, last = fusion.inference
    fused = fusion(inputs).fused
    for b, c in product(range(3), range(2)):
        product_ = torch.ones(1).double()
        for name in DIMS:
            linear = fusion.embeddings[name].linear
            h = (linear.weight @ inputs[name].pooled[b, c] + linear.bias).clamp(min=0)
            product_ = torch.kron(product_, torch.cat([h, torch.ones(1).double()]))
        hidden = (first.weight @ product_ + first.bias).clamp(min=0)
        assert torch.allclose(fused[b, c], last.weight @ hidden + last.bias)


def test_without_a_modality_the_product_is_that_of_the_others() -> None:
    torch.manual_seed(0)
    fusion = TensorFusion(shape_of(), 2).double()
    embedded = [torch.relu(torch.randn(1, 1, 2)) for _ in range(2)]
    whole = outer_product([*embedded, torch.zeros(1, 1, 2)]).view(9, 3)
    assert torch.equal(whole[:, 2], outer_product(embedded).flatten()) and not whole[:, :2].any()
    once = fusion(without(inputs_of(), "audio")).fused
    with torch.no_grad():
        fusion.embeddings["audio"].linear.bias.add_(5)
    assert torch.equal(once, fusion(without(inputs_of(), "audio")).fused)


def test_a_width_is_chosen_that_keeps_the_product_practical() -> None:
    assert [product_width(n, 0) for n in (2, 3, 4, 5)] == [32, 32, 15, 8]
    assert all((product_width(n, 0) + 1) ** n <= 65_536 for n in range(2, 17))
    assert product_width(3, 64) == 64


def test_an_absurd_product_is_refused_with_its_size_and_a_mend() -> None:
    with pytest.raises(InputError, match=r"1,185,921 entries.*--tfn-dim 15"):
        product_width(4, 32)
    with pytest.raises(InputError, match="1,160,290,625 entries"):
        product_width(5, 64)
    with pytest.raises(InputError, match="--tfn-dim is -1"):
        product_width(2, -1)
