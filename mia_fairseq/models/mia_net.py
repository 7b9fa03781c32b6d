"""MIA-Net: one MIA module for each auxiliary modality, stacked (Sec. 3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn

from mia_fairseq.fairseq_bases import ChoiceEnum, register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel, AffectModelConfig
from mia_fairseq.modules.mia import MIAModule

KERNEL_INITS = ChoiceEnum(["identity", "scaled", "random"])
KERNEL_FORMS = ChoiceEnum(["free", "psd"])


@dataclass
class MIANetConfig(AffectModelConfig):
    """Settings of MIA-Net; where the paper is silent the help says so."""

    gate_kernel: int = field(
        default=1, metadata={"help": "width of the gate's convolution K1, Eq. 6; open in the paper"}
    )
    fuse_kernel: int = field(
        default=3, metadata={"help": "width of the fusing convolution K2, Eq. 8; open in the paper"}
    )
    kernel_init: KERNEL_INITS = field(  # type: ignore[valid-type]
        default="identity",
        metadata={"help": "start of W: identity, identity / sqrt(c), or random; open in the paper"},
    )
    kernel_scale: float = field(
        default=1.0,
        metadata={
            "help": "factor on the start of W; near 0 the attention starts as a plain mean, which "
            "many channels need; ours, open in the paper"
        },
    )
    kernel_form: KERNEL_FORMS = field(  # type: ignore[valid-type]
        default="free",
        metadata={"help": "W free, as in the paper, or psd: W = L L^T with L learnt; ours"},
    )
    fusion_scale_init: float = field(
        default=1.0,
        metadata={
            "help": "start of the last batch norm's scale, Eq. 8: 1 as usual; 0 lets the "
            "auxiliaries start as nothing, for a strong main modality"
        },
    )


class MIAFusion(Fusion):
    """f_MIAs of Eq. 11: M¹ goes through one MIA module an auxiliary, in their order.

    Args:
        shape: the modalities; the order of auxiliaries is the order of modules.
        gate_kernel: as in `MIAModule`.
        fuse_kernel: as in `MIAModule`.
        kernel_init: as in `MIAModule`.
        kernel_scale: as in `MIAModule`.
        kernel_form: as in `MIAModule`.
        scale_init: the start of the last module's batch norm scale.
    """

    def __init__(
        self,
        shape: FusionShape,
        *,
        gate_kernel: int,
        fuse_kernel: int,
        kernel_init: Any,
        scale_init: float,
        kernel_scale: float = 1.0,
        kernel_form: Any = "free",
    ) -> None:
        super().__init__()
        self.main = shape.main
        last = shape.auxiliaries[-1]
        self.stack = nn.ModuleDict(
            {
                name: MIAModule(
                    shape.channels,
                    gate_kernel,
                    fuse_kernel,
                    kernel_init=kernel_init,
                    kernel_scale=kernel_scale,
                    kernel_form=kernel_form,
                    scale_init=scale_init if name == last else 1.0,
                )
                for name in shape.auxiliaries
            }
        )

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        main = inputs[self.main].pooled  # M¹, (B, c, d_m)
        for name, module in self.stack.items():
            main = module(main, inputs[name].pooled)  # M^{n+1}
        terms = [cast(MIAModule, module).penalty() for module in self.stack.values()]
        return FusionOutput(main, torch.stack(terms).sum())  # M_MIAs and L_KRL, Eq. 10


@register_model("mia_net", dataclass=MIANetConfig)
class MIANet(AffectModel):
    """The paper's model."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        return MIAFusion(
            shape,
            gate_kernel=cfg.gate_kernel,
            fuse_kernel=cfg.fuse_kernel,
            kernel_init=str(cfg.kernel_init),
            kernel_scale=cfg.kernel_scale,
            kernel_form=str(cfg.kernel_form),
            scale_init=cfg.fusion_scale_init,
        )
