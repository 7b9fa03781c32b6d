"""Steps over time against torch's own cells, and against the papers' loops."""

import torch
from torch import nn

from mia_fairseq.conversations.a_dmn import read_facts
from mia_fairseq.conversations.dialogue_rnn import Recurrence
from mia_fairseq.conversations.recurrence import input_gates, step, weights_of

DIM, WIDTH = 3, 4


def test_a_step_is_that_of_torchs_cell() -> None:
    torch.manual_seed(0)
    cell = nn.GRUCell(DIM, WIDTH)
    given, state = torch.randn(5, DIM), torch.randn(5, WIDTH)
    gates = input_gates(given, weights_of(cell))
    torch.testing.assert_close(step(gates, state, weights_of(cell)), cell(given, state))


def test_facts_are_read_by_their_shares() -> None:
    torch.manual_seed(0)
    cell = nn.GRUCell(DIM, WIDTH)
    facts, dialogue, shares = torch.randn(2, 3, DIM), torch.tensor([1, 0, 1]), torch.rand(3, 3)
    found = read_facts(input_gates(facts, weights_of(cell)), dialogue, shares, weights_of(cell))
    for question in range(3):
        state = torch.zeros(1, WIDTH)
        for place, share in enumerate(shares[question]):
            after = cell(facts[dialogue[question], place][None], state)
            state = share * after + (1 - share) * state
        torch.testing.assert_close(found[question], state[0])


def test_dialogue_rnns_states_are_those_of_its_equations() -> None:
    torch.manual_seed(0)
    model = Recurrence(DIM, WIDTH)
    said, who = torch.randn(1, 5, DIM), [0, 1, 1, 0, 2]
    found = model(said, torch.tensor([who]))[0]
    world, emotion, worlds = torch.zeros(1, WIDTH), torch.zeros(1, WIDTH), []
    party = {speaker: torch.zeros(1, WIDTH) for speaker in who}
    for place, speaker in enumerate(who):
        now, context = said[:, place], torch.zeros(1, WIDTH)
        if worlds:
            past = torch.cat(worlds)  # (t, e)
            context = (past @ model.attention(now)[0]).softmax(0) @ past
            context = context[None]
        world = model.global_cell(torch.cat([now, party[speaker]], 1), world)
        party[speaker] = model.party_cell(torch.cat([now, context], 1), party[speaker])
        emotion = model.emotion_cell(party[speaker], emotion)
        worlds.append(world)
        torch.testing.assert_close(found[place], emotion[0])
