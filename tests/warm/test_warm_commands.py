"""Commands that start warm are processes of their own, with nothing of this project in them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from warm import warm_commands

SPAWNS = """
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print(sorted(pool.map(abs, [-3, 2])), pool.submit(os.getppid).result() == os.getpid())
    server = multiprocessing.get_context("forkserver")
    process = server.Process(target=os._exit, args=(7,))
    process.start()
    process.join()
    print(process.exitcode)
"""


@pytest.mark.parametrize("with_fairseq", [False, True])
def test_words_folder_and_environment_are_the_commands_own(
    tmp_path: Path, with_fairseq: bool
) -> None:
    code = (
        "import sys, os, json; print(json.dumps([sys.argv, os.getcwd(), os.environ['A'], "
        "'fairseq' in sys.modules, sys.path[:2], os.environ.get('HOME'), os.getpid(), "
        "[m for m in sys.modules if m.split('.')[0] in ('mia_fairseq', 'preprocess')]]))"
    )
    environment = {"A": "b", "PYTHONPATH": "/somewhere"}
    words = ["python", "-c", code, "x y"]
    done = warm_commands.run(words, cwd=tmp_path, env=environment, with_fairseq=with_fairseq)
    *found, process, ours = json.loads(done.stdout)
    expected = [["-c", "x y"], str(tmp_path), "b", with_fairseq, ["", "/somewhere"], None]
    assert found == expected and process != os.getpid() and ours == []


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("raise SystemExit('a sentence')", 1, "a sentence\n"),
        ("raise SystemExit(3)", 3, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("import atexit, sys; atexit.register(sys.stderr.write, 'late')", 0, "late"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
    ],
)
def test_a_command_ends_as_it_does_cold(tmp_path: Path, code: str, status: int, told: str) -> None:
    warm = warm_commands.run(["python", "-c", code], cwd=tmp_path)
    cold = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert warm.returncode == cold.returncode == status
    assert warm.stderr.endswith(told) and cold.stderr.endswith(told)


def test_files_are_limited_and_time_is(tmp_path: Path) -> None:
    code = "with open('f', 'w') as file: file.write('x' * 9000)"
    limited = warm_commands.run(["python", "-c", code], cwd=tmp_path, most_bytes=8192)
    assert limited.returncode == 1 and "File too large" in limited.stderr
    with pytest.raises(TimeoutError, match=r"took more than 0\.5 s"):
        warm_commands.run(["python", "-c", "while True: pass"], cwd=tmp_path, timeout=0.5)


def test_processes_that_it_starts_are_its_children(tmp_path: Path) -> None:
    (tmp_path / "spawns.py").write_text(SPAWNS)
    done = warm_commands.run(["python", "-m", "spawns"], cwd=tmp_path)
    assert done.stdout.split("\n")[:2] == ["[2, 3] True", "7"], done.stderr
