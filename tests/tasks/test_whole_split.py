"""Evaluation: the model runs once a batch, whatever the criterion; files come at a split's end."""

from pathlib import Path

import numpy as np
import pytest
import torch
from harness import make_store

import mia_fairseq  # noqa: F401
from mia_fairseq.criterions.mae_krl import MaeKrlCriterion
from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectOutput
from mia_fairseq.tasks.multimodal_affect import MultimodalAffectTask
from mia_fairseq.tasks.task_settings import MultimodalAffectConfig


class Counted(torch.nn.Module):
    """Puts out each row's number."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.scale = 0, torch.nn.Parameter(torch.ones(()))

    def forward(self, **net_input) -> AffectOutput:
        self.calls += 1
        return AffectOutput(self.scale * torch.arange(3.0), torch.tensor(0.5))


class OwnForward(MaeKrlCriterion):
    """A user's criterion that runs the model itself."""

    def forward(self, model, sample, reduce=True):
        loss, size, logged = super().forward(model, sample)
        return loss * 2, size, logged


@pytest.fixture
def task(tmp_path: Path) -> MultimodalAffectTask:
    data = make_store(tmp_path / "DATA", {"text": 4, "audio": 3})
    cfg = MultimodalAffectConfig(
        data=str(data), aux_modalities="audio", predictions=str(tmp_path / "out.tsv")
    )
    task = MultimodalAffectTask(cfg, evaluating=True)
    trained = MultimodalAffectTask(MultimodalAffectConfig(data=str(data), aux_modalities="audio"))
    task.load_state_dict({"schema": trained.chosen_schema(fuses=True).to_state()})
    task.load_dataset("test")
    return task


def sample(rows: list[int]) -> dict:
    target = torch.tensor([1.0, 1.0, 1.0])
    told = {"split": "test", "id": torch.tensor(rows), "target": target, "net_input": {}}
    return {**told, "nsentences": 3, "ntokens": 3}


@pytest.mark.parametrize(("kind", "runs", "times"), [(MaeKrlCriterion, 1, 1), (OwnForward, 2, 2)])
def test_the_criterion_is_given_what_the_model_put_out(task, kind, runs: int, times: int) -> None:
    model = Counted()
    loss, size, logged = task.valid_step(sample([4, 2, 0]), model, kind(task, 0.3))
    assert model.calls == runs and size == 3 and not model.training
    assert float(loss) == pytest.approx(times * (0.7 * 2 + 0.3 * 0.5 * 3))  # |0-1| + |1-1| + |2-1|
    assert not loss.requires_grad
    assert logged["rows"].rows.tolist() == [4, 2, 0]
    assert np.array_equal(logged["rows"].outputs, [0, 1, 2])


def test_a_split_that_is_not_whole_writes_nothing(task, tmp_path: Path) -> None:
    criterion = MaeKrlCriterion(task, 0.3).eval()
    _, _, logged = task.valid_step(sample([4, 2, 0]), Counted(), criterion)
    with pytest.raises(InputError, match="saw 3 of its 23 rows"):
        task.reduce_metrics([logged], criterion)
    assert not (tmp_path / "out.tsv").exists()


def test_training_tells_nobody_of_a_splits_end(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 4, "audio": 3})
    assert MultimodalAffectTask(MultimodalAffectConfig(data=str(data))).end_of_split == []
