"""Training for missing modalities: auxiliaries are taken away row by row.

B batch.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mia_fairseq.errors import InputError


class ModalityDropout(nn.Module):
    """Sets the length of auxiliaries to 0, each in each row with one probability, in training.

    The main modality is never taken: the others improve it (Eq. 11), and without it nothing
    stands. Where a row has no main modality and all its auxiliaries would go, it keeps them. A
    linear copy goes with its source, of which it is made. The draws come from torch's generator.

    Args:
        probability: from 0 to below 1; 0 draws nothing.
        main: the main modality.
    """

    def __init__(self, probability: float, main: str) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise InputError(
                f"--modality-dropout is {probability:g}, expected a probability from 0 to below 1"
            )
        self.probability, self.main = probability, main

    def forward(self, lengths: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B,) of each modality → the same, with zeros where an auxiliary is taken away."""
        names = [name for name in lengths if name != self.main]
        if not (self.training and self.probability and names):
            return dict(lengths)
        given = torch.stack([lengths[name] for name in names])  # (auxiliaries, B)
        kept = torch.rand(given.shape, device=given.device) >= self.probability
        something = (lengths[self.main] > 0) | (kept & (given > 0)).any(dim=0)  # (B,)
        kept |= ~something
        return {**lengths, **dict(zip(names, given * kept, strict=True))}
