"""Training for missing modalities: whole modalities are taken away, row by row.

B batch.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mia_fairseq.errors import InputError


class ModalityDropout(nn.Module):
    """Sets lengths to 0 in training: of each auxiliary, and of the main modality, by chance.

    The main modality has a probability of its own, by default 0: the others improve it (Eq. 11),
    and most of what a model knows hangs on it. A row that would lose all it has loses nothing. A
    linear copy goes with its source, of which it is made. The draws come from torch's generator,
    which fairseq seeds at each update, so a resumed run draws the same.

    Args:
        main: the main modality.
        probability: of each auxiliary, from 0 to below 1.
        main_probability: of the main modality, from 0 to below 1.
    """

    def __init__(self, main: str, probability: float, main_probability: float = 0.0) -> None:
        super().__init__()
        for flag, value in (
            ("--modality-dropout", probability),
            ("--main-dropout", main_probability),
        ):
            if not 0 <= value < 1:
                raise InputError(f"{flag} is {value:g}, expected a probability from 0 to below 1")
        self.main, self.probability, self.main_probability = main, probability, main_probability

    def forward(self, lengths: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B,) of each modality → the same, with zeros where a modality is taken away."""
        active = self.training and (self.probability or self.main_probability)
        if not active or len(lengths) == 1:
            return dict(lengths)
        given = torch.stack(list(lengths.values()))  # (modalities, B)
        chances = [self.main_probability if n == self.main else self.probability for n in lengths]
        threshold = torch.tensor(chances, device=given.device)[:, None]
        kept = torch.rand(given.shape, device=given.device) >= threshold
        kept |= ~(kept & (given > 0)).any(dim=0)  # never all at once
        return dict(zip(lengths, given * kept, strict=True))
