"""The mutual-information bounds by loops."""

import pytest
import torch
from fusion_inputs import inputs_of, shape_of, without
from omegaconf import OmegaConf

from mia_fairseq.errors import InputError
from mia_fairseq.models.representation.mmim import MMIM, MMIMConfig, MMIMFusion
from mia_fairseq.models.representation.representation_losses import info_nce


def fusion_with(*weights: float) -> MMIMFusion:
    torch.manual_seed(0)
    return MMIMFusion(shape_of(), 4, weights).double()


def test_the_penalty_by_its_parts() -> None:
    inputs, fusion = inputs_of(), fusion_with(0.2, 0.7)
    x = {name: fusion.projections[name].linear(inputs[name].pooled) for name in inputs}
    z = torch.relu(fusion.joint(torch.cat(list(x.values()), dim=2)))
    between = sum(
        info_nce(fusion.across[n](x["text"]).flatten(1), x[n].flatten(1))
        for n in ("audio", "video")
    )
    upward = sum(info_nce(fusion.back[n](z).flatten(1), x[n].flatten(1)) for n in x)
    output = fusion(inputs)
    assert torch.allclose(output.penalty, 0.2 * between / 2 + 0.7 * upward / 3)
    assert torch.allclose(output.fused, fusion.output(z))


def test_a_missing_modality_is_in_no_bound() -> None:
    fusion, gone = fusion_with(0.0, 3.0), without(inputs_of(), "audio")
    once = fusion(gone).penalty
    with torch.no_grad():
        fusion.back["audio"].weight.add_(1)
    assert torch.equal(once, fusion(gone).penalty)


def test_negative_weights_are_refused() -> None:
    with pytest.raises(InputError, match="--mmim-fusion"):
        MMIM.build_fusion(shape_of(), OmegaConf.structured(MMIMConfig(mmim_fusion=-0.1)))
