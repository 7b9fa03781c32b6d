"""How much is fetched is one figure, that of the wheels, wherever it is told."""

import re
from pathlib import Path

import pytest
from harness import ROOT

from mia_fairseq.pretrained.model_list import MODELS
from mia_fairseq.pretrained.model_store import cache_folder

FETCHED = re.compile(r"(\d+) MB,? (?:to fetch|(?:is|are) fetched)")
NAMES = {"mpnet": "MPNet|all-mpnet-base-v2|`sentiment`", "whisper_base": "Whisper base"}
TOLD = (
    "README.md",
    "docs/*.md",
    "mia_fairseq/**/*.py",
    "mia_fairseq/**/*.md",
    "preprocess/**/*.py",
)


def test_megabytes_are_millions_of_bytes_of_all_wheels() -> None:
    assert [MODELS[name].megabytes for name in ("minilm", "mpnet", "whisper_base")] == [
        84,
        405,
        150,
    ]
    assert all(wheel.size for model in MODELS.values() for wheel in model.wheels)
    assert MODELS["mpnet"].what.endswith("109 M parameters; 405 MB to fetch")


def test_every_page_tells_the_size_of_the_wheels() -> None:
    found: dict[str, set[str]] = {}
    for path in (path for pattern in TOLD for path in ROOT.glob(pattern)):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for told in FETCHED.finditer(text):
            before = text[: told.start()]
            last = {
                name: max((m.end() for m in re.finditer(words, before)), default=-1)
                for name, words in NAMES.items()
            }
            model = max(last, key=lambda name: last[name])
            assert int(told[1]) == MODELS[model].megabytes, (path, told[0], model)
            found.setdefault(model, set()).add(str(path.relative_to(ROOT)))
    assert "mia_fairseq/ready/sentiment/README.md" in found["mpnet"]
    assert "docs/clips.md" in found["mpnet"] & found["whisper_base"]


@pytest.mark.parametrize("name", MODELS)
def test_a_wheel_in_the_cache_has_its_size(name: str) -> None:
    known = [(w, f"{w.name.replace('-', '_')}-{w.version}-*.whl") for w in MODELS[name].wheels]
    folder: Path = cache_folder() / "wheels"
    there = [(wheel, file) for wheel, pattern in known for file in folder.glob(pattern)]
    if not there:
        pytest.skip("its wheels are not in the cache")
    assert [file.stat().st_size for _, file in there] == [wheel.size for wheel, _ in there]
