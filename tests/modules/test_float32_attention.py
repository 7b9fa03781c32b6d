"""Attention in float32 inside of networks of 16 bits."""

import pytest
import torch
from torch import Tensor

from mia_fairseq.modules.float32_attention import Float32Attention, attention


def inputs(dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(3, 2, 4, 9, 8, generator=generator).to(dtype)
    return [part.clone().requires_grad_() for part in drawn]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("float_mask", [False, True])
def test_it_is_the_attention_of_float32_rounded_once(dtype: torch.dtype, float_mask: bool) -> None:
    query, key, value = inputs(dtype)
    mask = torch.ones(2, 1, 9, 9, dtype=torch.bool)
    mask[0, :, :, 5:] = False
    if float_mask:
        mask = torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
    with Float32Attention():
        found = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=0.3
        )
    wide_mask = mask.float() if float_mask else mask
    expected = attention(query.float(), key.float(), value.float(), wide_mask, scale=0.3)
    torch.testing.assert_close(found, expected.to(dtype), rtol=0, atol=0)
    found.float().sum().backward()
    assert value.grad is not None
    assert value.grad.dtype == dtype
    assert value.grad[0, :, 5:].count_nonzero() == 0


def test_float32_is_left_as_it_is() -> None:
    given = inputs(torch.float32)
    expected = attention(*given)
    with Float32Attention():
        assert torch.equal(attention(*given), expected)
