"""DSAGCN's graph of a dialogue, whose edges know who speaks and what came first.

Shou, Meng, Ai, Yang and Li, "Conversational emotion recognition studies based on graph
convolutional neural networks and a dependent syntactic analysis" (2022).

D dialogues, U utterances, e a state's dim, h the width of layers, R relations: of the same speaker
or of another one, earlier or later. g the states of a GRU over the dialogue; α_ij attention of an
utterance i over all j that it may see, which sums to 1:

    h_i¹ = ReLU(Σ_r Σ_{j in relation r} α_ij W_r g_j + W_0 g_i)
    h_i² = ReLU(Σ_j α_ij W h_j¹ + V h_i¹)

Differs: the paper's text was not to be had. This is written from its abstract (self-attention, a
graph by speakers and by dependency parses, graph convolution), with the relational layers of
Ghosal et al., "DialogueGCN" (2019), on which it builds. The parse is left out: it joins the words
within an utterance, and an utterance comes here as one vector. So attention is over utterances, no
longer over words, and the graph has the speakers' edges only. One node an utterance, the fused
one, in place of one a modality.
"""

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.conversation import Conversation, packed, register_conversation

RELATIONS = 4


@register_conversation("dsagcn")
class DSAGCN(Conversation):
    """The GRU's states beside what two graph convolutions find."""

    def __init__(self, dim: int, hidden: int, dropout: float, *, past: bool) -> None:
        super().__init__(dim, hidden, dropout, past=past)
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=not past)
        width = hidden * (1 if past else 2)
        self.matching = nn.Linear(width, width, bias=False)
        self.related = nn.ModuleList(
            [nn.Linear(width, hidden, bias=False) for _ in range(RELATIONS)]  # W_r
        )
        self.own = nn.Linear(width, hidden)  # W_0
        self.neighbours = nn.Linear(hidden, hidden, bias=False)  # W
        self.kept = nn.Linear(hidden, hidden)  # V
        self.output_dim = width + hidden

    def forward(self, utterances: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        states = packed(self.gru, self.dropout(utterances), mask.sum(1))  # g, (D, U, e)
        edges = self._edges(states, mask)
        told = self.own(states)
        for relation, weight in zip(relations(speakers), self.related, strict=True):
            told = told + (edges * relation.to(edges.dtype)) @ weight(states)
        first = self.dropout(torch.relu(told))  # h¹, (D, U, h)
        second = torch.relu(edges @ self.neighbours(first) + self.kept(first))  # h²
        return torch.cat([states, second], dim=2)

    def _edges(self, states: Tensor, mask: Tensor) -> Tensor:
        """α, (D, U, U)."""
        scores = self.matching(states) @ states.transpose(1, 2) / states.shape[2] ** 0.5
        return scores.masked_fill(~self.sees(mask), torch.finfo(scores.dtype).min).softmax(2)


def relations(speakers: Tensor) -> list[Tensor]:
    """Which utterance (column) stands to which (row) in each relation, `RELATIONS` of (D, U, U).

    Args:
        speakers: (D, U). An utterance stands to itself as to an earlier one of its speaker.
    """
    same = speakers[:, :, None] == speakers[:, None, :]
    earlier = torch.ones_like(same[0]).tril()
    return [same & earlier, same & ~earlier, ~same & earlier, ~same & ~earlier]
