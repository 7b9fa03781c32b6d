"""Fixtures that several tests share: a small corpus, a checkpoint, the real data."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import ROOT, make_store, train

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.model_store import fetch_model

DEAR = ("test_recipes", "test_readme", "test_benchmarks", "test_notebooks", "test_demo")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin, so that no process is left with one in the end."""
    items.sort(key=lambda item: DEAR.index(name) if (name := item.path.stem) in DEAR else len(DEAR))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data that lies beside the repository; tests skip without it."""
    folder = Path(os.environ.get("MIA_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is not here; set MIA_SHARED_DATA (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus of text, audio and video with scores."""
    dims = {"text": 12, "audio": 7, "video": 5}
    return make_store(tmp_path_factory.mktemp("corpus") / "DATA", dims)


@pytest.fixture(scope="session")
def checkpoint(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mia_net trained on `corpus` for two epochs."""
    folder = tmp_path_factory.mktemp("checkpoint")
    train(corpus, folder)
    return folder / "checkpoint_best.pt"


@pytest.fixture(scope="session")
def stored_model() -> Callable[[str], Path]:
    """The folder of a model of the store; the test is skipped where it cannot be fetched."""

    def fetch(name: str) -> Path:
        try:
            return fetch_model(name)
        except InputError as error:
            pytest.skip(f"the model {name} cannot be had here: {error}")

    return fetch
