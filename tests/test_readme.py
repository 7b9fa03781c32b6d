"""README and docs are true: their commands run, in their order, on a small corpus."""

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
from released import small_bert
from small_whisper import write_whisper
from warm import warm_commands

from examples.demo_corpus.__main__ import make_corpus
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.pretrained.model_store import fetch_model

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = (
    *("clips", "features", "training", "encoders", "experiments", "extending", "format"),
    *("clusters", "tutorial", "papers_table", "forty_clips"),
)
DOCS = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def commands_of(text: str) -> list[str]:
    """The lines of a page's blocks of commands."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line]


MAKE = [command for command in commands_of(README) if command.startswith("make ")]


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
    content = table.read_text().replace(",clips/", ",")  # paths within the folder of clips
    table.write_text(re.sub('"[^"]*"', "", content, count=1))  # the first clip's words are heard
    shutil.copy(next((folder / "clips").glob("*.mp4")), folder / "clip.mp4")
    write_whisper(folder / "WHISPER", fetch_model("whisper"))
    small_bert(folder / "GERMAN_BERT", ["so", "gut", "schlecht"], positions=200)
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


_started: set[tuple[str, ...]] = set()  # commands that have started cold


def run_all(commands: list[str], workplace: Path) -> None:
    """Runs a page's commands as a shell would, in its order; each starts cold once."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(workplace),
        "OMP_NUM_THREADS": "1",
    }
    for command in commands:
        words = shlex.split(command)
        while "=" in words[0]:  # RANK=0 in front of a command
            environment |= dict([words.pop(0).split("=", 1)])
        kind = tuple(words[:1] if words[0].startswith("fairseq") else words[:3])
        start = warm_commands.run if kind in _started else subprocess.run
        _started.add(kind)
        result = start(words, cwd=workplace, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{command}\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
        printed = result.stdout + result.stderr
        # fairseq-hydra-train logs two lines of Hydra's own before it loads any plugin
        printed = printed.replace("DEBUG:hydra.core.utils:Setting JobRuntime", "")
        assert "tensorboardX" not in printed and "DEBUG" not in printed, command


def test_every_command_and_example_of_the_readme_runs(workplace: Path) -> None:
    """All but the two make targets, which CI runs by themselves."""
    commands = [command for command in commands_of(README) if command not in MAKE]
    assert len(commands) >= 8
    run_all(commands, workplace)
    assert json.loads((workplace / "results.json").read_text())["n"] == 20
    assert len((workplace / "predictions.tsv").read_text().splitlines()) == 21
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    run_all([shlex.join(["python", "-c", example])], workplace)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs(page: str, workplace: Path) -> None:
    if not (workplace / "DATA").exists():  # what the README's commands leave
        run_all(DATA_OF_README, workplace)
    for name, content in re.findall(
        r"`(\w+\.yaml)`:\n\n```yaml\n(.*?)```", DOCS[page], flags=re.DOTALL
    ):
        (workplace / name).write_text(content)  # a file that the page says to save
        load(str(workplace / name))
    run_all(commands_of(DOCS[page]), workplace)
    if page == "extending":
        assert json.loads((workplace / "custom.json").read_text())["n"] == 20


MAKES_DATA = ("import_arrays", "corpora", "transcribe")
DATA_OF_README = [
    command
    for command in commands_of(README)
    if command.startswith(tuple(f"python -m preprocess.{name}" for name in MAKES_DATA))
]


def test_links_lead_to_files() -> None:
    for name, text in {"README": README, **DOCS}.items():
        here = ROOT if name == "README" else ROOT / "docs"
        for link in LINK.findall(text):
            assert (here / link).exists(), f"{name}: {link}"
    assert len(README.splitlines()) <= 180


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


def test_the_folders_and_files_that_are_named_exist() -> None:
    tree = README[README.index("mia_fairseq/   the plugin") :]
    for folder in re.findall(r"(?:^|  )([a-z_]+)/ ", tree[: tree.index("```")], flags=re.MULTILINE):
        assert (ROOT / folder).is_dir() or (ROOT / "mia_fairseq" / folder).is_dir(), folder
    for name, text in {"README": README, **DOCS}.items():
        for path in re.findall(r"`((?:mia_fairseq|preprocess|tests|examples)/[\w/.]*)`", text):
            assert (ROOT / path).exists(), f"{name}: {path}"


def test_flags_in_the_tables_exist() -> None:
    from fairseq import options

    from mia_fairseq.plugin import register

    register()
    known: set[str] = set()
    for criterion, more in (("mae_krl", []), ("ce_krl", []), ("ce_distilled", ["--teacher", "F"])):
        parser = options.get_training_parser()
        arguments = ["DATA", "--task", "multimodal_affect", "--arch", "mia_net"]
        options.parse_args_and_arch(parser, [*arguments, "--criterion", criterion, *more])
        known |= {name for action in parser._actions for name in action.option_strings}
    for page in ("training", "encoders"):
        rows = [line for line in DOCS[page].splitlines() if line.startswith("| `--")]
        flags = {flag for row in rows for flag in re.findall(r"`(--[a-z0-9-]+)", row.split("|")[1])}
        assert flags and flags <= known, flags - known
