"""Projections, positions and tokens."""

import math

import torch

from mia_fairseq.modules.positions import sinusoids
from mia_fairseq.modules.projection import Projection, present
from mia_fairseq.modules.tokens import ModalityTokens


def test_positions_by_the_formula() -> None:
    found = sinusoids(torch.zeros(2, 6, 5))
    assert found.shape == (6, 5)
    for t in range(6):
        for column in range(5):
            angle = t / 10000 ** (2 * (column // 2) / 5)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert math.isclose(float(found[t, column]), expected, abs_tol=1e-6)


def test_a_projection_makes_nothing_of_what_is_missing() -> None:
    projection, vectors = Projection(3, 2), torch.randn(2, 4, 3)
    plain = projection.linear(vectors)
    by_row = projection(vectors, torch.tensor([True, False]))
    assert torch.equal(by_row[0], plain[0]) and not by_row[1].any()
    by_step = projection(vectors, torch.tensor([[True, False, True, True]] * 2))
    assert torch.equal(by_step[:, 2], plain[:, 2]) and not by_step[:, 1].any()


def test_present_rows_have_any_data() -> None:
    assert present(torch.tensor([[True, False], [False, False]])).tolist() == [True, False]


def test_tokens_lie_in_the_order_of_modalities() -> None:
    tokens = ModalityTokens({"text": 3, "audio": 2}, 4)
    rows = {"audio": torch.randn(2, 2, 2), "text": torch.randn(2, 2, 3)}
    there = {"text": torch.tensor([True, True]), "audio": torch.tensor([True, False])}
    found, mask = tokens(rows, there)
    assert found.shape == (2, 4, 4)
    assert mask.tolist() == [[True] * 4, [True, True, False, False]]
    text = tokens.projections["text"].linear(rows["text"])
    assert torch.allclose(found[:, :2], text + sinusoids(text))


def test_one_channel_needs_no_position() -> None:
    tokens, row = ModalityTokens({"text": 3}, 4), torch.randn(2, 1, 3)
    found, _ = tokens({"text": row}, {"text": torch.tensor([True, True])})
    assert torch.equal(found, tokens.projections["text"].linear(row))
