"""Multimodal Routing: capsules of all combinations of modalities are routed to concepts.

Tsai et al., Multimodal Routing: Improving local and global interpretability of multimodal language
analysis, EMNLP 2020 (the paper's ref. [54]), Sec. 3, Procedure 1. For each combination i of
modalities (three modalities have seven), with x_i its members side by side:

    f_i = F_i x_i,  p_i = σ(G_i x_i)                      feature and how far it is active
    u_ij = W_ij f_i                                       towards concept j
    r_ij = softmax over j of ⟨u_ij, c_j⟩                  routing adjustment
    c_j = LN(Σ_i p_i r_ij u_ij)                           concept update, from r_ij = 1/concepts on
    M_fused = V [c_1 : … : c_J] + v

The routing weights p_i r_ij are what the paper shows; they are the parts ``routing/text+audio``
and so on, the concepts side by side. Different here: one linear map over members where they
encode pairs and triples by cross-modal Transformers; concepts feed the shared head, where theirs
give one logit each; for scores there are as many concepts as a setting says. A combination that
lacks a member is not active: p_i = 0.

The equations are from memory and the paper's abstract; nobody has checked them against its full
text.

B batch, c channels, n modalities, p width, I capsules, J concepts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import WidthConfig, at_least, check_width, rows_there, used


@dataclass
class RoutingConfig(WidthConfig):
    """Settings of multimodal_routing."""

    routing_concepts: int = setting(
        0, "J, concepts; 0: as many as the labels' classes, or seven for scores"
    )
    routing_iterations: int = setting(2, "how often routing weights and concepts are adjusted")


def route(votes: Tensor, active: Tensor, norm: nn.Module, iterations: int) -> tuple[Tensor, Tensor]:
    """Concepts c (N, J, p) and routing weights r (N, I, J).

    Args:
        votes: u_ij, (N, I, J, p).
        active: p_i, (N, I).
        norm: LN, over p.
        iterations: how often r is adjusted; before the first time it is 1/J.
    """
    weights = torch.full_like(votes[..., 0], 1 / votes.shape[2])  # r, (N, I, J)
    concepts: Tensor = norm(torch.einsum("ni,nij,nijp->njp", active, weights, votes))
    for _ in range(iterations):
        weights = torch.softmax(torch.einsum("nijp,njp->nij", votes, concepts), dim=2)
        concepts = norm(torch.einsum("ni,nij,nijp->njp", active, weights, votes))
    return concepts, weights


class RoutingFusion(Fusion):
    """Capsules of all combinations, routed.

    Args:
        shape: the modalities.
        width: p.
        concepts: J.
        iterations: of the routing.
    """

    def __init__(self, shape: FusionShape, width: int, concepts: int, iterations: int) -> None:
        super().__init__()
        dims = used(shape)
        self.iterations = iterations
        self.members = {
            "+".join(members): members
            for size in range(1, len(dims) + 1)
            for members in combinations(dims, size)
        }
        sizes = {key: sum(dims[name] for name in members) for key, members in self.members.items()}
        self.features = nn.ModuleDict({k: nn.Linear(size, width) for k, size in sizes.items()})  # F
        self.activity = nn.ModuleDict({k: nn.Linear(size, 1) for k, size in sizes.items()})  # G
        self.votes = nn.ModuleDict(
            {key: nn.Linear(width, concepts * width, bias=False) for key in sizes}
        )  # W
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(concepts * width, shape.dims[shape.main])  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        rows, there = rows_there(inputs)
        votes, active = [], []
        for key, members in self.members.items():
            x = torch.cat([rows[name] for name in members], dim=2).flatten(0, 1)  # (B·c, Σd)
            whole = torch.stack([there[name] for name in members]).all(dim=0)  # (B,)
            kept = whole.repeat_interleave(len(x) // len(whole)).to(x.dtype)
            width = self.features[key].out_features
            votes.append(self.votes[key](self.features[key](x)).unflatten(1, (-1, width)))
            votes[-1] = votes[-1] * kept[:, None, None]
            active.append(torch.sigmoid(self.activity[key](x))[:, 0] * kept)
        strength = torch.stack(active, dim=1)  # p, (B·c, I)
        concepts, weights = route(torch.stack(votes, dim=1), strength, self.norm, self.iterations)
        batch = next(iter(rows.values())).shape[:2]
        routed = (strength[..., None] * weights).unflatten(0, batch).mean(dim=1)  # (B, I, J)
        fused = self.output(concepts.flatten(1)).unflatten(0, batch)
        parts = {f"routing/{key}": routed[:, i] for i, key in enumerate(self.members)}
        return FusionOutput(fused, parts=parts)


@register_model("multimodal_routing", dataclass=RoutingConfig)
class MultimodalRouting(AffectModel):
    """Any number of modalities; 2ⁿ − 1 capsules."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        concepts, iterations = at_least(0, cfg, "routing_concepts", "routing_iterations")
        chosen = concepts or max(len(shape.label.names), 1 if shape.label.names else 7)
        return RoutingFusion(shape, check_width(cfg), chosen, iterations)
