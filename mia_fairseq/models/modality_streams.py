"""The sequences of modalities as fusions of sequences read them.

B batch, T time, c channels, p width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from mia_fairseq.fusion import ModalityInput
from mia_fairseq.models.alignment import aligned
from mia_fairseq.modules.projection import Projections, present

Stream = tuple[Tensor, Tensor]  # tokens (B, c + T, p), the c summaries first, and their mask


def summary_streams(
    projections: Projections, inputs: Mapping[str, ModalityInput]
) -> dict[str, Stream]:
    """Of each modality its sequence behind its adapted rows, all projected to width p."""
    streams = {}
    for name, projection in projections.items():
        one = inputs[name]
        there = present(one.mask)[:, None].expand(-1, one.pooled.shape[1])
        mask = torch.cat([there, one.mask], dim=1)
        streams[name] = projection(torch.cat([one.pooled, one.sequence], dim=1), mask), mask
    return streams


def aligned_streams(
    streams: Mapping[str, Stream], main: str, channels: int
) -> tuple[dict[str, Tensor], Tensor]:
    """All streams at the main modality's steps, by position.

    Args:
        streams: of each modality.
        main: the modality whose steps the others take.
        channels: c, how many summaries stand in front of each stream.

    Returns:
        Of each modality (B, c + T, p), and their mask (B, c + T).
    """
    mask, tokens = streams[main][1], {main: streams[main][0]}
    for name, (vectors, inside) in streams.items():
        if name != main:
            items = aligned(vectors[:, channels:], inside[:, channels:], mask[:, channels:])
            both = torch.cat([vectors[:, :channels], items], dim=1)
            tokens[name] = both * mask[..., None].to(both.dtype)
    return tokens, mask
