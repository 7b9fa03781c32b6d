"""Masked and cross-modal attention against loops, and rows with nothing to look at."""

import math

import pytest
import torch
from torch import Tensor, nn

from mia_fairseq.modules.masked_attention import (
    CrossModalLayer,
    CrossModalTransformer,
    MaskedTransformer,
    attend,
    padding_of,
)

MASK = torch.tensor([[True, True, False, True], [False, False, False, False]])


def naive_attention(
    attention: nn.MultiheadAttention, queries: Tensor, keys: Tensor, mask: Tensor
) -> Tensor:
    """One row, (Q, p) and (T, p): heads, queries and keys one by one."""
    width, heads = queries.shape[1], attention.num_heads
    size = width // heads
    q, k, v = (
        x @ w.T + b
        for x, w, b in zip(
            (queries, keys, keys),
            attention.in_proj_weight.chunk(3),
            attention.in_proj_bias.chunk(3),
            strict=True,
        )
    )
    answers = torch.zeros_like(queries)
    for i in range(len(queries)):
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            weights = {
                j: math.exp(float(q[i, part] @ k[j, part]) / math.sqrt(size))
                for j in range(len(keys))
                if mask[j]
            }
            for j, weight in weights.items():
                answers[i, part] += weight / sum(weights.values()) * v[j, part]
    return answers @ attention.out_proj.weight.T + attention.out_proj.bias


def randomized(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) / 2)
    return module.double().eval()


@torch.no_grad()
def test_attention_by_loops_reads_only_what_the_mask_lets_it() -> None:
    attention = randomized(nn.MultiheadAttention(6, 3, batch_first=True))
    queries, keys = torch.randn(2, 5, 6).double(), torch.randn(2, 4, 6).double()
    found = attend(attention, queries, keys, MASK)
    assert torch.allclose(found[0], naive_attention(attention, queries[0], keys[0], MASK[0]))
    assert not found[1].any()


@torch.no_grad()
def test_a_cross_modal_layer_by_its_equation() -> None:
    layer = randomized(CrossModalLayer(6, 2, 0.0))
    target, source = torch.randn(2, 3, 6).double(), torch.randn(2, 4, 6).double()
    asked, given = layer.target_norm(target[0]), layer.source_norm(source[0])
    mixed = layer.ffn_norm(naive_attention(layer.attention, asked, given, MASK[0]) + asked)
    hidden = (mixed @ layer.ffn[0].weight.T + layer.ffn[0].bias).clamp(min=0)
    expected = hidden @ layer.ffn[3].weight.T + layer.ffn[3].bias + mixed
    assert torch.allclose(layer(target, source, MASK)[0], expected)


@torch.no_grad()
def test_every_layer_reads_the_source_itself() -> None:
    stack = randomized(CrossModalTransformer(6, 2, 2, 0.0))
    target, source = torch.randn(2, 3, 6).double(), torch.randn(2, 4, 6).double()
    first, second = stack.layers
    expected = second(first(target, source, MASK), source, MASK)
    assert torch.equal(stack(target, source, MASK), expected)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_to_look_at_gives_zeros_and_finite_gradients(training: bool) -> None:
    encoder = MaskedTransformer(6, 2, 2, 0.0).train(training)
    tokens = torch.randn(2, 4, 6, requires_grad=True)
    output = encoder(tokens, MASK)
    assert not output[1].any() and output[0].all()
    output.sum().backward()
    assert tokens.grad is not None and tokens.grad.isfinite().all() and not tokens.grad[1].any()


@pytest.mark.parametrize("first", [1, 3, 4, None])
def test_the_first_tokens_alone_are_those_of_all(first: int | None) -> None:
    encoder = randomized(MaskedTransformer(6, 2, 2, 0.0)).train()
    tokens, mask = torch.randn(3, 4, 6).double().requires_grad_(), torch.cat([MASK, MASK[:1]])
    every, few = encoder(tokens, mask)[:, :first], encoder(tokens, mask, first=first)
    assert few.shape == every.shape and torch.allclose(few, every)
    slopes = [torch.autograd.grad(x.square().sum(), tokens)[0] for x in (every, few)]
    assert torch.allclose(*slopes)


def test_a_token_outside_the_mask_is_asked_but_not_read() -> None:
    torch.manual_seed(0)
    encoder, tokens = MaskedTransformer(6, 1, 2, 0.0).eval(), torch.randn(2, 4, 6)
    changed = tokens.clone()
    changed[0, 2] = torch.randn(6)
    before, after = encoder(tokens, MASK)[0], encoder(changed, MASK)[0]
    assert torch.allclose(before[[0, 1, 3]], after[[0, 1, 3]])
    assert not torch.allclose(before[2], after[2])


def test_only_rows_with_no_key_have_one_opened() -> None:
    assert padding_of(MASK).tolist() == [[False, False, True, False], [False, True, True, True]]
