"""What every model of dialogues must do, over the registry."""

from itertools import product

import pytest
import torch
from torch import Tensor

from mia_fairseq.conversations import conversation
from mia_fairseq.conversations.conversation import (
    Conversation,
    DialogueRows,
    build_conversation,
    known_conversations,
    own_turns,
    packed,
)
from mia_fairseq.conversations.dialogue_part import DialoguePart
from mia_fairseq.errors import InputError

DIM, HIDDEN = 6, 8
NAMES = sorted(known_conversations())
SAMPLE = list(product(NAMES, (False, True)))


def built(name: str, *, past: bool) -> Conversation:
    torch.manual_seed(0)
    return build_conversation(name, DIM, HIDDEN, 0.0, past=past).eval()


def dialogue(length: int, speakers: int = 2, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(seed)
    said = torch.randn(1, length, DIM)
    return said, torch.ones(1, length, dtype=torch.bool), (torch.arange(length) % speakers)[None]


def test_the_papers_models_are_there() -> None:
    assert {"bc_lstm", "dialogue_rnn", "a_dmn", "ctnet", "mm_dfn", "dsagcn"} <= set(NAMES)
    with pytest.raises(InputError, match="expected one of a_dmn"):
        build_conversation("nobody", DIM, HIDDEN, 0.0, past=False)


def test_one_of_ones_own_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "_CONVERSATIONS", dict(conversation._CONVERSATIONS))

    @conversation.register_conversation("my_own")
    class MyOwn(Conversation):
        """Nothing of its own."""

    assert isinstance(build_conversation("my_own", DIM, HIDDEN, 0.0, past=False), MyOwn)


@pytest.mark.parametrize(("name", "past"), SAMPLE)
@pytest.mark.parametrize(("length", "speakers"), [(1, 1), (5, 1), (30, 3), (12, 12)])
def test_shape_and_gradient(name: str, past: bool, length: int, speakers: int) -> None:
    model = built(name, past=past)
    said, mask, who = dialogue(length, speakers)
    said.requires_grad_()
    out = model(said, mask, who)
    assert out.shape == (1, length, model.output_dim) and out.isfinite().all()
    (out * torch.randn_like(out)).sum().backward()
    assert said.grad is not None and (said.grad.abs().sum(2) > 0).all()


@pytest.mark.parametrize(("name", "past"), SAMPLE)
def test_padding_and_other_dialogues_change_nothing(name: str, past: bool) -> None:
    model = built(name, past=past)
    one, other = dialogue(4, 2), dialogue(9, 3, seed=2)
    alone = [model(*one)[0], model(*other)[0]]
    said, mask, who = (
        torch.zeros(2, 9, DIM),
        torch.zeros(2, 9, dtype=torch.bool),
        other[2].repeat(2, 1),
    )
    said[0, :4], said[1] = one[0][0], other[0][0]
    mask[0, :4], mask[1] = True, True
    who[0, :4], who[0, 4:] = one[2][0], 0
    both = model(said, mask, who)
    torch.testing.assert_close(both[0, :4], alone[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both[1], alone[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "past"), SAMPLE)
def test_an_utterance_sees_what_it_may(name: str, past: bool) -> None:
    model = built(name, past=past)
    said, mask, who = dialogue(6)
    before = model(said, mask, who)
    for place in range(6):
        other = said.clone()
        other[0, place] += 1
        moved = (model(other, mask, who) - before).abs().amax(2)[0] > 1e-6
        assert moved[place:].any() and moved[place]
        assert moved[:place].any() == (not past and place > 0)


@pytest.mark.parametrize("name", NAMES)
def test_order_matters(name: str) -> None:
    model = built(name, past=False)
    said, mask, who = dialogue(5, 1)
    turned = model(said.flip(1), mask, who).flip(1)
    assert (turned - model(said, mask, who)).abs().max() > 1e-4


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"bc_lstm"}))
def test_speakers_matter(name: str) -> None:
    model = built(name, past=False)
    said, mask, who = dialogue(6)
    assert (model(said, mask, 1 - who) - model(said, mask, who * 0)).abs().max() > 1e-4


def test_rows_are_spread_and_gathered() -> None:
    rows = torch.arange(1.0, 6.0)[:, None]
    talk = {"dialogue": torch.tensor([7, 7, 3, 7, 7]), "speaker": torch.tensor([0, 1, 0, 0, 1])}
    where = DialogueRows(talk)
    assert where.spread(rows)[..., 0].tolist() == [[1, 2], [3, 0], [4, 5]]
    assert where.speakers.tolist() == [[0, 1], [0, 0], [0, 1]]
    assert torch.equal(where.gather(where.spread(rows)), rows)


def test_own_turns_are_the_speakers_alone() -> None:
    torch.manual_seed(0)
    gru = torch.nn.GRU(DIM, HIDDEN, batch_first=True)
    said, mask, _ = dialogue(5)
    who = torch.tensor([[0, 1, 0, 2, 1]])
    found = own_turns(gru, said, mask, who)
    for speaker in range(3):
        places = torch.nonzero(who[0] == speaker)[:, 0]
        torch.testing.assert_close(found[0, places], gru(said[:, places])[0][0])
    assert torch.equal(packed(gru, said, torch.tensor([0]).clamp(min=5)), gru(said)[0])


def test_a_row_without_dialogues_is_alone() -> None:
    part = DialoguePart(built("bc_lstm", past=False), DIM)
    rows = torch.randn(3, 2, 3)
    together = part(rows, None)
    torch.testing.assert_close(together[:1], part(rows[:1], None))
