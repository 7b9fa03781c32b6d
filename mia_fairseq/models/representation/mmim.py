"""MMIM-style fusion: concatenation that keeps mutual information with every modality.

Han, Chen and Poria, Improving multimodal fusion with hierarchical mutual information maximization
for multimodal sentiment analysis, EMNLP 2021. With x_m the projected rows of modality m:

    Z = ReLU(V₁ [x_main : x_1 : … : x_N] + v₁),  M_fused = V₂ Z + v₂
    penalty = i L_input + f L_fusion
    L_fusion = mean over m of InfoNCE(Z → x_m)            their Eq. 8-10: G_m(Z) is to find its x_m
    L_input = mean over auxiliaries a of InfoNCE(x_main → x_a)

log N minus an InfoNCE over N rows is a lower bound of the mutual information.

Different here: between inputs they take Barber and Agakov's bound, whose entropy term needs the
labels, a memory of earlier batches and a training stage of its own before each step. None of that
fits one loss a batch, and its likelihood alone can be driven up by shrinking x_a, so InfoNCE
stands in for it. Rows of a missing modality take part in no bound. The criterion multiplies the
penalty by --gamma once more; it grows with the batch's size, up to log N each, and is 0 for a batch
of one row. So it is of training alone, and the validation loss is 1 - γ times the task's.

B batch, N rows of a bound, c channels, p width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import WidthConfig, at_least, check_width, rows_there, used
from mia_fairseq.models.representation.representation_losses import info_nce
from mia_fairseq.modules.projection import Projections


@dataclass
class MMIMConfig(WidthConfig):
    """Settings of mmim."""

    mmim_input: float = setting(
        0.1, "i, weight of the bound between inputs; --gamma weighs it once more"
    )
    mmim_fusion: float = setting(
        0.1, "f, weight of the bound between fusion and inputs; --gamma weighs it once more"
    )


class MMIMFusion(Fusion):
    """Concatenation, and predictors that look back from it at each modality.

    Args:
        shape: the modalities.
        width: p.
        weights: of the bound between inputs, and of that between fusion and inputs.
    """

    penalizes_rows: ClassVar[bool] = True

    def __init__(self, shape: FusionShape, width: int, weights: tuple[float, float]) -> None:
        super().__init__()
        dims = used(shape)
        self.main, self.weights = shape.main, weights
        self.projections = Projections(dims, width)
        self.joint = nn.Linear(len(dims) * width, width)  # V₁, v₁
        self.output = nn.Linear(width, shape.dims[shape.main])  # V₂, v₂
        self.back = nn.ModuleDict({name: nn.Linear(width, width) for name in dims})  # G
        self.across = nn.ModuleDict({name: nn.Linear(width, width) for name in shape.auxiliaries})

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        rows, there = rows_there(inputs)
        x = self.projections(rows, there)
        joint = torch.relu(self.joint(torch.cat(list(x.values()), dim=2)))  # Z, (B, c, p)
        return FusionOutput(self.output(joint), self.penalty(x, there, joint))

    def penalty(
        self, x: Mapping[str, Tensor], there: Mapping[str, Tensor], joint: Tensor
    ) -> Tensor:
        """i L_input + f L_fusion; a scalar."""
        between = [
            _bound(guess(x[self.main]), x[name], there[self.main] & there[name])
            for name, guess in self.across.items()
        ]
        upward = [_bound(guess(joint), x[name], there[name]) for name, guess in self.back.items()]
        losses = torch.stack(between).mean(), torch.stack(upward).mean()
        return self.weights[0] * losses[0] + self.weights[1] * losses[1]


def _bound(question: Tensor, answer: Tensor, kept: Tensor) -> Tensor:
    """InfoNCE over the rows that have both, a row's channels side by side; 0 for no rows."""
    if not kept.any():
        return question.new_zeros(())
    return info_nce(question[kept].flatten(1), answer[kept].flatten(1))


@register_model("mmim", dataclass=MMIMConfig)
class MMIM(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        input_weight, fusion_weight = at_least(0, cfg, "mmim_input", "mmim_fusion")
        return MMIMFusion(shape, check_width(cfg), (input_weight, fusion_weight))
