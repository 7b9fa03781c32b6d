"""Registration, lookup by name, and the sentences for what is not there."""

import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.errors import InputError
from preprocess.extractors import base
from preprocess.extractors.base import (
    EXTRACTORS,
    MODALITIES,
    NOT_STATED,
    Clip,
    Extractor,
    Failure,
    build_extractor,
    discover,
    register_extractor,
)

OUTSIDE = """
from preprocess.extractors.base import Extractor
class Mine(Extractor):
    modality = "text"; licence = "MIT"; dim = 3
    def __init__(self, *, size="3"): self.dim = int(size)
    def extract(self, clips): return []
class Terse(Extractor):
    modality = "text"; dim = 3
    def extract(self, clips): return []
class Not: pass
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "outside_extractor.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "outside_extractor"
    sys.modules.pop("outside_extractor", None)


class Plain(Extractor):
    modality = "audio"
    licence = "MIT"
    dim = 2

    def extract(self, clips: Sequence[Clip]) -> list[np.ndarray | Failure]:
        return [np.zeros((1, 2), np.float32) for _ in clips]


def test_a_class_of_ones_own_is_built_with_its_options(outside: str) -> None:
    extractor = build_extractor(f"{outside}:Mine", {"size": "5"})
    assert extractor.dim == 5
    assert extractor.describe() == {
        "extractor": "outside_extractor:Mine",
        "dim": 5,
        "rate": None,
        "licence": "MIT",
    }
    assert build_extractor(f"{outside}:Terse").describe()["licence"] == NOT_STATED


def test_an_installed_extractor_is_found_by_its_entry_point(
    outside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint("mine", f"{outside}:Mine", base.ENTRY_POINT_GROUP)
    monkeypatch.setattr(base, "entry_points", lambda group: [entry])
    assert build_extractor("mine").describe()["extractor"] == "mine"


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("nothing_such", {}, r"no extractor is called 'nothing_such'; there are .*minilm"),
        ("no_module:Mine", {}, "No module named 'no_module'; check the module and PYTHONPATH"),
        ("outside_extractor:Yours", {}, "outside_extractor has no 'Yours'"),
        ("outside_extractor:Not", {}, "must be a subclass of"),
        ("outside_extractor:Mine", {"colour": "red"}, "has no option 'colour'; it knows size"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_sentence(
    outside: str, name: str, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        build_extractor(name, options)


def test_an_extractor_without_options_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRACTORS, "plain", Plain)
    with pytest.raises(InputError, match="knows none"):
        build_extractor("plain", {"a": "1"})


def test_a_name_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRACTORS, "minilm", discover()["minilm"])
    with pytest.raises(ValueError, match="already"):
        register_extractor("minilm")(Plain)


def test_every_extractor_of_the_house_tells_its_modality_and_licence() -> None:
    for name, kind in discover().items():
        assert kind.modality in MODALITIES, name
        assert kind.licence.strip() and kind.licence != NOT_STATED, name
        assert kind.name == name
        assert kind.__doc__, name


def test_notes_are_taken_once() -> None:
    extractor = Plain()
    assert extractor.take_notes() == []
    extractor.note(Clip("a"), "cut")
    assert extractor.take_notes() == [("a", "cut")]
    assert extractor.take_notes() == []
