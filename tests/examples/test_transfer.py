"""Table 5: models carried to other corpora, and a head trained anew on a frozen model."""

from pathlib import Path

import pytest
import torch
from fairseq import checkpoint_utils
from harness import EMOTIONS, make_store, train, validate

from examples.experiment import load
from examples.plan import plan
from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectModel

DIMS = {"text": 12, "audio": 7, "video": 5}  # as the fixture `corpus`
USER_DIR = ("--user-dir", "examples/transfer")


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    state = checkpoint_utils.load_checkpoint_to_cpu(str(checkpoint))
    return dict(state["model"])


def test_only_the_head_is_trained_anew(corpus: Path, checkpoint: Path, tmp_path: Path) -> None:
    emotions = make_store(tmp_path / "EMOTIONS", DIMS, label=EMOTIONS)
    flags = (*USER_DIR, "--arch", "transferred", "--transferred-from", checkpoint)
    train(emotions, tmp_path / "ckpt", *flags, "--criterion", "ce_krl", "--max-epoch", "1")
    found = {
        name.removeprefix("body."): value
        for name, value in weights(tmp_path / "ckpt" / "checkpoint_best.pt").items()
    }
    trained = weights(checkpoint)
    assert found.keys() == trained.keys()
    for name in trained:
        if not name.startswith("head."):
            torch.testing.assert_close(found[name], trained[name], rtol=0, atol=0)
    assert found["head.weight"].shape == (3, trained["head.weight"].shape[1])
    results = tmp_path / "results.json"
    best = tmp_path / "ckpt" / "checkpoint_best.pt"
    validate(emotions, best, *USER_DIR, "--results-json", results)
    assert '"n": 23' in results.read_text()


def test_what_does_not_fit_is_told(corpus: Path, checkpoint: Path, tmp_path: Path) -> None:
    from argparse import Namespace

    from examples.transfer.transferred import Transferred
    from mia_fairseq.tasks.multimodal_affect import MultimodalAffectConfig, MultimodalAffectTask

    def build(path: Path, data: Path, aux: str = "audio,video") -> AffectModel:
        task = MultimodalAffectTask(MultimodalAffectConfig(data=str(data), aux_modalities=aux))
        return Transferred.build_model(Namespace(transferred_from=str(path)), task)

    with pytest.raises(InputError, match="is no file"):
        build(tmp_path / "none.pt", corpus)
    with pytest.raises(InputError, match="was trained on text, audio, video, got text, video"):
        build(checkpoint, corpus, "video")
    other = make_store(tmp_path / "OTHER", {**DIMS, "audio": 8}, label=EMOTIONS)
    with pytest.raises(InputError, match="audio has dim 8"):
        build(checkpoint, other)
    (tmp_path / "broken.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="cannot be read"):
        build(tmp_path / "broken.pt", corpus)
    body = build(checkpoint, corpus)
    body.train()
    assert not any(module.training for module in body.body.modules())


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
    assert [entry.later for entry in planned] == [False] * 3 + [True] * 4
    head, trained = planned[3], planned[0]
    assert head.tables[1].paper == "trained on test, head trained anew"
    for run, source in zip(head.runs, trained.runs, strict=True):
        place = run.flags.index("--transferred-from")
        assert run.flags[place + 1] == str(source.folder / "checkpoint_best.pt")
        assert "--channels" not in run.flags and "--criterion" in run.flags
        assert run.flags[run.flags.index("--lr") + 1] == "1"
    assert head.runs[0].folder.parent == head.runs[1].folder.parent
    assert trained.runs[0].evaluations[2].data == stores[1]
