"""A full disk, a lack of permission, a folder in a file's place, Ctrl-C: one line everywhere."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import ROOT
from warm import warm_commands

from mia_fairseq.errors import InputError, quoted, shortened, system_sentence
from mia_fairseq.files import telling_full_disk

PLUGIN = ("--user-dir", "mia_fairseq", "--task", "multimodal_affect", "--arch", "unimodal")
TRAIN = (*PLUGIN, "--criterion", "mae_krl", "--no-progress-bar", "--lr", "1e-3")
BINARIES = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EACCES, "no permission"),
        (errno.EISDIR, "it is a folder, expected a file"),
        (errno.ENOTDIR, "is a file, expected a folder"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_an_error_of_the_system_names_the_place(number: int, told: str) -> None:
    sentence = system_sentence(OSError(number, os.strerror(number), "/data/out.json"))
    assert sentence is not None and sentence.startswith("/data/out.json: ") and told in sentence


def test_an_error_that_is_its_own_cause_has_an_end() -> None:
    error = OSError(errno.ENOENT, os.strerror(errno.ENOENT), "/data/a.npy")
    error.__cause__ = KeyError("a")
    error.__cause__.__cause__ = error
    assert str(system_sentence(error)).startswith("/data/a.npy: there is no such file")


def test_only_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="free some and run the same command again"),
        telling_full_disk(tmp_path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError) as gone, telling_full_disk(tmp_path):
        (tmp_path / "gone").rename(tmp_path / "b")
    assert gone.value.__cause__ is None


def test_other_errors_keep_their_traceback() -> None:
    for error in (ValueError("a bug"), OSError("a library's own"), KeyError("name")):
        assert system_sentence(error) is None
    full = RuntimeError(f"h5py: can't write ({os.strerror(errno.ENOSPC)})")
    assert "free some" in str(system_sentence(full))


def test_messages_quote_two_hundred_characters_of_a_value() -> None:
    value = "ab" * 5000
    told = str(InputError(f"table.csv, line 3: label is {value!r}, expected a user's own 'x'"))
    assert len(told) < 280 and told.endswith("…', expected a user's own 'x'")
    assert len(str(InputError(f"splits are {[value] * 5000!r}; name one"))) <= 2010
    assert len(quoted(value)) == len(shortened(value)) == 200
    plain = "the user's file's " + "long story, " * 30 + "isn't cut, for none of it's quoted"
    assert str(InputError(plain)) == plain


def last_line(*command: str | Path, limit: int | None = None) -> tuple[int, str, str]:
    """Runs a command: its status, its last line and all it said."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = warm_commands.run(command, cwd=ROOT, env=environment, most_bytes=limit)
    return done.returncode, done.stderr.strip().splitlines()[-1], done.stdout + done.stderr


def test_training_into_a_file_and_onto_a_full_disk(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    train = (BINARIES / "fairseq-train", corpus, *TRAIN, "--max-epoch", "1", "--save-dir")
    status, line, said = last_line(*train, tmp_path / "file")
    assert (status, "Traceback" in said) == (1, False) and line.startswith("error: ")
    status, line, said = last_line(*train, tmp_path / "save", limit=8192)
    assert (status, "Traceback" in said) == (1, False) and line.startswith("error: ")
    assert "checkpoint" in line and not list((tmp_path / "save").iterdir())


def test_results_where_a_folder_is(corpus: Path, checkpoint: Path, tmp_path: Path) -> None:
    average = (sys.executable, "-m", "mia_fairseq.average", checkpoint, checkpoint, "--out")
    for place in (tmp_path, checkpoint / "below.pt", Path("/proc/nowhere/mean.pt")):
        status, line, said = last_line(*average, place)
        assert (status, "Traceback" in said) == (1, False) and line.startswith("error: ")
    status, line, said = last_line(*average, tmp_path / "mean.pt", limit=8192)
    assert (status, "Traceback" in said) == (1, False) and line.startswith("error: ")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_in_training_is_one_line(corpus: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [BINARIES / "fairseq-train", corpus, *TRAIN, "--max-epoch", "100000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("w") as file:
        process = subprocess.Popen(
            [*map(str, command), "--no-save", "--disable-validation"],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
            # Tests that run in the background ignore it, and what they start would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        while "begin" not in log.read_text() and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=100) in (130, -signal.SIGINT)
    finally:
        process.kill()
    said = log.read_text()
    assert said.rstrip().endswith("interrupted") and "Traceback" not in said
