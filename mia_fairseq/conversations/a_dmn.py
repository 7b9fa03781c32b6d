"""A-DMN, which reads the facts of a dialogue several times.

Xing, Mai and Hu, "Adapted Dynamic Memory Network for Emotion Recognition in Conversation" (2022).

Two kinds of facts, the dialogue's and each speaker's own, are read several times by an attention
GRU, with the utterance as the question; the memory is renewed after each reading.

D dialogues, U utterances, d an utterance's dim, e the width of facts. Written from the paper's
description: the gate has the form of Xiong et al., "Dynamic Memory Networks" (2016), which it
adapts. Differs: one modality, the fused one, so facts are not joined over modalities.
"""

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.conversation import (
    Conversation,
    own_turns,
    packed,
    register_conversation,
)
from mia_fairseq.conversations.recurrence import Cell, kept_loops, step, weights_of

PASSES = 2


class Episodes(nn.Module):
    """Reads facts `PASSES` times for each question."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(4 * width, width), nn.Tanh(), nn.Linear(width, 1))
        self.cell = nn.GRUCell(width, width)
        self.renew = nn.Linear(3 * width, width)

    def forward(self, facts: Tensor, question: Tensor, sees: Tensor) -> Tensor:
        """(D, U, e) facts, (D, U, e) questions and (D, U, U) what each may see → memories."""
        memory = question
        shown = facts[:, None].expand(-1, question.shape[1], -1, -1)  # (D, U, V, e)
        for _ in range(PASSES):
            asked, known = question[:, :, None], memory[:, :, None]
            likeness = (shown * asked, shown * known, (shown - asked).abs(), (shown - known).abs())
            scores = self.gate(torch.cat(likeness, dim=3)).squeeze(3)  # (D, U, V)
            weights = scores.masked_fill(~sees, torch.finfo(scores.dtype).min).softmax(2)
            episode = read_facts(facts, weights * sees, weights_of(self.cell))  # (D·U, e)
            whole = torch.cat([memory, episode.view_as(question), question], dim=2)
            memory = torch.relu(self.renew(whole))
        return memory


@kept_loops
def read_facts(facts: Tensor, shares: Tensor, cell: Cell) -> Tensor:
    """Facts (D, U, e), each by its share for each question (D, U, U) → the last states (D·U, e)."""
    episode = torch.zeros_like(facts).flatten(0, 1)
    for place in range(facts.shape[1]):
        fact = facts[:, place].repeat_interleave(shares.shape[1], dim=0)
        share = shares[:, :, place].flatten()[:, None]
        episode = share * step(fact, episode, cell) + (1 - share) * episode
    return episode


@register_conversation("a_dmn")
class ADMN(Conversation):
    """Memories of the dialogue and of the speaker's own turns, side by side."""

    def __init__(self, dim: int, hidden: int, dropout: float, *, past: bool) -> None:
        super().__init__(dim, hidden, dropout, past=past)
        shared = {"batch_first": True, "bidirectional": not past}
        self.dialogue = nn.LSTM(dim, hidden, **shared)
        self.speaker = nn.LSTM(dim, hidden, **shared)
        width = hidden * (1 if past else 2)
        self.question = nn.Linear(dim, width)
        self.episodes = nn.ModuleList([Episodes(width), Episodes(width)])
        self.output_dim = 2 * width

    def forward(self, utterances: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        given = self.dropout(utterances)
        facts = (
            packed(self.dialogue, given, mask.sum(1)),
            own_turns(self.speaker, given, mask, speakers),
        )
        question, sees = torch.tanh(self.question(given)), self.sees(mask)
        found = [
            read(fact, question, sees) for read, fact in zip(self.episodes, facts, strict=True)
        ]
        return torch.cat(found, dim=2)  # (D, U, e)
