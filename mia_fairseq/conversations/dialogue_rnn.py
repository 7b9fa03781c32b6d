"""DialogueRNN, with the attention over emotion states that its BiDialogueRNN+Att has.

Majumder et al., "DialogueRNN: An Attentive RNN for Emotion Detection in Conversations" (2019).

D dialogues, U utterances, S speakers, d an utterance's dim, e the width of all states.
Differs: listeners keep their state (the paper's simpler variant), and all states have one width.
"""

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.conversation import Conversation, register_conversation
from mia_fairseq.conversations.recurrence import (
    Cell,
    input_gates,
    kept_loops,
    step,
    weights_of,
)


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
        cells = (self.global_cell, self.party_cell, self.emotion_cell)
        world, party, emotion = map(weights_of, cells)
        return emotion_states(utterances, speakers, self.attention.weight, world, party, emotion)


@kept_loops
def emotion_states(
    utterances: Tensor,
    speakers: Tensor,
    attention: Tensor,
    world_cell: Cell,
    party_cell: Cell,
    emotion_cell: Cell,
) -> Tensor:
    """The emotion states of all steps, (D, U, e).

    Args:
        utterances: (D, U, d).
        speakers: (D, U).
        attention: W_α, (e, d).
        world_cell, party_cell, emotion_cell: of global, party and emotion states.
    """
    linear = torch.nn.functional.linear
    dim = utterances.shape[2]
    asked = linear(utterances, attention)  # (D, U, e)
    said_to_world = linear(utterances, world_cell[0][:, :dim], world_cell[2])  # (D, U, 3·e)
    said_to_party = linear(utterances, party_cell[0][:, :dim], party_cell[2])
    rows = torch.arange(utterances.shape[0], device=utterances.device)
    party = utterances.new_zeros(
        [utterances.shape[0], int(speakers.max()) + 1, attention.shape[0]]
    )  # (D, S, e)
    world = party[:, 0]
    emotion = world
    worlds = world[:, None][:, :0]  # (D, 0, e), for attention at every step
    emotions = []
    for place in range(utterances.shape[1]):
        who = speakers[:, place]
        weights = torch.einsum("de,dte->dt", asked[:, place], worlds).softmax(1)
        context = torch.einsum("dt,dte->de", weights, worlds)  # c_t; zeros at first
        state = party[rows, who]  # q of who speaks, before
        gates = said_to_world[:, place] + linear(state, world_cell[0][:, dim:])
        world = step(gates, world, world_cell)  # g_t
        gates = said_to_party[:, place] + linear(context, party_cell[0][:, dim:])
        state = step(gates, state, party_cell)  # q_{s,t}
        party = party.index_put((rows, who), state)
        emotion = step(input_gates(state, emotion_cell), emotion, emotion_cell)  # e_t
        worlds = torch.cat([worlds, world[:, None]], dim=1)
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
