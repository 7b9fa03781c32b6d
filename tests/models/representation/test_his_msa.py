"""The heterogeneous graph's convolution, edge by edge."""

import torch
from fusion_inputs import DIMS, inputs_of, shape_of

from mia_fairseq.models.modality_streams import summary_streams
from mia_fairseq.models.representation.his_msa import GraphFusion, GraphLayer


def test_a_layer_node_by_node_and_edge_by_edge() -> None:
    torch.manual_seed(0)
    layer = GraphLayer(("text", "audio"), 3).double()
    masks = {"text": torch.tensor([[True, True, False]]), "audio": torch.tensor([[True, True]])}
    nodes = {name: torch.randn(1, mask.shape[1], 3).double() for name, mask in masks.items()}
    found = layer({name: (nodes[name], masks[name]) for name in nodes})
    for name in nodes:
        for v in range(nodes[name].shape[1]):
            total = layer.itself[name](nodes[name][0, v])
            for kind in nodes:
                neighbours = [w for w in range(nodes[kind].shape[1]) if masks[kind][0, w]]
                for w in neighbours:
                    edge = layer.relations[f"{kind}_to_{name}"].weight @ nodes[kind][0, w]
                    total = total + edge / len(neighbours)
            expected = total.clamp(min=0) if masks[name][0, v] else torch.zeros(3).double()
            assert torch.allclose(found[name][0][0, v], expected)


def test_what_one_modality_says_reaches_the_others_summaries() -> None:
    torch.manual_seed(0)
    fusion, inputs = GraphFusion(shape_of(), 16, 1, 1.0).double(), inputs_of()
    nodes = fusion.layers[0](summary_streams(fusion.projections, inputs))
    moved = inputs["audio"]._replace(sequence=inputs["audio"].sequence + 1)
    others = fusion.layers[0](summary_streams(fusion.projections, {**inputs, "audio": moved}))
    for name in DIMS:
        assert not torch.allclose(nodes[name][0][:, 0], others[name][0][:, 0])
