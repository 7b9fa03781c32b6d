"""MM-DFN, gated layers of a graph over the dialogue.

Hu et al., "MM-DFN: Multimodal Dynamic Fusion Network for Emotion Recognition in Conversations"
(2022).

A graph over the dialogue's utterances, weighted by the angles between them; at each layer a gated
memory carries over what was found, as an LSTM's cell does. N layers, H⁰ the states of a GRU with
speaker embeddings. Differs: one node an utterance, the fused one, in place of one a modality.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mia_fairseq.conversations.conversation import Conversation, packed, register_conversation

SPEAKERS = 9  # told apart; further ones share the last number
LAYERS = 4
ALPHA, RHO = 0.1, 0.5  # of GCNII (Chen et al., 2020), which the layers are


@register_conversation("mm_dfn")
class MMDFN(Conversation):
    """The GRU's states beside the memory of the last layer."""

    def __init__(self, dim: int, hidden: int, dropout: float, *, past: bool) -> None:
        super().__init__(dim, hidden, dropout, past=past)
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=not past)
        width = hidden * (1 if past else 2)
        self.speaker = nn.Embedding(SPEAKERS, width)
        self.layers = nn.ModuleList(
            [nn.Linear(width, width, bias=False) for _ in range(LAYERS)]  # W
        )
        self.cell = nn.LSTMCell(width, width)  # gates of update, forgetting and output
        self.output_dim = 2 * width

    def forward(self, utterances: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        states = packed(self.gru, self.dropout(utterances), mask.sum(1))
        first = states + self.speaker(speakers.clamp(max=SPEAKERS - 1))  # H⁰, (D, U, e)
        edges = self._edges(first, mask)
        found, shape = first, first.shape
        memory = (torch.zeros_like(first).flatten(0, 1), torch.zeros_like(first).flatten(0, 1))
        for number, layer in enumerate(self.layers, start=1):
            beta = math.log(RHO / number + 1)
            mixed = (1 - ALPHA) * edges @ found + ALPHA * first
            found = torch.relu((1 - beta) * mixed + beta * layer(mixed))
            memory = self.cell(self.dropout(found).flatten(0, 1), memory)
            found = found + memory[0].view(shape)
        return torch.cat([states, memory[0].view(shape)], dim=2)

    def _edges(self, nodes: Tensor, mask: Tensor) -> Tensor:
        """(D, U, U) weights 1 − angle / π, each row's summing to 1 over what it may see."""
        unit = F.normalize(nodes, dim=2)
        angle = (unit @ unit.transpose(1, 2)).clamp(-0.99999, 0.99999).acos()
        weights = (1 - angle / math.pi) * self.sees(mask).to(nodes.dtype)
        return weights / weights.sum(dim=2, keepdim=True).clamp(min=1e-6)
