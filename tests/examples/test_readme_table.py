"""README's results tables come from files: both must say the same."""

import json
from pathlib import Path

import pytest

from examples import readme_table
from mia_fairseq.errors import InputError

PLACES = "Before\n\n<!-- results: toy -->\n{}<!-- /results -->\n\nafter <!-- other -->\n"
SEED = {"n": 9, "mae": 0.5, "corr": float("nan"), "acc7": 0.25, "acc2_has0": 1 / 3, "unknown": [1]}


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    readme = tmp_path / "README.md"
    readme.write_text(PLACES.format(""))
    return readme, tmp_path / "results"


def call(place: tuple[Path, Path], *flags: str) -> str:
    readme_table.main(["--readme", str(place[0]), "--results", str(place[1]), *flags])
    return place[0].read_text()


def rows_file(tmp_path: Path) -> Path:
    file = tmp_path / "DATA.json"
    file.write_text(json.dumps({"MIA-Net": [SEED, {**SEED, "mae": 0.7}]}))
    return file


def test_the_readme_agrees_with_the_results_kept() -> None:
    readme_table.main(["--check"])


def test_rows_are_kept_and_written_between_the_marks(
    place: tuple[Path, Path], tmp_path: Path
) -> None:
    text = call(place, "--keep", "toy", f"All scores={rows_file(tmp_path)}")
    assert text.startswith("Before\n\n<!-- results: toy -->\nAll scores:\n\n| model |")
    assert text.endswith("<!-- /results -->\n\nafter <!-- other -->\n")
    assert "| MIA-Net | 2 | 9 | 0.600 ± 0.141 | – |" in text
    kept = json.loads((place[1] / "toy.json").read_text())["tables"][0]["rows"]["MIA-Net"][0]
    assert kept["corr"] is None and kept["acc2_has0"] == 0.333333 and "unknown" not in kept
    assert call(place) == text == call(place, "--check")


def test_check_fails_where_they_differ(place: tuple[Path, Path], tmp_path: Path) -> None:
    text = call(place, "--keep", "toy", str(rows_file(tmp_path)))
    place[0].write_text(text.replace("0.600", "0.500"))
    with pytest.raises(InputError, match="differ from"):
        call(place, "--check")


def test_a_table_without_a_file_is_refused(place: tuple[Path, Path]) -> None:
    place[0].write_text(PLACES.format("| a table nothing vouches for |\n"))
    with pytest.raises(InputError, match=r"nothing vouches.*--keep toy"):
        call(place)


def test_a_file_without_a_place_is_refused(place: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="README has no place"):
        call(place, "--keep", "elsewhere", str(rows_file(tmp_path)))


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '{"a": []}', '{"a": [{}]}', "{}"])
def test_files_without_rows_are_refused(
    place: tuple[Path, Path], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"bad\.json"):
        call(place, "--keep", "toy", str(file))


def test_keep_without_files_is_refused(place: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="names no file"):
        call(place, "--keep", "toy")
