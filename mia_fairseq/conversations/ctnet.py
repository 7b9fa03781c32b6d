"""CTNet's dialogue part.

Lian, Liu and Tao, "CTNet: Conversational Transformer Network for Emotion Recognition" (2021).

A bidirectional GRU over the dialogue with speaker embeddings, then attention of several heads over
its states. Differs: its cross-modal transformer is left to the fusion before it, and speakers are
numbered within the dialogue, so that nothing rests on knowing the cast.
"""

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.conversation import Conversation, packed, register_conversation

SPEAKERS = 9  # told apart; further ones share the last number
HEADS = 4


@register_conversation("ctnet")
class CTNet(Conversation):
    """The GRU's states beside what attention finds in the dialogue."""

    def __init__(self, dim: int, hidden: int, dropout: float, *, past: bool) -> None:
        super().__init__(dim, hidden, dropout, past=past)
        self.speaker = nn.Embedding(SPEAKERS, dim)
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=not past)
        width = hidden * (1 if past else 2)
        heads = next(count for count in range(HEADS, 0, -1) if width % count == 0)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.output_dim = 2 * width

    def forward(self, utterances: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        spoken = utterances + self.speaker(speakers.clamp(max=SPEAKERS - 1))
        states = packed(self.gru, self.dropout(spoken), mask.sum(1))  # (D, U, e/2)
        hidden = (~self.sees(mask)).repeat_interleave(self.attention.num_heads, dim=0)
        found, _ = self.attention(states, states, states, attn_mask=hidden, need_weights=False)
        return torch.cat([states, self.norm(states + found)], dim=2)
