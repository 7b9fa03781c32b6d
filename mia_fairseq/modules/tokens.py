"""The rows of all modalities as tokens of one width.

B batch, n modalities, c channels, d a modality's dim, p the common width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mia_fairseq.modules.positions import sinusoids
from mia_fairseq.modules.projection import Projections


class ModalityTokens(nn.Module):
    """Projects c rows of each modality to c tokens; the bias tells which modality one is of.

    Args:
        dims: d of each modality, in the order of tokens.
        width: p.
    """

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.projections = Projections(dims, width)

    def forward(
        self, rows: Mapping[str, Tensor], there: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Tokens (B, n·c, p) and their mask (B, n·c).

        Args:
            rows: (B, c, d) of each modality.
            there: (B,) of each, False where it is missing.
        """
        tokens = [_with_positions(token) for token in self.projections(rows, there).values()]
        counts = [token.shape[1] for token in tokens]
        masks = [
            there[name][:, None].expand(-1, count)
            for name, count in zip(self.projections, counts, strict=True)
        ]
        return torch.cat(tokens, dim=1), torch.cat(masks, dim=1)


def _with_positions(tokens: Tensor) -> Tensor:
    """Adds each channel's place; one channel needs none."""
    return tokens if tokens.shape[1] == 1 else tokens + sinusoids(tokens)
