"""All encoders of a model: which reads what of a batch, each input encoded once.

B batch, T time, d the encoder's output dim.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mia_fairseq.encoders.encoder import Encoder, inside
from mia_fairseq.encoders.feature_encoder import FeatureEncoder
from mia_fairseq.encoders.linear_copy import EncodedCopy, LinearCopyEncoder
from mia_fairseq.fusion import FusionShape
from mia_fairseq.modules.float32_attention import Float32Attention
from mia_fairseq.modules.positions import up_to


class Encoded(NamedTuple):
    """A modality's sequence."""

    sequence: Tensor  # (B, T, d), zeros behind each end
    lengths: Tensor  # (B,)


class ModalityEncoders(nn.ModuleDict):
    """The encoders by modality.

    Features are normalised, and so are contexts of features, each by its own statistics. A context
    of tokens is read by the encoder of the tokens themselves. A linear copy maps features after a
    normalisation of its own, or what the encoder of its source gives.

    Args:
        shape: the modalities.
        pretrained: the encoders of those that are no features.

    Attributes:
        widest: the largest dim of a pretrained one; 0 where there is none.
    """

    def __init__(self, shape: FusionShape, pretrained: Mapping[str, Encoder]) -> None:
        modules: dict[str, nn.Module] = {}
        for name in (shape.main, *shape.auxiliaries):
            owner = shape.encoded_by(name)
            if owner in pretrained:
                modules[owner] = pretrained[owner]
                if name in shape.copies:
                    modules[name] = EncodedCopy(shape.dims[name])
            elif name in shape.copies:
                modules[name] = LinearCopyEncoder(shape.dims[name])
            else:
                modules[name] = FeatureEncoder(shape.dims[name])
        super().__init__(modules)
        self.shape = shape
        self.widest = max((shape.dims[name] for name in modules if name in pretrained), default=0)

    def forward(
        self,
        features: Mapping[str, Tensor],
        lengths: Mapping[str, Tensor],
        own: Mapping[str, Tensor] | None = None,
        windows: Mapping[str, Mapping[str, Tensor]] | None = None,
    ) -> dict[str, Encoded]:
        """The sequence of each modality in use, the main one first.

        Args:
            features: what the batch holds of each input, (B, T, ...).
            lengths: (B,) of each; 0 where it is missing.
            own: (B, 2) of those that are read among neighbours, see `own_part`.
            windows: of those that are read in whole dialogues, whose features are (W, T): ``own``
                (B, 3), ``lengths`` (W,), and ``turns`` (W, T) where nothing later is read.
        """
        states: dict[str, Encoded] = {}
        found = {}
        for name in (self.shape.main, *self.shape.auxiliaries):
            held, owner = self.shape.source(name), self.shape.encoded_by(name)
            given, length = features[held], lengths[held]
            if name in self and isinstance(self[name], FeatureEncoder):
                found[name] = Encoded(self[name](given, length), length)
                continue
            if held not in states and windows and held in windows:
                window = windows[held]
                with Float32Attention():
                    read = self[owner](given, window["lengths"], window.get("turns"))  # (W, T, d)
                states[held] = own_windows(read, window["own"], length)
            elif held not in states:
                read = Encoded(self[owner](given, length), length)
                states[held] = own_part(read, own[held]) if own and held in own else read
            sequence, length = states[held]
            if name in self.shape.copies:
                sequence = self[name](sequence, length)
            found[name] = Encoded(sequence, length)
        return found


def own_part(read: Encoded, own: Tensor) -> Encoded:
    """Of rows that were read among their neighbours, the vectors of their own items.

    Args:
        read: the vectors of all items, (B, T, d).
        own: (B, 2) the place of the row's second item, and how many items are its own; the first
            one, the start symbol, is the sequence's.

    Returns:
        (B, T', d) with T' the longest own row, zeros behind each end.
    """
    start, count = own.unbind(1)
    lengths = torch.where(read.lengths > 0, count, 0)  # none where the modality was taken away
    steps = up_to(lengths.max().clamp(min=1))
    places = (start[:, None] + steps - 1).clamp(0, read.sequence.shape[1] - 1)
    places[:, 0] = 0
    index = places[..., None].expand(-1, -1, read.sequence.shape[2])
    sequence = read.sequence.gather(1, index)  # (B, T', d)
    kept = inside(lengths, steps.shape[0])[..., None].to(sequence.dtype)
    return Encoded(sequence * kept, lengths)


def own_windows(read: Tensor, own: Tensor, lengths: Tensor) -> Encoded:
    """Of dialogues that were read at once, the vectors of each row's own items.

    Args:
        read: the vectors of all windows' items, (W, T, d).
        own: (B, 3) the window of each row, where its own items begin, and how many they are.
        lengths: (B,) the same number, or 0 where the modality was taken away.

    Returns:
        (B, T', d) with T' the longest own row, zeros behind each end.
    """
    window, start, _ = own.unbind(1)
    steps = up_to(lengths.max().clamp(min=1))
    places = (start[:, None] + steps).clamp(max=read.shape[1] - 1)
    sequence = read[window[:, None], places]  # (B, T', d)
    kept = inside(lengths, steps.shape[0])[..., None].to(sequence.dtype)
    return Encoded(sequence * kept, lengths)
