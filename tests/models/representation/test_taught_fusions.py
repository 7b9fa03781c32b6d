"""What a fusion may ask for beyond its inputs: labels in training, state by row, named parts."""

from types import SimpleNamespace

import torch
from test_fusions import batch, build

from mia_fairseq.criterions.mae_krl import MaeKrlCriterion
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.fusion import Fusion, FusionOutput, Taught
from mia_fairseq.modules.row_memory import RowMemory


class Listening(Fusion):
    """Keeps what it is told."""

    asks_for_labels = True

    def __init__(self) -> None:
        super().__init__()
        self.memory = RowMemory(1)
        self.told: list[Taught | None] = []

    def forward(self, inputs, taught=None) -> FusionOutput:
        self.told.append(taught)
        if taught is not None:
            self.memory.write(taught.rows, taught.labels[:, None])
        main = inputs["text"].pooled
        return FusionOutput(torch.zeros_like(main), parts={"gate": main.mean(dim=(1, 2))})


def listening_model():
    model = build("concat", 2)
    model.fusion = Listening()
    model.fusion.begin_training(9)
    return model


def sample():
    features, lengths = batch(2)
    return {
        "net_input": {"features": features, "lengths": lengths},
        "target": torch.tensor([1.0, -2.0, 0.5]),
        "id": torch.tensor([4, 0, 7]),
        "nsentences": 3,
        "ntokens": 9,
    }


def criterion() -> MaeKrlCriterion:
    schema = SimpleNamespace(label=LabelSpec("regression"), corpus="test")
    return MaeKrlCriterion(SimpleNamespace(schema=schema), gamma=0.3)


def test_labels_are_seen_in_training_alone() -> None:
    model, loss = listening_model(), criterion()
    loss(model, sample())
    assert torch.equal(model.fusion.told[0].labels, sample()["target"])
    assert model.fusion.told[0].rows.tolist() == [4, 0, 7]
    loss.eval()
    loss(model.eval(), sample())
    # Even where a caller hands them over, a model in evaluation passes none on.
    taught = Taught(sample()["target"], sample()["id"])
    model(**sample()["net_input"], taught=taught)
    assert model.fusion.told[1:] == [None, None]


def test_state_by_row_is_part_of_what_a_checkpoint_holds() -> None:
    model = listening_model()
    criterion()(model, sample())
    expected = [-2.0, 0, 0, 0, 1.0, 0, 0, 0.5, 0]
    assert model.fusion.memory.vectors.flatten().tolist() == expected
    other = build("concat", 2)
    other.fusion = Listening()  # no rows yet, as in evaluation
    other.load_state_dict(model.state_dict(), strict=True)
    assert other.fusion.memory.vectors.flatten().tolist() == expected
    assert other.fusion.memory.visits.tolist() == [1, 0, 0, 0, 1, 0, 0, 1, 0]


def test_parts_reach_the_models_output() -> None:
    model = listening_model().eval()
    assert model(*batch(2)).parts["gate"].shape == (3,)
    assert not build("concat", 2).eval()(*batch(2)).parts
