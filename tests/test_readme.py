"""The README is true: its commands run, in its order, on a small corpus; its files exist."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness import ROOT

from examples.demo_corpus.__main__ import make_corpus

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line]
MAKE = [command for command in COMMANDS if command.startswith("make ")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugin and the files that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("mia_fairseq", "preprocess", "examples"):
        (folder / name).symlink_to(ROOT / name)
    rng = np.random.default_rng(0)
    rows, dims = 90, {"text": 6, "audio": 5, "video": 4}
    label = np.round(rng.uniform(-3, 3, rows), 1)
    features = {
        name: (label[:, None] + rng.normal(size=(rows, dim))).astype(np.float32)
        for name, dim in dims.items()
    }
    np.savez(
        folder / "my_features.npz",
        **features,
        label=label,
        split=np.array(["train"] * 70 + ["test"] * 20),
        video_id=np.array([f"v{row // 5}" for row in range(rows)]),
        id=np.array([f"u{row}" for row in range(rows)]),
        transcript=np.array(["some words"] * rows),
    )
    write_mmsa(folder / "unaligned_50.pkl", rng)
    lines = ["id\tsplit\tlabel"]
    for name, values in features.items():
        (folder / "features" / name).mkdir(parents=True)
        for row in range(12):
            np.save(folder / "features" / name / f"u{row}.npy", values[row : row + 1])
    lines += [f"u{row}\ttrain\t{label[row]}" for row in range(12)]
    (folder / "my_manifest.tsv").write_text("\n".join(lines) + "\n")
    table = make_corpus(folder, clips=24, seed=1, size=96)
    table.write_text(table.read_text().replace(",clips/", ","))  # paths within the folder of clips
    shutil.copy(next((folder / "clips").glob("*.mp4")), folder / "clip.mp4")
    return folder


def write_mmsa(path: Path, rng: np.random.Generator) -> None:
    import pickle

    content = {
        split: {
            "id": [f"{split}$_${row}" for row in range(4)],
            "raw_text": ["words"] * 4,
            "text": rng.normal(size=(4, 3, 5)),
            "audio": rng.normal(size=(4, 3, 4)),
            "vision": rng.normal(size=(4, 3, 2)),
            "regression_labels": rng.uniform(-3, 3, 4),
        }
        for split in ("train", "valid", "test")
    }
    path.write_bytes(pickle.dumps(content))


def test_every_command_runs_in_order(workplace: Path) -> None:
    """All but the two make targets, which CI runs by themselves."""
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(workplace),
        "OMP_NUM_THREADS": "1",
    }
    commands = [command for command in COMMANDS if command not in MAKE]
    assert len(commands) >= 15
    for command in commands:
        words = shlex.split(command)
        result = subprocess.run(
            words, cwd=workplace, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, f"{command}\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
    assert json.loads((workplace / "results.json").read_text())["n"] == 20
    assert json.loads((workplace / "custom.json").read_text())["n"] == 20
    assert len((workplace / "predictions.tsv").read_text().splitlines()) == 21
    assert list((workplace / "CKPT" / "tensorboard" / "valid").iterdir())


def test_the_make_targets_exist() -> None:
    assert MAKE == ["make demo", "make test"]
    for command in MAKE:
        dry = subprocess.run(
            [*command.split(), "-n", f"PYTHON={sys.executable}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert dry.returncode == 0, dry.stderr


def test_a_python_that_does_not_fit_is_told_although_the_venv_is_there(tmp_path: Path) -> None:
    (tmp_path / "python3.9").write_text("#!/bin/sh\n[ $1 = --version ] && echo Python 3.9.1\n")
    (tmp_path / "python3.9").chmod(0o755)
    for fit, named in (
        (False, tmp_path / "python3.9"),
        (False, "/nowhere"),
        (True, sys.executable),
    ):
        command = ["make", "fit", f"VENV={Path(sys.prefix)}", f"PYTHON={named}"]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (told.returncode == 0) == fit, told.stderr
        assert fit or "set-up needs Python 3.11 or 3.12, found" in told.stderr


def test_the_files_of_the_tree_exist() -> None:
    tree = README[README.index("mia_fairseq/            the plugin") :]
    tree = tree[: tree.index("```")]
    names = re.findall(r"[\w/]+\.py", tree)
    assert len(names) > 15
    for name in names:
        assert list(ROOT.rglob(Path(name).name)), name


def test_flags_in_the_settings_table_exist() -> None:
    from fairseq import options

    from mia_fairseq.plugin import register

    register()
    parser = options.get_training_parser()
    flags = set(re.findall(r"`(--[a-z-]+)`", README[README.index("| setting |") :]))
    arguments = ["DATA", "--task", "multimodal_affect", "--arch", "mia_net"]
    known = set()
    for criterion in ("mae_krl", "ce_krl"):
        options.parse_args_and_arch(parser, [*arguments, "--criterion", criterion])
        known |= {name for action in parser._actions for name in action.option_strings}
        parser = options.get_training_parser()
    elsewhere = {"--user-dir", "--label-range", "--classes", "--round-labels"}
    elsewhere |= {"--no-build-isolation", "--valid-fraction", "--seeds", "--out", "--json"}
    assert flags - elsewhere <= known
