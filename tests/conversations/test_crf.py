"""The linear chain's marginals against a sum over all labellings."""

from itertools import pairwise, product

import pytest
import torch

from mia_fairseq.conversations.crf import LinearChain
from mia_fairseq.conversations.dialogue_part import ChainPart

CLASSES = 3


@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("past", [False, True])
def test_marginals_are_those_of_all_labellings(length: int, past: bool) -> None:
    torch.manual_seed(length)
    chain = LinearChain(CLASSES, past=past)
    torch.nn.init.normal_(chain.transitions)
    logits = torch.randn(1, length, CLASSES)
    found = chain(logits, torch.ones(1, length, dtype=torch.bool))[0].exp()
    for place in range(length):
        seen = place + 1 if past else length
        expected = torch.zeros(CLASSES)
        for labels in product(range(CLASSES), repeat=seen):
            score = sum(logits[0, t, label] for t, label in enumerate(labels))
            score = score + sum(chain.transitions[a, b] for a, b in pairwise(labels))
            expected[labels[place]] += score.exp()
        torch.testing.assert_close(found[place], expected / expected.sum())


def test_padding_and_other_dialogues_change_nothing() -> None:
    part = ChainPart(CLASSES, past=False)
    torch.nn.init.normal_(part.chain.transitions)
    logits = torch.randn(5, CLASSES)
    talk = {"dialogue": torch.tensor([0, 0, 1, 1, 1]), "speaker": torch.zeros(5).long()}
    together = part(logits, talk)
    for rows in (slice(0, 2), slice(2, 5)):
        own = {name: values[rows] for name, values in talk.items()}
        torch.testing.assert_close(together[rows], part(logits[rows], own))


def test_a_new_chain_changes_no_probability() -> None:
    logits = torch.randn(4, CLASSES)
    talk = {"dialogue": torch.zeros(4).long(), "speaker": torch.zeros(4).long()}
    torch.testing.assert_close(ChainPart(CLASSES, past=False)(logits, talk), logits.log_softmax(1))
