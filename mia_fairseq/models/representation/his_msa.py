"""HIS-MSA: a heterogeneous graph over what is said, heard and seen, and labels of each modality.

Zeng et al., Heterogeneous graph convolution based on in-domain self-supervision for multimodal
sentiment analysis, Expert Systems with Applications 213, 2023 (the paper's ref. [87]). The nodes
are the items of all modalities, of a kind each; N(m) the nodes of modality m. In each layer:

    h_v ← ReLU(S_m h_v + Σ_k R_{k→m} · mean of h_w over w in N(k))       v of kind m, k all kinds
    M_fused = V [h at the summaries, of all modalities] + v
    penalty = u · loss of the modalities' heads on labels of their own, see `UnimodalLabels`

One relation a pair of kinds, its own kind included (R_{m→m} gathers the modality's own context).
Only the paper's abstract was at hand: relations, mean aggregation and depth are our reading of
"heterogeneous graph convolution"; the label generation is Self-MM's. Its other half, to train BERT
further on the corpus before, is no fusion's work: give adapted encoders by ``--encoders``. A
missing modality has no nodes.

B batch, T time, c channels, p width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput, Taught
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import WidthConfig, at_least, check_width, used
from mia_fairseq.models.modality_streams import Stream, summary_streams
from mia_fairseq.models.representation.unimodal_labels import UnimodalLabels
from mia_fairseq.modules.masked_attention import masked_mean
from mia_fairseq.modules.projection import Projections, present


@dataclass
class HISMSAConfig(WidthConfig):
    """Settings of his_msa."""

    his_layers: int = setting(2, "layers of the graph convolution")
    his_weight: float = setting(1.0, "u, weight of the modalities' tasks; --gamma weighs it too")


class GraphLayer(nn.Module):
    """One convolution: a map a kind for the node itself, one a relation for its neighbours."""

    def __init__(self, names: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.itself = nn.ModuleDict({name: nn.Linear(width, width) for name in names})  # S
        self.relations = nn.ModuleDict(
            {f"{k}_to_{m}": nn.Linear(width, width, bias=False) for k, m in product(names, names)}
        )  # R

    def forward(self, nodes: Mapping[str, Stream]) -> dict[str, Stream]:
        """Nodes (B, c + T, p) of each kind and their masks → the same."""
        means = {name: masked_mean(*stream) for name, stream in nodes.items()}
        result = {}
        for name, (vectors, mask) in nodes.items():
            related = sum(self.relations[f"{k}_to_{name}"](mean) for k, mean in means.items())
            moved: Tensor = torch.relu(self.itself[name](vectors) + related[:, None])
            result[name] = moved * mask[..., None].to(moved.dtype), mask
        return result


class GraphFusion(Fusion):
    """Graph convolution over all items, beside tasks of the modalities.

    Args:
        shape: the modalities and the label.
        width: p.
        layers: of the graph.
        weight: u.
    """

    asks_for_labels: ClassVar[bool] = True
    penalizes_rows: ClassVar[bool] = True

    def __init__(self, shape: FusionShape, width: int, layers: int, weight: float) -> None:
        super().__init__()
        dims, self.weight, self.channels = used(shape), weight, shape.channels
        self.projections = Projections(dims, width)
        self.layers = nn.ModuleList([GraphLayer(tuple(dims), width) for _ in range(layers)])
        self.output = nn.Linear(len(dims) * width, shape.dims[shape.main])  # V, v
        self.unimodal = UnimodalLabels(
            tuple(dims), shape.channels * width, shape.label, shape.further
        )

    def forward(
        self, inputs: Mapping[str, ModalityInput], taught: Taught | None = None
    ) -> FusionOutput:
        nodes = summary_streams(self.projections, inputs)
        single = {name: tokens[:, : self.channels] for name, (tokens, _) in nodes.items()}
        for layer in self.layers:
            nodes = layer(nodes)
        summaries = torch.cat([h[:, : self.channels] for h, _ in nodes.values()], dim=2)
        fused = self.output(summaries)
        if taught is None:
            return FusionOutput(fused)
        there = {name: present(mask) for name, (_, mask) in nodes.items()}
        flat = {name: vector.flatten(1) for name, vector in single.items()}
        whole = summaries.unflatten(2, (len(flat), -1)).mean(dim=2).flatten(1)
        return FusionOutput(fused, self.weight * self.unimodal(whole, flat, there, taught))


@register_model("his_msa", dataclass=HISMSAConfig)
class HISMSA(AffectModel):
    """Any number of modalities; n² relations."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        (layers,), (weight,) = at_least(1, cfg, "his_layers"), at_least(0, cfg, "his_weight")
        return GraphFusion(shape, check_width(cfg), layers, weight)
