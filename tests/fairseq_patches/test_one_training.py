"""Of two trainings into one folder the second is refused, and nothing is left of the lock."""

import multiprocessing
import time
from pathlib import Path

import pytest
from harness import train

from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_patches.one_training import hold, release
from mia_fairseq.plugin import register

register()


@pytest.fixture(autouse=True)
def let_go() -> None:
    yield
    release()


def test_a_second_training_is_refused_while_the_first_one_runs(
    corpus: Path, tmp_path: Path
) -> None:
    hold(str(tmp_path))
    refused = train(corpus, tmp_path, check=False)
    assert refused.returncode == 1 and "Traceback" not in refused.stdout
    last = refused.stdout.strip().splitlines()[-1]
    assert last.startswith(f"error: --save-dir {tmp_path}: another training is writing it; wait")
    assert list(tmp_path.iterdir()) == []
    release()
    train(corpus, tmp_path, "--max-epoch", "1")
    assert not list(tmp_path.glob(".*"))
    train(corpus, tmp_path, "--max-epoch", "2")  # goes on where the first one ended


def test_a_worker_that_outlives_the_training_does_not_hold_its_folder(tmp_path: Path) -> None:
    hold(str(tmp_path))
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    worker.start()
    try:
        with pytest.raises(InputError, match="another training is writing it"):
            hold(str(tmp_path))
        release()
        hold(str(tmp_path))
    finally:
        worker.kill()
        worker.join()
