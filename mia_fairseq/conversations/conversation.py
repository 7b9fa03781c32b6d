"""What every model of dialogues is: from the vectors of all utterances to vectors in context.

D dialogues, U the longest one's utterances, d an utterance's dim, e the context's dim, B rows.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

import torch
from torch import Tensor, nn

import mia_fairseq.conversations
from mia_fairseq.errors import InputError
from mia_fairseq.modules.positions import up_to

Kind = TypeVar("Kind", bound=type["Conversation"])

_CONVERSATIONS: dict[str, type["Conversation"]] = {}


class Conversation(nn.Module):
    """Base of models of dialogues: ``forward(utterances, mask, speakers) -> (D, U, output_dim)``.

    A dialogue never sees another one, nor what is behind its end; with `past` an utterance sees
    nothing later. Register one with ``@register_conversation("name")``.

    Attributes:
        output_dim: e.

    Args:
        dim: d.
        hidden: width of its states.
        dropout: share of units dropped in training.
        past: whether an utterance sees nothing that comes later.
    """

    output_dim: int

    def __init__(self, dim: int, hidden: int, dropout: float, *, past: bool) -> None:
        super().__init__()
        self.dim, self.hidden, self.past = dim, hidden, past
        self.dropout = nn.Dropout(dropout)

    def forward(self, utterances: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        """Vectors in context.

        Args:
            utterances: (D, U, d), zeros behind each end.
            mask: (D, U) True up to each dialogue's end.
            speakers: (D, U) who speaks, 0 for who speaks first; 0 behind each end.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement forward")

    def sees(self, mask: Tensor) -> Tensor:
        """(D, U, U): which utterance (row) may see which (column)."""
        allowed = mask[:, None, :].expand(-1, mask.shape[1], -1)
        if not self.past:
            return allowed
        return allowed & torch.ones_like(allowed[0]).tril()


def register_conversation(name: str) -> Callable[[Kind], Kind]:
    """Makes a subclass of `Conversation` known to ``--conversation`` by a name."""

    def register(cls: Kind) -> Kind:
        _CONVERSATIONS[name] = cls
        return cls

    return register


def known_conversations() -> Mapping[str, type[Conversation]]:
    """All that are registered, by name."""
    for module in iter_modules(mia_fairseq.conversations.__path__):
        import_module(f"{mia_fairseq.conversations.__name__}.{module.name}")
    return dict(sorted(_CONVERSATIONS.items()))


def build_conversation(
    name: str, dim: int, hidden: int, dropout: float, *, past: bool
) -> Conversation:
    """The model of dialogues of a name.

    Args:
        name: as registered.
        dim: of an utterance's vector.
        hidden: width of its states.
        dropout: share of what it drops in training.
        past: whether an utterance sees only those before it.

    Raises:
        InputError: there is none.
    """
    known = known_conversations()
    if name not in known:
        raise InputError(f"--conversation is {name!r}, expected one of {', '.join(known)}")
    return known[name](dim, hidden, dropout, past=past)


class DialogueRows:
    """Where the rows of a batch stand in its dialogues.

    Args:
        talk: ``dialogue`` and ``speaker`` (B,) of each row; a dialogue's rows stand together, in
            their order.
    """

    def __init__(self, talk: Mapping[str, Tensor]) -> None:
        dialogue, self._speaker = talk["dialogue"], talk["speaker"]
        others = torch.cat([torch.zeros_like(dialogue[:1]), (dialogue[1:] != dialogue[:-1]).long()])
        self._of = others.cumsum(0)
        counts = (self._of == up_to(self._of[-1] + 1)[:, None]).sum(1)  # (D,)
        begins = counts.cumsum(0) - counts
        self._place = torch.arange(dialogue.shape[0], device=dialogue.device) - begins[self._of]
        self.mask = up_to(counts.max()) < counts[:, None]  # (D, U)

    def spread(self, rows: Tensor) -> Tensor:
        """(B, ...) → (D, U, ...), zeros behind each end."""
        spread = rows.new_zeros(*self.mask.shape, *rows.shape[1:])
        return spread.index_put((self._of, self._place), rows)

    def gather(self, spread: Tensor) -> Tensor:
        """(D, U, ...) → (B, ...)."""
        return spread[self._of, self._place]

    @property
    def speakers(self) -> Tensor:
        """(D, U)."""
        return self.spread(self._speaker)


def packed(network: nn.RNNBase, sequences: Tensor, lengths: Tensor) -> Tensor:
    """What a recurrent network makes of sequences; one of length 0 gives zeros.

    Args:
        network: with the batch first.
        sequences: (N, U, d), padded behind their lengths.
        lengths: (N,) whole numbers from 0 to U.

    Returns:
        (N, U, e), zeros behind each length.
    """
    there = lengths > 0
    given = nn.utils.rnn.pack_padded_sequence(
        sequences[there], lengths[there].cpu(), batch_first=True, enforce_sorted=False
    )
    states, _ = nn.utils.rnn.pad_packed_sequence(
        network(given)[0], batch_first=True, total_length=sequences.shape[1]
    )
    result = states.new_zeros(lengths.shape[0], *states.shape[1:])
    result[there] = states
    return result


def own_turns(network: nn.RNNBase, utterances: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
    """A recurrent network over each speaker's own turns, put back in their places.

    Args:
        network: with the batch first.
        utterances: (D, U, d).
        mask: (D, U), true where there is an utterance.
        speakers: (D, U) numbers of who speaks.

    Returns:
        (D, U, e).
    """
    people = up_to(speakers.max() + 1)
    count = people.shape[0]
    spoken = mask[:, None] & (speakers[:, None] == people[:, None])
    spoken = spoken.flatten(0, 1)  # (D·S, U)
    place = torch.arange(spoken.shape[1], device=mask.device)
    order = torch.where(spoken, place, place + spoken.shape[1]).argsort(dim=1)  # own turns first
    every = utterances.repeat_interleave(count, dim=0)
    turns = every.gather(1, order[..., None].expand(-1, -1, every.shape[2]))
    states = packed(network, turns, spoken.sum(1))
    back = torch.zeros_like(states).scatter(1, order[..., None].expand_as(states), states)
    back = back * spoken[..., None].to(back.dtype)
    return back.unflatten(0, (-1, count)).sum(1)  # each utterance has one speaker
