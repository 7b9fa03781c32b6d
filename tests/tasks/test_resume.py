"""Killed, resumed, repeated, and on two processes: the same end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from harness import EMOTIONS, ROOT, make_store, train, validate

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.tasks.going_on import going_on

DIMS = {"text": 12, "audio": 7}
FLAGS = ("--aux-modalities", "audio", "--batch-size", "6")


def weights(folder: Path, name: str = "checkpoint_last.pt") -> dict[str, torch.Tensor]:
    return torch.load(folder / name, weights_only=True)["model"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(
        tmp_path_factory.mktemp("data") / "DATA", DIMS, rows={"train": 600, "valid": 40}
    )


def test_the_same_seed_gives_the_same_weights(data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train(data, tmp_path / name, *FLAGS, "--max-epoch", "1", "--dropout", "0.3")
    train(data, tmp_path / "c", *FLAGS, "--max-epoch", "1", "--dropout", "0.3", "--seed", "2")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


SPECS = dict.fromkeys(("text", "audio", "video"), ModalitySpec(4, "made by hand"))
SCHEMA = Schema("A", EMOTIONS, "text", ("audio", "video"), SPECS, class_counts=(3, 2, 1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"auxiliaries": ("video", "audio")},
            "text, audio, video, this run has text, v",
        ),
        ({"main": "audio", "auxiliaries": ("text", "video")}, "text, audio, video, this run has a"),
        ({"label": LabelSpec("classes", names=("joy", "neutral", "anger"))}, "neutral, joy, anger"),
        ({"further": {"valence": LabelSpec("regression")}}, "none, this run has valence"),
        ({"corpus": "B"}, "on the corpus A, this run has B"),
    ],
)
def test_training_goes_on_in_the_same_order_only(change: dict, told: str) -> None:
    """Where all weights have the same shapes."""
    then, now = Blueprint(SCHEMA).to_state(), Blueprint(replace(SCHEMA, **change))
    with pytest.raises(InputError, match=f"last.pt was trained .*{told}.*another --save-dir"):
        going_on(now, then, "last.pt", same_training=True)
    grown = Blueprint(replace(SCHEMA, class_counts=(3, 2, 2)))
    assert going_on(grown, then, "last.pt", same_training=True) == grown
    if "corpus" in change:  # another training may start from it
        begun = going_on(now, then, "last.pt", same_training=False)
        assert begun.seen == (("B", None), ("A", None))


def test_killed_in_the_middle_of_an_epoch_ends_the_same(data: Path, tmp_path: Path) -> None:
    flags = (*FLAGS, "--max-epoch", "5", "--save-interval-updates", "30", "--dropout", "0.3")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(data, whole, *flags)
    command = [
        *(str(Path(sys.executable).with_name("fairseq-train")), str(data)),
        *("--user-dir", "mia_fairseq", "--task", "multimodal_affect", "--arch", "mia_net"),
        *("--criterion", "mae_krl", "--lr", "1e-3", "--save-dir", str(killed), *flags),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    waited = time.monotonic()
    while not list(killed.glob("checkpoint_2_150.pt")) and process.poll() is None:
        assert time.monotonic() - waited < 280
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = torch.load(killed / "checkpoint_last.pt", weights_only=True)
    assert reached["extra_state"]["train_iterator"]["iterations_in_epoch"] > 0
    resumed = train(data, killed, *flags).stdout
    assert "Loaded checkpoint" in resumed
    for name in ("checkpoint_last.pt", "checkpoint_best.pt"):
        assert same(weights(whole, name), weights(killed, name)), name


@pytest.mark.parametrize("optimizer", ["adam", "adam_fused"])
def test_in_16_bits_a_restart_ends_the_same(data: Path, tmp_path: Path, optimizer: str) -> None:
    flags = (*FLAGS, "--bf16", "--optimizer", optimizer, "--lr", "1e-4")
    train(data, tmp_path / "whole", *flags, "--max-epoch", "3")
    train(data, tmp_path / "parts", *flags, "--max-epoch", "2")
    assert "Loaded checkpoint" in train(data, tmp_path / "parts", *flags, "--max-epoch", "3").stdout
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_patience_survives_a_restart(data: Path, tmp_path: Path) -> None:
    # A learning rate of almost nothing: no validation is better than the first.
    flags = ("--arch", "unimodal", "--lr", "1e-30", "--stop-min-lr", "-1", "--patience", "2")
    first = train(data, tmp_path, *flags, "--max-epoch", "2")
    assert "early stop" not in first.stdout
    train(data, tmp_path, *flags, "--max-epoch", "30")
    epochs = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)
    stopped = epochs["extra_state"]["train_iterator"]["epoch"]
    counted = epochs["extra_state"]["early_stopping"]
    assert counted["num_runs"] == 2 and stopped < 29
    again = train(data, tmp_path, *flags, "--max-epoch", "30")
    assert "training has stopped early already" in again.stdout
    later = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)
    assert later["extra_state"]["train_iterator"]["epoch"] == stopped


def run_two(tool: str, data: Path, *flags: str) -> str:
    """One command as two processes over gloo; returns the first one's output."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(2):
        command = [
            *(str(Path(sys.executable).with_name(tool)), str(data), "--user-dir", "mia_fairseq"),
            *("--task", "multimodal_affect", "--cpu", "--distributed-world-size", "2"),
            *("--distributed-rank", str(rank), "--distributed-no-spawn"),
            *("--distributed-init-method", f"tcp://127.0.0.1:{port}"),
            *("--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp", *flags),
        ]
        processes.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [process.communicate(timeout=290)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs[0][-3000:]
    return outputs[0]


def test_two_processes_train_resume_and_evaluate(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", DIMS, rows={"train": 61, "valid": 21, "test": 23})
    flags = (*FLAGS, "--arch", "mia_net", "--criterion", "mae_krl", "--lr", "1e-3")
    flags = (*flags, "--save-dir", str(tmp_path / "two"), "--batch-size", "4")
    run_two("fairseq-train", data, *flags, "--max-epoch", "1")
    log = run_two("fairseq-train", data, *flags, "--max-epoch", "2")
    assert "Loaded checkpoint" in log and "end of epoch 2" in log and "n 21" in log
    checkpoint = tmp_path / "two" / "checkpoint_best.pt"
    evaluation = ("--path", str(checkpoint), "--valid-subset", "test", "--batch-size", "4")
    run_two("fairseq-validate", data, *evaluation, "--results-json", str(tmp_path / "two.json"))
    validate(data, checkpoint, "--results-json", tmp_path / "one.json")
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert one["n"] == two["n"] == 23 and one["mae"] == pytest.approx(two["mae"], abs=1e-6)
