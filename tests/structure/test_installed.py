"""What is released works far from the checkout: commands, their files, and training."""

import argparse
import email
import os
import shutil
import subprocess
import sys
import tarfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from harness import ROOT, make_store

from mia_fairseq.errors import InputError

COMMANDS = (
    *("preprocess.extract", "preprocess.binarize", "preprocess.import_arrays"),
    *("preprocess.import_mmsa", "preprocess.transcribe", "preprocess.unite"),
    *("preprocess.unpack_arrays", "preprocess.corpora.folder", "preprocess.corpora.mosi"),
    *("preprocess.corpora.mosei", "preprocess.corpora.meld", "preprocess.corpora.ravdess"),
    "preprocess.corpora.mosi_release",
    *("mia_fairseq.predict", "mia_fairseq.export", "mia_fairseq.complexity", "mia_fairseq.average"),
    *("mia_fairseq.data.verify", "mia_fairseq.experiments", "mia_fairseq.report"),
    "mia_fairseq.serve",
)
LOADS_TORCH_FIRST = "mia_fairseq.report.attention_maps"
# Each command's --help in one process; what it loads by then is told for the command.
HELP = """
import contextlib, io, runpy, sys
for command in sys.argv[1:]:
    sys.argv, printed = [command, "--help"], io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        runpy.run_module(command, run_name="__main__")
    assert printed.getvalue().startswith("usage:"), (command, printed.getvalue())
    loaded = sys.modules.keys() & {"torch", "fairseq", "transformers", "av", "cv2", "onnxruntime"}
    assert not loaded, (command, loaded)
import mia_fairseq, preprocess
print(mia_fairseq.__file__, preprocess.__file__)
"""


SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a registry gets of the sources."""
    folder = tmp_path_factory.mktemp("released")
    source = folder / "source"  # setuptools builds in the source's folder
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("mia_fairseq", "preprocess", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in (
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "MANIFEST.in",
        "CHANGELOG.md",
    ):
        shutil.copy(ROOT / name, source)
    built = subprocess.run(
        [sys.executable, "-c", SDIST, folder], cwd=source, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def installed(sdist: Path) -> Path:
    """The folder into which pip has installed the two packages out of the sources' archive."""
    site = sdist.with_name("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    install += ["--no-build-isolation", "--no-compile", "--target", str(site), str(sdist)]
    done = subprocess.run(install, cwd=sdist.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return site


def test_the_archive_and_the_wheel_tell_what_a_registry_asks_for(
    sdist: Path, installed: Path
) -> None:
    with tarfile.open(sdist) as archive:
        top = sdist.name.removesuffix(".tar.gz")
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
        told = archive.extractfile(f"{top}/PKG-INFO")
        assert told is not None
        about = [told.read().decode()]
    assert {"README.md", "LICENSE", "CHANGELOG.md", "docs/index.md", "setup.py"} <= names
    about.append(next(installed.glob("mia_fairseq-*.dist-info/METADATA")).read_text("utf-8"))
    for text in about:
        fields = email.message_from_string(text)
        assert (fields["Name"], fields["License"]) == ("mia_fairseq", "MIT")
        assert top == f"mia_fairseq-{fields['Version']}"
        assert fields["Description-Content-Type"] == "text/markdown" and fields["Summary"]
        assert fields.get_payload() == (ROOT / "README.md").read_text("utf-8")


def run_there(installed: Path, empty: Path, *command: str | Path) -> str:
    """Runs a command of the installed packages in an empty folder; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONWARNINGS", None)
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_every_command_answers_help_and_loads_little(installed: Path, tmp_path: Path) -> None:
    printed = run_there(installed, tmp_path, sys.executable, "-c", HELP, *COMMANDS)
    assert all(Path(file).is_relative_to(installed) for file in printed.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_keeps_the_descriptions_lines_and_tells_each_default(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsers: list[argparse.ArgumentParser] = []

    def caught(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        parsers.append(parser)
        raise InputError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", caught)
    place = f"{command}.__main__" if find_spec(command).submodule_search_locations else command
    with pytest.raises(InputError):
        import_module(place).main([])
    (parser,) = parsers
    assert parser.prog == f"python -m {command}" and parser.description in parser.format_help()
    assert ": What " not in parser.description
    formatter = parser._get_formatter()
    for action in parser._actions:
        if action.option_strings and action.default not in (None, False, [], argparse.SUPPRESS):
            assert action.help and "default" in formatter._expand_help(action), action.dest


def test_every_command_is_in_the_list() -> None:
    commands = {
        str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__main__")
        for top in ("mia_fairseq", "preprocess")
        for path in (ROOT / top).rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    assert commands == {*COMMANDS, LOADS_TORCH_FIRST}


def test_experiments_find_their_files(installed: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "DATA", {"text": 3, "audio": 2, "video": 2})
    printed = run_there(
        *(installed, tmp_path, sys.executable, "-m", "mia_fairseq.experiments", "table4"),
        *("--data", "DATA", "--seeds", "1", "--print"),
    )
    assert "table4.yaml inherits base.yaml" in printed and printed.count("fairseq-train") == 6


def test_training_starts_without_a_warning(installed: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "DATA", {"text": 3, "audio": 2, "video": 2})
    tool = Path(sys.executable).with_name("fairseq-train")
    printed = run_there(
        *(installed, tmp_path, tool, "DATA", "--user-dir", installed / "mia_fairseq"),
        *("--task", "multimodal_affect", "--arch", "mia_net", "--criterion", "mae_krl"),
        *("--max-epoch", "1", "--save-dir", "CKPT", "--no-progress-bar"),
    )
    assert (tmp_path / "CKPT" / "checkpoint_best.pt").is_file()
    for word in ("UserWarning", "FutureWarning", "MigrationWarning", "DEBUG", "tensorboardX"):
        assert word not in printed, printed
