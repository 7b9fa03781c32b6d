"""A model of dialogues as a part of any model: rows in, rows out.

B rows, c channels, d_m the main modality's dim, k classes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.conversation import Conversation, DialogueRows
from mia_fairseq.conversations.crf import LinearChain


class DialoguePart(nn.Module):
    """What the dialogue adds to a row's fused vectors: `Conversation`'s, through a linear map.

    Args:
        conversation: reads c · d_m numbers of an utterance.
        size: c · d_m.
    """

    def __init__(self, conversation: Conversation, size: int) -> None:
        super().__init__()
        self.conversation = conversation
        self.back = nn.Linear(conversation.output_dim, size)

    def forward(self, rows: Tensor, talk: Mapping[str, Tensor] | None) -> Tensor:
        """(B, c, d_m) → (B, c, d_m)."""
        where = DialogueRows(talk or alone(rows))
        spread = where.spread(rows.flatten(1))  # (D, U, c·d_m)
        states = self.conversation(spread, where.mask, where.speakers)
        added: Tensor = self.back(where.gather(states)).view_as(rows)
        return added


class ChainPart(nn.Module):
    """`LinearChain` over the rows of a batch."""

    def __init__(self, classes: int, *, past: bool) -> None:
        super().__init__()
        self.chain = LinearChain(classes, past=past)

    def forward(self, logits: Tensor, talk: Mapping[str, Tensor] | None) -> Tensor:
        """(B, k) logits → (B, k) logarithmic marginals."""
        where = DialogueRows(talk or alone(logits))
        return where.gather(self.chain(where.spread(logits), where.mask))


def alone(rows: Tensor) -> dict[str, Tensor]:
    """Each row a dialogue by itself."""
    number = torch.arange(rows.shape[0], device=rows.device)
    return {"dialogue": number, "speaker": torch.zeros_like(number)}
