"""Table 5: models carried to other corpora, and a head trained anew on a frozen model."""

from pathlib import Path

from harness import EMOTIONS, make_store

from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.specification.experiment import load

DIMS = {"text": 12, "audio": 7, "video": 5}


def test_table_5_goes_every_way(tmp_path: Path) -> None:
    stores = [make_store(tmp_path / name, DIMS) for name in ("A", "B")]
    stores.append(make_store(tmp_path / "C", DIMS, label=EMOTIONS))
    planned = plan(load("table5"), stores, seeds=2, out=tmp_path, more={"channels": 2, "lr": 1})
    shown = [(place.row, place.data.name) for entry in planned for place in entry.tables[1:]]
    assert shown == [
        ("MIA-Net", "A"),
        ("MIA-Net, trained on A", "B"),
        ("MIA-Net", "B"),
        ("MIA-Net, trained on B", "A"),
        ("MIA-Net", "C"),
        ("MIA-Net, trained on A, head trained anew", "C"),
        ("MIA-Net, trained on B, head trained anew", "C"),
        ("MIA-Net, trained on C, head trained anew", "A"),
        ("MIA-Net, trained on C, head trained anew", "B"),
    ]
    assert [entry.stage for entry in planned] == [0] * 3 + [1] * 4
    head, trained = planned[3], planned[0]
    assert head.tables[1].paper == "trained on test, head trained anew"
    for run, source in zip(head.runs, trained.runs, strict=True):
        place = run.flags.index("--init-from")
        assert run.flags[place + 1] == str(source.folder / "checkpoint_best.pt")
        assert {"--criterion", "--reset-head"} <= set(run.flags)
        assert run.flags[run.flags.index("--channels") + 1] == "2"
        assert run.flags[run.flags.index("--train-only") + 1] == "head"
        assert run.flags[run.flags.index("--lr") + 1] == "1"
    assert head.runs[0].folder.parent == head.runs[1].folder.parent
    assert trained.runs[0].evaluations[2].data == stores[1]
