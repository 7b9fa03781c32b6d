"""Multimodal Adaptation Gate: the auxiliaries shift the main modality, by a bounded step.

Rahman et al., Integrating multimodal information in large pretrained transformers, ACL 2020,
Sec. 4. With Z = M the main modality and A^k the auxiliaries:

    g_k = ReLU(G_k [Z : A^k] + b_k)                       gate, d_m wide
    H = Σ_k g_k ⊙ (W_k A^k)                               displacement
    M_fused = α H,  α = min(‖Z‖/‖H‖ · β, 1)

and Eq. 11 adds M_fused to M, which is their Z̄ = Z + α H. In each channel, with the same weights.
Different here: their H has a bias of its own, ours none, so that nothing comes of missing
modalities; any number of auxiliaries, theirs are two; the gate works on the utterance's rows, not
within a language model; their last layer norm is left to the shared part. A missing main modality
has length 0 and lets no displacement through: that is the method.

B batch, c channels, d_m main dim.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel, AffectModelConfig
from mia_fairseq.models.affect_settings import setting


@dataclass
class MAGConfig(AffectModelConfig):
    """Settings of mag."""

    mag_beta: float = setting(1.0, "β, the longest shift as a share of the main vector's length")


class AdaptationGate(Fusion):
    """The displacement α H.

    Args:
        shape: the modalities.
        beta: β.
    """

    def __init__(self, shape: FusionShape, beta: float) -> None:
        super().__init__()
        self.main, self.beta = shape.main, beta
        width = shape.dims[shape.main]
        dims = {name: shape.dims[name] for name in shape.auxiliaries}
        self.gates = nn.ModuleDict({n: nn.Linear(width + d, width) for n, d in dims.items()})
        self.values = nn.ModuleDict(
            {n: nn.Linear(d, width, bias=False) for n, d in dims.items()}
        )  # W

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        main = inputs[self.main].pooled  # Z, (B, c, d_m)
        terms = []
        for name, gate in self.gates.items():
            aux = inputs[name].pooled
            gated = torch.relu(gate(torch.cat([main, aux], dim=2)))  # g_k, (B, c, d_m)
            terms.append(gated * self.values[name](aux))
        shift = torch.stack(terms).sum(dim=0)  # H
        return FusionOutput(shift * self._scale(main, shift))

    def _scale(self, main: Tensor, shift: Tensor) -> Tensor:
        """α, (B, c, 1)."""
        lengths = [torch.linalg.vector_norm(x, dim=2, keepdim=True) for x in (main, shift)]
        return (lengths[0] / lengths[1].clamp(min=1e-6) * self.beta).clamp(max=1.0)


@register_model("mag", dataclass=MAGConfig)
class MAG(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        if cfg.mag_beta <= 0:
            raise InputError(f"--mag-beta is {cfg.mag_beta:g}, expected more than 0")
        return AdaptationGate(shape, cfg.mag_beta)
