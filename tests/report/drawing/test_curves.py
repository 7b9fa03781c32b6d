"""Training curves are what was trained."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from mia_fairseq.report.drawing.curves import read_curve


def test_of_an_update_that_was_written_twice_the_last_value_holds(tmp_path: Path) -> None:
    for values in ({10: 3.0, 20: 1.0}, {20: 2.0, 30: 0.5}):  # cut off after 20, and gone on from 10
        with SummaryWriter(str(tmp_path / "train")) as writer:
            for update, value in values.items():
                writer.add_scalar("loss", value, update)
    assert read_curve(tmp_path, "train", "loss") == ([10, 20, 30], [3.0, 2.0, 0.5])
