"""The routing of Procedure 1 by loops over capsules and concepts."""

import math

import torch
from fusion_inputs import inputs_of, shape_of, without
from torch import nn

from mia_fairseq.models.representation.multimodal_routing import RoutingFusion, route


def by_loops(votes, active, norm, iterations):
    """One row: votes (I, J, p), active (I,)."""
    capsules, concepts, _ = votes.shape
    weights = [[1 / concepts] * concepts for _ in range(capsules)]

    def update():
        return [
            norm(sum(active[i] * weights[i][j] * votes[i, j] for i in range(capsules)))
            for j in range(concepts)
        ]

    c = update()
    for _ in range(iterations):
        for i in range(capsules):
            scores = [math.exp(float(votes[i, j] @ c[j])) for j in range(concepts)]
            weights[i] = [score / sum(scores) for score in scores]
        c = update()
    return torch.stack(c), torch.tensor(weights).double()


def test_routing_by_loops() -> None:
    torch.manual_seed(0)
    votes, active = torch.randn(2, 7, 3, 4).double(), torch.rand(2, 7).double()
    norm = nn.LayerNorm(4).double()
    for iterations in (0, 1, 3):
        concepts, weights = route(votes, active, norm, iterations)
        for row in range(2):
            expected = by_loops(votes[row], active[row], norm, iterations)
            assert torch.allclose(concepts[row], expected[0])
            assert torch.allclose(weights[row], expected[1])


def test_three_modalities_have_seven_capsules() -> None:
    fusion = RoutingFusion(shape_of(), 4, 3, 2)
    assert [len(members) for members in fusion.members.values()] == [1, 1, 1, 2, 2, 2, 3]
    assert fusion.members["text+audio"] == ("text", "audio")


def test_the_part_routing_tells_of_each_capsule_and_concept() -> None:
    torch.manual_seed(0)
    fusion = RoutingFusion(shape_of(), 4, 3, 2).double()
    parts = fusion(inputs_of()).parts
    assert list(parts)[:4] == [f"routing/{n}" for n in ("text", "audio", "video", "text+audio")]
    for routing in parts.values():
        assert routing.shape == (3, 3)
        assert ((routing.sum(dim=1) > 0) & (routing.sum(dim=1) < 1)).all()  # p_i: Σ_j r_ij = 1


def test_a_capsule_that_lacks_a_member_is_not_active() -> None:
    fusion = RoutingFusion(shape_of(), 4, 3, 2).double()
    for name, routing in fusion(without(inputs_of(), "audio")).parts.items():
        assert routing.any() != ("audio" in name), name
