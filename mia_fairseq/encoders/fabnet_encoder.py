"""``fabnet``: FAb-Net's encoder on the faces of keyframes, frozen or trained.

Wiles, Koepke and Zisserman, "Self-supervised learning of a facial attribute embedding from video"
(2018). The paper's Section 3.1.3 takes 256 numbers a keyframe from it. B rows, P rows that have
the modality, T keyframes, F faces.
"""

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mia_fairseq.encoders.encoder import Encoder, inside
from mia_fairseq.encoders.registry import register_encoder
from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of

if TYPE_CHECKING:
    from mia_fairseq.data.format.store import ModalitySpec

URL = "https://www.robots.ox.ac.uk/~vgg/research/unsup_learn_watch_faces/release_bmvc_fabnet.zip"
MEMBER = "release/affectnet_4views.pth"
KEY, PART = "state_dict_model", "encoder."
SIDE, DIM = 256, 256
WIDTHS = (32, 64, 128, 256, 256, 256, 256, DIM)
CHUNK = 32  # faces that go through the network at a time


class FabNetEncoder(nn.Sequential):
    """FAb-Net's encoder: RGB faces (B, 3, 256, 256) in [0, 1] to (B, 256, 1, 1).

    Eight convolutions halve the picture to one pixel; all but the first and the last are followed
    by a batch norm, all but the last by a leaky ReLU. The layers have the release's numbers.
    """

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        inputs = 3
        for number, width in enumerate(WIDTHS, start=1):
            layers.append(nn.Conv2d(inputs, width, kernel_size=4, stride=2, padding=1))
            if 1 < number < len(WIDTHS):
                layers.append(nn.BatchNorm2d(width))
            if number < len(WIDTHS):
                layers.append(nn.LeakyReLU(0.2))
            inputs = width
        super().__init__(*layers)


def load_fabnet(path: Path) -> FabNetEncoder:
    """Load the encoder from the authors' zip or the checkpoint file in it.

    Only tensors and plain containers are unpickled. Raises InputError for anything else.
    """
    encoder = FabNetEncoder()
    try:
        encoder.load_state_dict(_encoder_state(_read(path), path))
    except RuntimeError as error:
        raise InputError(
            f"{path}: its encoder does not fit FAb-Net ({' '.join(str(error).split())}), expected "
            f"{MEMBER} of the authors' release; give that file"
        ) from error
    return encoder.eval()


def _read(path: Path) -> object:
    """The checkpoint, given as it is or inside the zip; no free unpickling."""
    content: Path | io.BytesIO = path
    try:
        if zipfile.is_zipfile(path):  # PyTorch's own files are zips too
            with zipfile.ZipFile(path) as archive:
                if MEMBER in archive.namelist():
                    content = io.BytesIO(archive.read(MEMBER))
        return torch.load(content, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
    ) as error:  # what torch raises on files that are none of its own
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(
            f"{path}: cannot be read as a PyTorch checkpoint ({reason}), expected {MEMBER} of the "
            f"authors' release; download {URL} again"
        ) from error


def _encoder_state(checkpoint: object, path: Path) -> dict[str, Tensor]:
    """The encoder's tensors by the names they have within it."""
    state = checkpoint.get(KEY) if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping):
        raise InputError(
            f"{path}: has no entry {KEY!r}, expected the layout of {MEMBER} of the authors' "
            "release; give that file"
        )
    return {name.removeprefix(PART): t for name, t in state.items() if name.startswith(PART)}


@register_encoder("fabnet")
class FabNet(Encoder):
    """256 numbers on each keyframe's face.

    Layers: 0 to 7, the convolutions. The batch norms keep the release's statistics, so that a
    face's numbers never depend on the others in its batch. Gradient checkpointing recomputes
    `CHUNK` faces at a time.

    Args:
        network: FAb-Net's encoder.
    """

    kind: ClassVar[str] = "frames"
    output_dim = DIM

    def __init__(self, network: FabNetEncoder) -> None:
        super().__init__()
        self.network = network
        self.recomputes = False

    @classmethod
    def pretrained(cls, where: str) -> tuple["FabNet", str]:
        from preprocess.extractors.fabnet import find_weights

        path = find_weights(where)
        return cls(load_fabnet(path)), sha256_of(path)

    @classmethod
    def untrained(cls, architecture: Mapping[str, Any]) -> "FabNet":
        return cls(FabNetEncoder())

    def architecture(self) -> dict[str, Any]:
        return {}  # there is only one

    def check_fits(self, modality: str, spec: "ModalitySpec") -> None:
        super().check_fits(modality, spec)
        if spec.dim != SIDE:
            raise InputError(
                f"{modality} holds pictures of {spec.dim} pixels a side ({spec.extractor}), fabnet "
                f"reads {SIDE}; extract face_crops of that size"
            )

    def train(self, mode: bool = True) -> "FabNet":
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
