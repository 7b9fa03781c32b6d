"""FAb-Net's encoder: which file its weights are in, and how they are read.

Wiles, Koepke and Zisserman, "Self-supervised learning of a facial attribute embedding from video"
(2018). B faces.
"""

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.fairseq_checkpoints import old_objects_allowed
from mia_fairseq.pretrained.model_store import fetch_url

URL = "https://www.robots.ox.ac.uk/~vgg/research/unsup_learn_watch_faces/release_bmvc_fabnet.zip"
MEMBER = "release/affectnet_4views.pth"
KEY, PART = "state_dict_model", "encoder."
SIDE, DIM = 256, 256
WIDTHS = (32, 64, 128, 256, 256, 256, 256, DIM)


class FabNetNetwork(nn.Sequential):
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


def load_fabnet(path: Path) -> FabNetNetwork:
    """Load the encoder from the authors' zip or the checkpoint file in it.

    Only tensors and plain containers are unpickled.

    Raises:
        InputError: for anything else.
    """
    encoder = FabNetNetwork()
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
        with old_objects_allowed():  # NumPy's numbers, such as the epoch's loss
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


def find_fabnet(weights: str) -> Path:
    """The file that `weights` means.

    It is the zip, the checkpoint, the one in an unpacked folder, or, when empty, the downloaded
    zip.

    Raises:
        InputError: there is none.
    """
    if not weights:
        # The authors publish no hash, so that of the first download is kept for later checks.
        return fetch_url(URL)
    given = Path(weights).expanduser()
    candidates = (given, given / MEMBER, given / Path(MEMBER).name)
    found = next((file for file in candidates if file.is_file()), None)
    if found is None:
        raise InputError(
            f"{given}: there is no FAb-Net there, expected the authors' zip, its unpacked folder "
            f"or {Path(MEMBER).name}; download {URL}"
        )
    return found
