"""A model of dialogues as a part of any model: rows in, rows out.

B rows, c channels, d_m the main modality's dim, k classes.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.conversation import (
    Conversation,
    DialogueRows,
    build_conversation,
)
from mia_fairseq.conversations.crf import LinearChain
from mia_fairseq.errors import InputError
from mia_fairseq.fusion import FusionShape


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


def dialogue_parts(
    shape: FusionShape, outputs: int, cfg: Any
) -> tuple[DialoguePart | None, ChainPart | None]:
    """What ``--conversation`` and ``--crf`` add to a model; None where they are not given.

    Args:
        shape: of the fusion's output.
        outputs: k.
        cfg: the model's settings.

    Raises:
        InputError: there is no such model of dialogues, or a chain of scores is asked for.
    """
    name, dialogue, chain = getattr(cfg, "conversation", ""), None, None
    if name:
        size = shape.channels * shape.dims[shape.main]
        talks = build_conversation(name, size, cfg.conversation_dim, cfg.dropout, past=shape.past)
        dialogue = DialoguePart(talks, size)
    if getattr(cfg, "crf", False):
        if outputs == 1:
            raise InputError("--crf is a chain of classes, and the labels are scores; leave it out")
        chain = ChainPart(outputs, past=shape.past)
    return dialogue, chain
