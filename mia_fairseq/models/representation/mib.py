"""Multimodal Information Bottleneck: of the inputs only what tells the label is let through.

Mai, Zeng and Hu, Multimodal information bottleneck: Learning minimal sufficient unimodal and
multimodal representations, IEEE TMM 2022 (the paper's ref. [48]; arXiv 2210.17444), Sec. III. A
bottleneck of x:

    μ, σ = linear maps of ReLU(E x),  z = μ + σ ⊙ ε,  ε ~ N(0, I)        ε = 0 in evaluation
    L_IB = loss(D z, y) + β KL(N(μ, σ²) ‖ N(0, I)),  KL = ½ mean(μ² + σ² − log σ² − 1)

Early (E-MIB): one bottleneck of all modalities side by side. Late (L-MIB): one a modality, whose z
are fused. Complete (C-MIB): both, one of each modality's and one of what they make together.

    M_fused = V [z of the last bottleneck or bottlenecks] + v,  penalty = b · sum of L_IB

Different here: fusion of the z is by concatenation, of which theirs is one choice; the prediction
also sees the main modality itself (Eq. 11), past the bottleneck; labels take part in training
alone. Rows of a missing modality pass no bottleneck of it.

B batch, c channels, d an input's dim, p width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mia_fairseq.fairseq_bases import ChoiceEnum, register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput, Taught
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import WidthConfig, at_least, check_width, rows_there, used
from mia_fairseq.modules.label_losses import label_losses

PLACES = ChoiceEnum(["complete", "early", "late"])


@dataclass
class MIBConfig(WidthConfig):
    """Settings of mib."""

    mib_place: PLACES = field(  # type: ignore[valid-type]
        default="complete",
        metadata={"help": "where bottlenecks are: early, late or complete, which is both"},
    )
    mib_beta: float = setting(1e-3, "β, weight of the KL in a bottleneck")
    mib_weight: float = setting(1.0, "b, weight of the bottlenecks; --gamma weighs it once more")


def divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, I)) a dimension: the mean over all dimensions and rows."""
    variance = deviation.square()
    return 0.5 * (mean.square() + variance - variance.log() - 1).mean()


class Bottleneck(nn.Module):
    """From x (B, c, d) to z (B, c, p), and back to the label."""

    def __init__(self, dim: int, width: int, channels: int, outputs: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(dim, width)  # E
        self.mean, self.deviation = nn.Linear(width, width), nn.Linear(width, width)
        self.decoder = nn.Linear(channels * width, outputs)  # D

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z, μ and σ."""
        hidden = torch.relu(self.encoder(x))
        mean = self.mean(hidden)
        deviation = F.softplus(self.deviation(hidden) - 5).clamp(min=1e-6)  # narrow at the start
        noise = torch.randn_like(deviation) if self.training else torch.zeros_like(deviation)
        return mean + deviation * noise, mean, deviation


class BottleneckFusion(Fusion):
    """Bottlenecks, early, late or both, through one linear map.

    Args:
        shape: the modalities and the label.
        width: p.
        place: ``early``, ``late`` or ``complete``.
        beta: β.
        weight: b.
    """

    asks_for_labels: ClassVar[bool] = True
    penalizes_rows: ClassVar[bool] = True

    def __init__(
        self, shape: FusionShape, width: int, *, place: str, beta: float, weight: float
    ) -> None:
        super().__init__()
        dims, self.kind, self.beta, self.weight = used(shape), shape.label.kind, beta, weight
        size = {"width": width, "channels": shape.channels, "outputs": shape.label.outputs}
        self.names = tuple(dims)
        single = {} if place == "early" else {n: Bottleneck(dim, **size) for n, dim in dims.items()}
        self.single = nn.ModuleDict(single)
        given = len(dims) * width if single else sum(dims.values())
        self.joint = None if place == "late" else Bottleneck(given, **size)
        last = given if self.joint is None else width
        self.output = nn.Linear(last, shape.dims[shape.main])  # V, v

    def forward(
        self, inputs: Mapping[str, ModalityInput], taught: Taught | None = None
    ) -> FusionOutput:
        rows, there = rows_there(inputs)
        losses = []
        blocks = {name: rows[name] for name in self.names}
        for name, bottleneck in self.single.items():
            one = cast(Bottleneck, bottleneck)
            blocks[name], loss = self._pass(one, rows[name], there[name], taught)
            losses.append(loss)
        passed = torch.cat(list(blocks.values()), dim=2)
        if self.joint is not None:
            some = torch.stack([there[name] for name in self.names]).any(dim=0)
            passed, loss = self._pass(self.joint, passed, some, taught)
            losses.append(loss)
        return FusionOutput(self.output(passed), self.weight * torch.stack(losses).sum())

    def _pass(
        self, bottleneck: Bottleneck, x: Tensor, there: Tensor, taught: Taught | None
    ) -> tuple[Tensor, Tensor]:
        """z (B, c, p), zeros in rows without it, and L_IB of the others; 0 for none."""
        z, mean, deviation = bottleneck(x)
        if not there.any():
            return z * 0, z.new_zeros(())
        loss = self.beta * divergence(mean[there], deviation[there])
        if taught is not None:
            predicted = bottleneck.decoder(z[there].flatten(1))
            loss = loss + label_losses(self.kind, predicted, taught.labels[there]).mean()
        return z * there[:, None, None].to(z.dtype), loss


@register_model("mib", dataclass=MIBConfig)
class MIB(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        beta, weight = at_least(0, cfg, "mib_beta", "mib_weight")
        place = str(cfg.mib_place)
        return BottleneckFusion(shape, check_width(cfg), place=place, beta=beta, weight=weight)
