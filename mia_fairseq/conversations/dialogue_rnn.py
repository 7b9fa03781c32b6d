"""DialogueRNN, with the attention over emotion states that its BiDialogueRNN+Att has.

Majumder et al., "DialogueRNN: An Attentive RNN for Emotion Detection in Conversations" (2019).

D dialogues, U utterances, S speakers, d an utterance's dim, e the width of all states.
Differs: listeners keep their state (the paper's simpler variant), and all states have one width.
"""

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.conversation import Conversation, register_conversation


class Recurrence(nn.Module):
    """Global, party and emotion states, in one direction."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.global_cell = nn.GRUCell(dim + hidden, hidden)
        self.party_cell = nn.GRUCell(dim + hidden, hidden)
        self.emotion_cell = nn.GRUCell(hidden, hidden)
        self.attention = nn.Linear(dim, hidden, bias=False)  # W_α

    def forward(self, utterances: Tensor, speakers: Tensor) -> Tensor:
        """(D, U, d) → emotion states (D, U, e)."""
        dialogues, rows = len(utterances), torch.arange(len(utterances))
        zeros = utterances.new_zeros(dialogues, self.hidden)
        party = utterances.new_zeros(dialogues, int(speakers.max()) + 1, self.hidden)
        world, emotion = zeros, zeros
        worlds: list[Tensor] = []
        emotions: list[Tensor] = []
        for step in range(utterances.shape[1]):
            said, who = utterances[:, step], speakers[:, step]
            state = party[rows, who]  # q of who speaks, before
            context = zeros
            if worlds:
                before = torch.stack(worlds, dim=1)  # (D, t - 1, e)
                weights = torch.einsum("de,dte->dt", self.attention(said), before).softmax(1)
                context = torch.einsum("dt,dte->de", weights, before)  # c_t
            world = self.global_cell(torch.cat([said, state], 1), world)  # g_t
            state = self.party_cell(torch.cat([said, context], 1), state)  # q_{s,t}
            party = party.index_put((rows, who), state)
            emotion = self.emotion_cell(state, emotion)  # e_t
            worlds.append(world)
            emotions.append(emotion)
        return torch.stack(emotions, dim=1)


@register_conversation("dialogue_rnn")
class DialogueRNN(Conversation):
    """Forwards and, unless `past`, backwards; then attention over the dialogue's states."""

    def __init__(self, dim: int, hidden: int, dropout: float, *, past: bool) -> None:
        super().__init__(dim, hidden, dropout, past=past)
        self.forwards = Recurrence(dim, hidden)
        self.backwards = None if past else Recurrence(dim, hidden)
        self.output_dim = hidden * (1 if past else 2)
        self.matching = nn.Linear(self.output_dim, self.output_dim, bias=False)  # W_β

    def forward(self, utterances: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        given = self.dropout(utterances)
        states = self.forwards(given, speakers)
        if self.backwards is not None:
            turned = reversal(mask)
            back = self.backwards(at(given, turned), speakers.gather(1, turned))
            states = torch.cat([states, at(back, turned)], dim=2)  # (D, U, e)
        states = self.dropout(states) * mask[..., None].to(states.dtype)
        scores = torch.einsum("due,dve->duv", self.matching(states), states)
        weights = scores.masked_fill(~self.sees(mask), torch.finfo(scores.dtype).min).softmax(2)
        return weights @ states  # ẽ


def reversal(mask: Tensor) -> Tensor:
    """(D, U) where each place of the turned dialogue stands; what is behind the end stays."""
    steps = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - steps, steps)


def at(sequences: Tensor, places: Tensor) -> Tensor:
    """(D, U, d) in another order."""
    return sequences.gather(1, places[..., None].expand(-1, -1, sequences.shape[2]))
