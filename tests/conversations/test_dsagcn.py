"""DSAGCN's layers against loops over utterances."""

import pytest
import torch

from mia_fairseq.conversations.dsagcn import DSAGCN, relations


@pytest.mark.parametrize("past", [False, True])
def test_layers_are_those_of_the_equations(past: bool) -> None:
    torch.manual_seed(0)
    model = DSAGCN(3, 4, 0.0, past=past).eval()
    said, who = torch.randn(1, 5, 3), torch.tensor([0, 1, 1, 0, 2])
    found = model(said, torch.ones(1, 5, dtype=torch.bool), who[None])[0]
    states = model.gru(said)[0][0]  # g
    width = states.shape[1]
    torch.testing.assert_close(found[:, :width], states)

    seen = [range(i + 1 if past else 5) for i in range(5)]
    score = {
        (i, j): model.matching(states[i]) @ states[j] / width**0.5
        for i in range(5)
        for j in seen[i]
    }
    total = [sum(score[i, j].exp() for j in seen[i]) for i in range(5)]
    share = {(i, j): value.exp() / total[i] for (i, j), value in score.items()}  # α
    first = []
    for i in range(5):
        told = model.own(states[i])
        for j in seen[i]:
            relation = (0 if who[i] == who[j] else 2) + (1 if j > i else 0)
            told = told + share[i, j] * model.related[relation](states[j])
        first.append(told.relu())
    for i in range(5):
        near = sum(share[i, j] * model.neighbours(first[j]) for j in seen[i])
        torch.testing.assert_close(found[i, width:], (near + model.kept(first[i])).relu())


def test_each_pair_stands_in_one_relation() -> None:
    each = relations(torch.tensor([[0, 1, 0], [2, 2, 2]]))
    assert torch.equal(sum(relation.long() for relation in each), torch.ones(2, 3, 3).long())
