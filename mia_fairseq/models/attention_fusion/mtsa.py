"""MTSA: each auxiliary is translated, one way, into what the main modality would say.

Yang, Shao, Wu and Lin, Multimodal sentiment analysis with unidirectional modality translation,
Neurocomputing 467, 2022 (the paper's ref. [86]): audio and video features, poor as they are, are
made better by translation to the text features of BERT, before all are fused.

    T_k = P_k · Transformer_k(X_k), at its summaries      translation of auxiliary k, (c, d_m)
    L_translation = mean over k of |T_k − M|²             M the main rows, which do not learn by it
    M_fused = V [M : T_1 : … : T_n] + v,  penalty = t · L_translation

Only the paper's abstract and what later papers tell of it were at hand: the Transformer that
translates, the mean squared error and the concatenation are our reading. Different for certain:
any number of auxiliaries. Rows that lack the auxiliary or the main modality take no part in the
loss; a missing auxiliary's translation is zeros.

B batch, T time, c channels, d_m main dim, p width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import (
    TransformerConfig,
    at_least,
    check_width,
    transformer_settings,
)
from mia_fairseq.models.modality_streams import summary_streams
from mia_fairseq.modules.masked_attention import MaskedTransformer
from mia_fairseq.modules.positions import sinusoids
from mia_fairseq.modules.projection import Projection, Projections, present


@dataclass
class MTSAConfig(TransformerConfig):
    """Settings of mtsa."""

    mtsa_translation: float = setting(
        1.0, "t, weight of L_translation; --gamma weighs it once more"
    )


class TranslationFusion(Fusion):
    """Translated auxiliaries beside the main modality.

    Args:
        shape: the modalities.
        width: p.
        weight: t.
        transformer: layers, heads and dropout of each translator.
    """

    penalizes_rows: ClassVar[bool] = True

    def __init__(self, shape: FusionShape, width: int, weight: float, **transformer: Any) -> None:
        super().__init__()
        self.main, self.channels, self.weight = shape.main, shape.channels, weight
        width_out = shape.dims[shape.main]
        dims = {name: shape.dims[name] for name in shape.auxiliaries}
        self.projections = Projections(dims, width)
        self.translators = nn.ModuleDict({n: MaskedTransformer(width, **transformer) for n in dims})
        self.targets = nn.ModuleDict({n: Projection(width, width_out) for n in dims})  # P
        self.output = nn.Linear((1 + len(dims)) * width_out, width_out)  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        main = inputs[self.main].pooled  # M, (B, c, d_m)
        blocks, errors = [main], []
        for name, (tokens, mask) in summary_streams(self.projections, inputs).items():
            there = present(mask)
            tokens = tokens + sinusoids(tokens)
            encoded = self.translators[name](tokens, mask, first=self.channels)
            translated = self.targets[name](encoded, there)  # T_k
            blocks.append(translated)
            both = there & present(inputs[self.main].mask)
            if both.any():
                errors.append((translated - main.detach())[both].square().mean())
        fused = self.output(torch.cat(blocks, dim=2))
        penalty = self.weight * torch.stack(errors).mean() if errors else fused.new_zeros(())
        return FusionOutput(fused, penalty)


@register_model("mtsa", dataclass=MTSAConfig)
class MTSA(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        (weight,) = at_least(0, cfg, "mtsa_translation")
        return TranslationFusion(shape, check_width(cfg), weight, **transformer_settings(cfg))
