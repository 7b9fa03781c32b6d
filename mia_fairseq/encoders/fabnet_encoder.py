"""``fabnet``: FAb-Net's encoder on the faces of keyframes, frozen or trained.

Wiles, Koepke and Zisserman, "Self-supervised learning of a facial attribute embedding from video"
(2018). The paper's Section 3.1.3 takes 256 numbers a keyframe from it. B rows, P rows that have
the modality, T keyframes, F faces.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mia_fairseq.encoders.encoder import Encoder, inside
from mia_fairseq.encoders.registry import register_encoder
from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained.fabnet_network import (
    DIM,
    SIDE,
    FabNetNetwork,
    find_fabnet,
    load_fabnet,
)

if TYPE_CHECKING:
    from mia_fairseq.data.format.modality_spec import ModalitySpec

CHUNK = 32  # faces that go through the network at a time


@register_encoder("fabnet")
class FabNetEncoder(Encoder):
    """256 numbers on each keyframe's face.

    Layers: 0 to 7, the convolutions. The batch norms keep the release's statistics, so that a
    face's numbers never depend on the others in its batch. Gradient checkpointing recomputes
    `CHUNK` faces at a time.

    Args:
        network: FAb-Net's encoder.
    """

    kind: ClassVar[str] = "frames"
    output_dim = DIM

    def __init__(self, network: FabNetNetwork) -> None:
        super().__init__()
        self.network = network
        self.recomputes = False

    @classmethod
    def pretrained(cls, where: str) -> tuple["FabNetEncoder", str]:
        path = find_fabnet(where)
        return cls(load_fabnet(path)), sha256_of(path)

    @classmethod
    def untrained(cls, architecture: Mapping[str, Any]) -> "FabNetEncoder":
        return cls(FabNetNetwork())

    def architecture(self) -> dict[str, Any]:
        return {}  # there is only one

    def check_fits(self, modality: str, spec: "ModalitySpec") -> None:
        super().check_fits(modality, spec)
        if spec.dim != SIDE:
            raise InputError(
                f"{modality} holds pictures of {spec.dim} pixels a side ({spec.extractor}), fabnet "
                f"reads {SIDE}; extract face_crops of that size"
            )

    def train(self, mode: bool = True) -> "FabNetEncoder":
        super().train(mode)
        for module in self.network:
            if isinstance(module, nn.BatchNorm2d):
                module.train(False)
        return self

    def encode(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        within = inside(lengths, inputs.shape[1])  # (P, T)
        faces = inputs[within].permute(0, 3, 1, 2)  # (F, 3, side, side)
        vectors = torch.cat([self._vectors(part) for part in faces.split(CHUNK)])  # (F, d)
        states = vectors.new_zeros(*within.shape, DIM)
        return states.masked_scatter(within[..., None], vectors)

    def _vectors(self, faces: Tensor) -> Tensor:
        pixels = faces.to(next(self.network.parameters()).dtype) / 255  # in [0, 1]
        if self.recomputes and self.training and torch.is_grad_enabled():
            states: Tensor = checkpoint(self.network, pixels, use_reentrant=False)
        else:
            states = self.network(pixels)
        return states.flatten(1)  # (F, d)

    def checkpoint_gradients(self) -> None:
        self.recomputes = True

    def layers(self) -> list[nn.Module]:
        stages: list[list[nn.Module]] = []
        for module in self.network:
            if isinstance(module, nn.Conv2d):
                stages.append([])
            stages[-1].append(module)
        return [nn.ModuleList(stage) for stage in stages]
