"""Contextual inter-modal attention against loops."""

import math

import torch
from fusion_inputs import inputs_of, shape_of, without

from mia_fairseq.models.attention_fusion.cim import ContextualFusion, attend_and_gate


def test_attention_and_gate_by_loops() -> None:
    torch.manual_seed(0)
    one, other = torch.randn(2, 3, 4).double(), torch.randn(2, 3, 4).double()
    found = attend_and_gate(one, other)
    for b in range(2):
        for i in range(3):
            affinities = [math.exp(float(one[b, i] @ other[b, j])) for j in range(3)]
            weights = [affinity / sum(affinities) for affinity in affinities]
            mean = sum(weight * other[b, j] for j, weight in enumerate(weights))
            assert torch.allclose(found[b, i], mean * one[b, i])


def test_with_one_channel_a_pair_is_a_product() -> None:
    one, other = torch.randn(2, 1, 4), torch.randn(2, 1, 4)
    assert torch.allclose(attend_and_gate(one, other), one * other)


def test_blocks_of_a_missing_modality_are_zero() -> None:
    fusion = ContextualFusion(shape_of(), 4).double()
    seen = []
    fusion.output.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    fusion(without(inputs_of(), "audio"))
    blocks = seen[0].unflatten(2, (9, 4)).abs().sum(dim=(0, 1, 3))
    # text, audio, video, then both ways text–audio, text–video, audio–video
    assert (blocks > 0).tolist() == [True, False, True, False, False, True, True, False, False]
