"""mha, transformer and cross_transformer: what they look at, and the settings they refuse."""

import pytest
import torch
from fusion_inputs import DIMS, inputs_of, shape_of, without
from omegaconf import OmegaConf

from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import FusionShape
from mia_fairseq.models.attention_fusion.cross_transformer import CrossModalFusion, CrossTransformer
from mia_fairseq.models.attention_fusion.mha import AttentionFusion
from mia_fairseq.models.attention_fusion.transformer import TransformerFusion
from mia_fairseq.models.fusion_settings import TransformerConfig

TRANSFORMER = {"layers": 2, "heads": 2, "dropout": 0.0}


def test_mha_by_loops_over_heads_and_keys() -> None:
    torch.manual_seed(0)
    fusion = AttentionFusion(shape_of(channels=1), 4, heads=2, dropout=0.0).double()
    inputs = without(inputs_of(channels=1), "video")
    attention = fusion.attention
    q, k, v = attention.in_proj_weight.chunk(3)
    bias_q, bias_k, bias_v = torch.randn(3, 4).double()
    with torch.no_grad():
        attention.in_proj_bias.copy_(torch.cat([bias_q, bias_k, bias_v]))
        fused = fusion(inputs).fused
        for b in range(3):
            tokens = [
                fusion.tokens.projections[name].linear(inputs[name].pooled[b, 0])
                for name in ("text", "audio")  # video is missing, so it is no key
            ]
            question, heads = q @ tokens[0] + bias_q, []
            for head in (slice(0, 2), slice(2, 4)):
                scores = [question[head] @ (k @ t + bias_k)[head] / 2**0.5 for t in tokens]
                weights = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
                heads.append(
                    sum(w * (v @ t + bias_v)[head] for w, t in zip(weights, tokens, strict=True))
                )
            answer = attention.out_proj(torch.cat(heads))
            assert torch.allclose(fused[b, 0], fusion.output(answer))


@pytest.mark.parametrize("steps", [1, 5])
def test_only_the_cross_transformer_reads_the_sequences(steps: int) -> None:
    torch.manual_seed(0)
    inputs = inputs_of(steps=steps)
    moved = {n: one._replace(sequence=one.sequence.roll(1, 0)) for n, one in inputs.items()}
    pooled = TransformerFusion(shape_of(), 4, **TRANSFORMER).double()
    sequences = CrossModalFusion(shape_of(), 4, **TRANSFORMER).double()
    assert torch.equal(pooled(inputs).fused, pooled(moved).fused)
    assert not torch.allclose(sequences(inputs).fused, sequences(moved).fused)


def test_the_cross_transformer_knows_the_order_of_time() -> None:
    torch.manual_seed(0)
    fusion, inputs = CrossModalFusion(shape_of(), 4, **TRANSFORMER).double(), inputs_of(steps=4)
    turned = inputs["audio"]._replace(sequence=inputs["audio"].sequence.flip(1))
    assert not torch.allclose(fusion(inputs).fused, fusion({**inputs, "audio": turned}).fused)


def test_the_cross_transformer_has_one_transformer_a_direction() -> None:
    dims = {**DIMS, "gaze": 3}
    fusion = CrossModalFusion(shape_of(dims), 4, **TRANSFORMER)
    assert len(fusion.crossings) == 4 * 3 and len(fusion.memories) == 4
    assert {"audio_to_text", "text_to_audio"} <= set(fusion.crossings)
    assert fusion.memories["text"].encoder.layers[0].linear1.in_features == 3 * 4


def test_a_missing_source_tells_a_target_nothing() -> None:
    torch.manual_seed(0)
    fusion = CrossModalFusion(shape_of(), 4, **TRANSFORMER).double()
    told = []
    fusion.memories["text"].register_forward_pre_hook(lambda _module, given: told.append(given[0]))
    fusion(without(inputs_of(), "audio"))
    assert not told[0][:, :, :4].any() and told[0][:, :, 4:].all()


def test_where_the_main_modality_is_missing_the_others_still_come_through() -> None:
    torch.manual_seed(0)
    for build in (TransformerFusion, CrossModalFusion):
        fusion = build(shape_of(), 4, **TRANSFORMER).double()
        inputs = without(inputs_of(), "text")
        other = {**inputs, "audio": inputs["audio"]._replace(pooled=-inputs["audio"].pooled)}
        assert not torch.allclose(fusion(inputs).fused, fusion(other).fused)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fusion_dim": 6}, "--fusion-dim is 6 and --fusion-heads 4"),
        ({"fusion_dim": 0}, "--fusion-dim is 0"),
        ({"fusion_heads": 0}, "--fusion-heads 0"),
        ({"fusion_layers": 0}, "--fusion-layers is 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int], message: str) -> None:
    shape: FusionShape = shape_of()
    with pytest.raises(InputError, match=message):
        CrossTransformer.build_fusion(shape, OmegaConf.structured(TransformerConfig(**settings)))
