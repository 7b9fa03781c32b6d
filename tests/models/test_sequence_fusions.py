"""bbfn, sse_ft, cm_bert, mtsa and tcm_lstm: each one's key equation by hand or by loops."""

import math

import pytest
import torch
from fusion_inputs import DIMS, inputs_of, shape_of, without

from mia_fairseq.models.alignment import aligned
from mia_fairseq.models.attention_fusion.bbfn import BBFNFusion, GatedLayer, separability
from mia_fairseq.models.attention_fusion.cm_bert import MaskedMultimodalAttention
from mia_fairseq.models.attention_fusion.mtsa import TranslationFusion
from mia_fairseq.models.attention_fusion.sse_ft import FirstPositionFusion
from mia_fairseq.models.attention_fusion.tcm_lstm import (
    ChannelAwareConvolution,
    EnhancedLSTM,
    TemporalConvolutionFusion,
    sparsemax,
)
from mia_fairseq.models.modality_streams import aligned_streams, summary_streams

TRANSFORMER = {"layers": 2, "heads": 2, "dropout": 0.0}


def test_bbfns_gates_open_and_close() -> None:
    torch.manual_seed(0)
    layer = GatedLayer(4, 2, 0.0).double()
    target, source = torch.randn(2, 3, 4).double(), torch.randn(2, 5, 4).double()
    mask, control = torch.ones(2, 5, dtype=torch.bool), torch.randn(2, 8).double()
    for gate in (layer.retain, layer.compound):
        gate.weight.data.zero_()
    layer.ffn[-1].weight.data.zero_()
    layer.ffn[-1].bias.data.zero_()
    keys = layer.source_norm(source)
    answer = layer.attention(layer.target_norm(target), keys, keys)[0]
    for retained, compounded in [(50.0, -50.0), (-50.0, 50.0), (0.0, 0.0)]:
        layer.retain.bias.data.fill_(retained)
        layer.compound.bias.data.fill_(compounded)
        shares = [1 / (1 + math.exp(-x)) for x in (retained, compounded)]
        found, gate = layer(target, source, mask, control)
        assert torch.allclose(found, shares[0] * target + shares[1] * answer)
        assert torch.allclose(gate, torch.full_like(gate, shares[1]))


def test_bbfns_separator_by_hand() -> None:
    separator = torch.nn.Linear(1, 1)
    separator.weight.data.fill_(1.0)
    separator.bias.data.zero_()
    found = separability(separator, torch.tensor([[-2.0]]), torch.tensor([[3.0]]))
    # −log of the shares of the right answers, 1 − σ(−2) and σ(3), averaged
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-3))) / 2
    assert math.isclose(float(found), expected, rel_tol=1e-6)


def test_bbfn_has_one_pair_an_auxiliary_and_learns_to_tell_them_apart() -> None:
    torch.manual_seed(0)
    fusion = BBFNFusion(shape_of(), 4, 1.0, **TRANSFORMER).double()
    inputs = inputs_of()
    assert list(fusion.pairs) == ["audio", "video"]
    optimizer = torch.optim.Adam(fusion.parameters(), lr=0.01)
    first = fusion(inputs).penalty.item()
    for _ in range(60):
        optimizer.zero_grad()
        fusion(inputs).penalty.backward()
        optimizer.step()
    assert fusion(inputs).penalty.item() < 0.2 * first


def test_sse_ft_multiplies_what_the_others_tell() -> None:
    torch.manual_seed(0)
    fusion, inputs = FirstPositionFusion(shape_of(), 4, 2, 0.0).double(), inputs_of()
    seen, told = [], {}
    fusion.output.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    for name, attention in fusion.attentions.items():
        attention.register_forward_hook(
            lambda _module, _given, answer, name=name: told.__setitem__(name, answer)
        )
    fusion(inputs)
    for asking, block in zip(DIMS, seen[0].split(4, dim=2), strict=True):
        one, other = (told[f"{asking}_asks_{name}"] for name in DIMS if name != asking)
        assert torch.allclose(block, one * other)
    fusion(without(inputs, "audio"))
    assert torch.allclose(seen[1].split(4, dim=2)[0], told["text_asks_video"])


def test_cm_berts_weights_by_loops() -> None:
    torch.manual_seed(0)
    fusion, inputs = MaskedMultimodalAttention(shape_of(), 4).double(), inputs_of()
    fusion.bias.data.normal_()
    fusion.weights.data.normal_()
    inputs["text"].mask[1, 2] = False
    streams = summary_streams(fusion.projections, inputs)
    tokens, mask = aligned_streams(streams, "text", 2)
    found = fusion.attention_weights(tokens, mask)
    for row in range(3):
        for i in range(5):
            scores = []
            for j in range(5):
                score = float(tokens["text"][row, j] @ fusion.bias)
                for weight, name in zip(fusion.weights, DIMS, strict=True):
                    affinity = float(tokens[name][row, i] @ tokens[name][row, j]) / 2
                    score += float(weight) * max(affinity, 0.0)
                scores.append(math.exp(score) if mask[row, j] else 0.0)
            for j in range(5):
                assert math.isclose(float(found[row, i, j]), scores[j] / sum(scores), abs_tol=1e-12)
    assert not found[1, :, 4].any()


def test_cm_bert_hears_what_changes_a_words_weight() -> None:
    torch.manual_seed(0)
    fusion, inputs = MaskedMultimodalAttention(shape_of(), 4).double(), inputs_of()
    louder = inputs["audio"]._replace(sequence=inputs["audio"].sequence * 3)
    one = fusion(inputs).parts["word_weights"]
    assert not torch.allclose(one, fusion({**inputs, "audio": louder}).parts["word_weights"])
    assert torch.allclose(one.sum(dim=2), torch.ones(3, 1).double())


def test_mtsas_penalty_is_the_distance_to_the_main_modality() -> None:
    torch.manual_seed(0)
    fusion, inputs = TranslationFusion(shape_of(), 4, 0.5, **TRANSFORMER).double(), inputs_of()
    seen = []
    fusion.output.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    penalty = fusion(inputs).penalty
    main, *translated = seen[0].split(4, dim=2)
    assert torch.equal(main, inputs["text"].pooled)
    expected = sum(((one - main) ** 2).mean() for one in translated) / 2
    assert torch.allclose(penalty, 0.5 * expected)


def test_mtsas_main_modality_does_not_move_towards_its_translations() -> None:
    torch.manual_seed(0)
    fusion, inputs = TranslationFusion(shape_of(), 4, 0.5, **TRANSFORMER).double(), inputs_of()
    inputs["text"].pooled.requires_grad_()
    fusion(inputs).penalty.backward()
    assert inputs["text"].pooled.grad is None


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3.0, 0.0], [1.0, 0.0]),
        ([0.2, 0.0], [0.6, 0.4]),
        ([0.0, 0.0], [0.5, 0.5]),
        ([1.0, 0.8, -1.0], [0.6, 0.4, 0.0]),
    ],
)
def test_sparsemax_by_hand(scores: list[float], expected: list[float]) -> None:
    assert torch.allclose(sparsemax(torch.tensor(scores)), torch.tensor(expected), atol=1e-6)


def test_sparsemax_is_the_nearest_point_of_the_simplex() -> None:
    torch.manual_seed(0)
    scores = torch.randn(50, 4).double()
    found = sparsemax(scores)
    assert (found >= 0).all() and torch.allclose(found.sum(dim=1), torch.ones(50).double())
    assert (found == 0).any()
    others = torch.distributions.Dirichlet(torch.ones(4).double()).sample((500,))
    nearest = (found - scores).square().sum(dim=1)
    assert (nearest[:, None] <= (others - scores[:, None]).square().sum(dim=2) + 1e-9).all()


def test_tcm_lstm_leaves_a_word_alone_where_the_choice_says_so() -> None:
    torch.manual_seed(0)
    lstm = EnhancedLSTM(3).double()
    words, heard = torch.randn(2, 4, 3).double(), torch.randn(2, 4, 3).double()
    lstm.choice.weight.data.zero_()
    lstm.choice.bias.data.copy_(torch.tensor([2.0, 0.0]))
    states, enhanced = lstm(words, heard)
    assert not enhanced.any() and torch.allclose(states, lstm.lstm(words)[0])
    lstm.choice.bias.data.copy_(torch.tensor([0.0, 2.0]))
    states, enhanced = lstm(words, heard)
    alone = torch.tanh(lstm.enhance(torch.cat([words, heard], dim=2)))
    assert (enhanced == 1).all() and torch.allclose(states, lstm.lstm(alone)[0])


def test_a_channel_aware_convolution_by_loops() -> None:
    torch.manual_seed(0)
    module = ChannelAwareConvolution(2).double()
    tokens, mask = torch.randn(1, 4, 2).double(), torch.tensor([[True, True, True, False]])
    tokens = tokens * mask[..., None]
    found = module(tokens, mask)[0]
    steps = []
    for t in range(3):
        total = module.convolution.bias.clone()
        for offset in (-1, 0, 1):
            if 0 <= t + offset < 4:
                total = total + module.convolution.weight[:, :, offset + 1] @ tokens[0, t + offset]
        steps.append(total.clamp(min=0))
    mean = sum(steps) / 3
    gate = torch.sigmoid(module.excite(module.squeeze(mean).clamp(min=0)))
    for t in range(3):
        assert torch.allclose(found[t], steps[t] * gate)
    assert not found[3].any()


def test_tcm_lstm_tells_how_much_each_auxiliary_enhanced() -> None:
    torch.manual_seed(0)
    parts = TemporalConvolutionFusion(shape_of(), 4).double()(inputs_of()).parts
    assert set(parts) == {"enhanced/audio", "enhanced/video"}
    assert all(((p >= 0) & (p <= 1)).all() for p in parts.values())


def test_alignment_by_hand() -> None:
    sequence = torch.tensor([[[1.0], [3.0], [5.0], [7.0]], [[2.0], [4.0], [0.0], [0.0]]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    steps = torch.tensor([[True, True, False], [True, True, True]])
    found = aligned(sequence, mask, steps)[..., 0]
    assert found[0].tolist() == [2.0, 6.0, 0.0]  # four items, two steps
    assert found[1].tolist() == [2.0, 3.0, 4.0]  # two items, three steps: the middle one has both
