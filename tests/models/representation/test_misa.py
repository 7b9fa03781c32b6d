"""MISA's parts: what its penalty sums, and that missing rows take no part."""

import pytest
import torch
from fusion_inputs import inputs_of, shape_of, without
from omegaconf import OmegaConf

from mia_fairseq.errors import InputError
from mia_fairseq.models.representation.misa import MISA, MISAConfig, MISAFusion
from mia_fairseq.models.representation.representation_losses import (
    central_moment_discrepancy,
    orthogonality_loss,
)


def fusion_with(*weights: float) -> MISAFusion:
    torch.manual_seed(0)
    return MISAFusion(shape_of(), 4, heads=2, dropout=0.0, weights=weights).double()


def vectors(fusion: MISAFusion, inputs, name: str):
    linear = fusion.projections[name].linear
    u = (inputs[name].pooled @ linear.weight.T + linear.bias).reshape(-1, 4)
    shared, private = torch.sigmoid(fusion.shared[0](u)), torch.sigmoid(fusion.private[name][0](u))
    return u, shared, private, fusion.decoder(shared + private)


def test_the_penalty_by_its_parts() -> None:
    inputs = inputs_of()
    names, pairs = list(inputs), [("text", "audio"), ("text", "video"), ("audio", "video")]
    parts = {name: vectors(fusion_with(0, 0, 0), inputs, name) for name in names}
    similarity = sum(central_moment_discrepancy(parts[a][1], parts[b][1]) for a, b in pairs) / 3
    difference = sum(orthogonality_loss(parts[n][1], parts[n][2]) for n in names)
    difference = difference + sum(orthogonality_loss(parts[a][2], parts[b][2]) for a, b in pairs)
    rebuilding = sum(((parts[n][0] - parts[n][3]) ** 2).mean() for n in names) / 3
    for weights in [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.7, 0.3, 2.0)]:
        expected = weights[0] * similarity + weights[1] * difference + weights[2] * rebuilding
        assert torch.allclose(fusion_with(*weights)(inputs).penalty, expected)


def test_rows_of_a_missing_modality_take_no_part_in_the_penalty() -> None:
    inputs = inputs_of()
    inputs["audio"].mask[2] = False
    for tensor in inputs["audio"][:2]:
        tensor[2] = 0
    fusion = fusion_with(0.0, 0.0, 1.0)
    rows = {name: vectors(fusion, inputs, name) for name in inputs}
    kept = {"text": 6, "audio": 4, "video": 6}  # two channels a row
    terms = [((rows[n][0] - rows[n][3])[:k] ** 2).mean() for n, k in kept.items()]
    assert torch.allclose(fusion(inputs).penalty, sum(terms) / 3)


def test_a_missing_modality_leaves_the_fused_vectors_to_the_others() -> None:
    fusion, inputs = fusion_with(1, 1, 1), without(inputs_of(), "audio")
    once = fusion(inputs).fused
    with torch.no_grad():
        for part in (fusion.private["audio"][0], fusion.projections["audio"].linear):
            part.bias.add_(5)
    assert torch.equal(once, fusion(inputs).fused)


def test_negative_weights_are_refused() -> None:
    cfg = OmegaConf.structured(MISAConfig(misa_difference=-1.0))
    with pytest.raises(InputError, match="--misa-difference"):
        MISA.build_fusion(shape_of(), cfg)
