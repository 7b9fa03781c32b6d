"""What the preprocessing tests share: real small models where they can be fetched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mia_fairseq.errors import InputError
from preprocess.model_store import fetch_model


@pytest.fixture(scope="session")
def stored_model() -> Callable[[str], Path]:
    """The folder of a model of the store; the test is skipped where it cannot be fetched."""

    def fetch(name: str) -> Path:
        try:
            return fetch_model(name)
        except InputError as error:
            pytest.skip(f"the model {name} cannot be had here: {error}")

    return fetch
