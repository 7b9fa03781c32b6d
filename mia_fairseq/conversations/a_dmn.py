"""A-DMN, which reads the facts of a dialogue several times.

Xing, Mai and Hu, "Adapted Dynamic Memory Network for Emotion Recognition in Conversation" (2022).

Two kinds of facts, the dialogue's and each speaker's own, are read several times by an attention
GRU, with the utterance as the question; the memory is renewed after each reading.

D dialogues, U utterances, Q questions, which are the utterances of all dialogues without padding,
d an utterance's dim, e the width of facts. Written from the paper's description: the gate has the
form of Xiong et al., "Dynamic Memory Networks" (2016), which it adapts. Differs: one modality, the
fused one, so facts are not joined over modalities.
"""

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.conversation import (
    Conversation,
    own_turns,
    packed,
    register_conversation,
)
from mia_fairseq.conversations.recurrence import (
    Cell,
    input_gates,
    kept_loops,
    step,
    weights_of,
)

PASSES = 2


class Episodes(nn.Module):
    """Reads facts `PASSES` times for each question."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(4 * width, width), nn.Tanh(), nn.Linear(width, 1))
        self.cell = nn.GRUCell(width, width)
        self.renew = nn.Linear(3 * width, width)

    def forward(self, facts: Tensor, question: Tensor, dialogue: Tensor, sees: Tensor) -> Tensor:
        """Memories (Q, e).

        Args:
            facts: (D, U, e).
            question: (Q, e), of the utterances alone, without what pads dialogues.
            dialogue: (Q,) which one each question is of.
            sees: (Q, U) which facts each question may see.
        """
        asking, place = sees.nonzero(as_tuple=True)  # (P,) all pairs of a question and a fact
        fact, asked = facts[dialogue[asking], place], question[asking]  # (P, e)
        given = input_gates(facts, weights_of(self.cell))
        memory = question
        for _ in range(PASSES):
            known = memory[asking]
            likeness = (fact * asked, fact * known, (fact - asked).abs(), (fact - known).abs())
            found = self.gate(torch.cat(likeness, dim=1)).squeeze(1)  # (P,)
            scores = found.new_full(sees.shape, torch.finfo(found.dtype).min)
            scores = scores.index_put((asking, place), found)
            weights = scores.softmax(1) * sees
            episode = read_facts(given, dialogue, weights, weights_of(self.cell))
            memory = torch.relu(self.renew(torch.cat([memory, episode, question], dim=1)))
        return memory


@kept_loops
def read_facts(given: Tensor, dialogue: Tensor, shares: Tensor, cell: Cell) -> Tensor:
    """The states (Q, e) of an attention GRU after all facts.

    Args:
        given: (D, U, 3·e) what each fact says to the gates.
        dialogue: (Q,) which one each question is of.
        shares: (Q, U) of each fact for each question; with none, a state stays.
        cell: the GRU's.
    """
    episode = given.new_zeros([shares.shape[0], given.shape[2] // 3])
    for place in range(given.shape[1]):
        after = step(given[:, place][dialogue], episode, cell)
        episode = episode + shares[:, place, None] * (after - episode)
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
        dialogue, place = mask.nonzero(as_tuple=True)  # (Q,) of each utterance
        question, sees = torch.tanh(self.question(given[dialogue, place])), self.sees(mask)
        found = [
            read(fact, question, dialogue, sees[dialogue, place])
            for read, fact in zip(self.episodes, facts, strict=True)
        ]
        memories = torch.cat(found, dim=1)  # (Q, e)
        spread = memories.new_zeros(*mask.shape, self.output_dim)
        return spread.index_put((dialogue, place), memories)  # (D, U, e)
