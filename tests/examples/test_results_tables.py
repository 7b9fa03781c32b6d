"""Tables and figures in the documents come from files of results: both must say the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from examples import results_tables
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.plan import INDEX_FORMAT
from mia_fairseq.experiments.summary_tables import MULTILABEL_COLUMNS, SIMS_COLUMNS

TABLE = "Before\n\n<!-- results: toy -->\n{}<!-- /results -->\n\nafter <!-- other -->\n"
FIGURE = "MAE <!-- figure: toy | All scores | MIA-Net | {} -->{}<!-- /figure -->."
SEED = {"n": 9, "mae": 0.5, "corr": float("nan"), "acc7": 0.25, "acc2_has0": 1 / 3, "unknown": [1]}


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    document = tmp_path / "README.md"
    document.write_text(TABLE.format(""))
    return document, tmp_path / "results"


def call(place: tuple[Path, Path], *flags: str) -> str:
    results_tables.main(["--documents", str(place[0]), "--results", str(place[1]), *flags])
    return place[0].read_text()


def rows_file(tmp_path: Path) -> Path:
    """An experiment's folder: rows, the index, and the folders of its runs."""
    folder = tmp_path / "runs" / "toy"
    for seed, valid in ((1, 0.4), (2, 0.6)):
        run = tmp_path / "runs" / "all" / "x" / f"seed{seed}"
        run.mkdir(parents=True, exist_ok=True)
        (run / "run.json").write_text(json.dumps({"content_sha256": "abc"}))
        (run / "valid.json").write_text(json.dumps({"n": 5, "mae": valid}))
        (run / "made_by.json").write_text(json.dumps({"commit": "c0ffee"}))
    folder.mkdir(exist_ok=True)
    evaluation = {"row": "MIA-Net", "split": "test", "data": "/somewhere/DATA"}
    entry = {"data": "/somewhere/DATA", "flags": ["--lr", "1"], "folder": "../all/x", "seeds": 2}
    index = {"rows": [{**entry, "evaluations": [evaluation]}]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "DATA.json").write_text(json.dumps({"MIA-Net": [SEED, {**SEED, "mae": 0.7}]}))
    return folder / "DATA.json"


def test_the_documents_agree_with_the_results_kept() -> None:
    results_tables.main(["--check"])


def test_rows_are_kept_with_what_made_them(place: tuple[Path, Path], tmp_path: Path) -> None:
    text = call(place, "--keep", "toy", f"All scores={rows_file(tmp_path)}")
    assert text.startswith("Before\n\n<!-- results: toy -->\nAll scores:\n\n| model |")
    assert text.endswith("<!-- /results -->\n\nafter <!-- other -->\n")
    assert "| MIA-Net | 2 | 9 | 0.600 ± 0.141 | – |" in text
    (table,) = json.loads((place[1] / "toy.json").read_text())["tables"]
    kept = table["rows"]["MIA-Net"][0]
    assert kept["corr"] is None and kept["acc2_has0"] == 0.333333 and "unknown" not in kept
    assert table["made_of"]["MIA-Net"] == {
        "flags": "--lr 1",
        "data": {"name": "DATA", "content_sha256": "abc"},
        "seeds": [1, 2],
        "valid": [{"n": 5, "mae": 0.4}, {"n": 5, "mae": 0.6}],
        "made_by": {"commit": "c0ffee"},
    }
    assert call(place) == text == call(place, "--check")


def test_every_seed_and_fold_tells_what_made_it(place: tuple[Path, Path], tmp_path: Path) -> None:
    file = rows_file(tmp_path)
    row = tmp_path / "runs" / "all" / "x"
    one, other = {"commit": "c0ffee"}, {"commit": "decade"}

    def kept() -> dict[str, Any]:
        call(place, "--keep", "toy", f"All scores={file}")
        (table,) = json.loads((place[1] / "toy.json").read_text())["tables"]
        return dict(table["made_of"]["MIA-Net"])

    (row / "seed2" / "made_by.json").write_text(json.dumps(other))
    (row / "seed2" / "run.json").write_text(json.dumps({"content_sha256": "of other rows"}))
    assert kept()["made_by"] == [one, other]
    assert kept()["data"]["content_sha256"] == ["abc", "of other rows"]
    for seed in (1, 2):  # of a cross-validation the folds' own folders tell it
        (row / f"seed{seed}" / "made_by.json").unlink()
        for fold in (0, 1):
            part = row / f"fold{fold}" / f"seed{seed}"
            part.mkdir(parents=True)
            (part / "made_by.json").write_text(json.dumps(one))
    assert kept()["made_by"] == one
    (row / "fold1" / "seed2" / "made_by.json").write_text(json.dumps(other))
    assert kept()["made_by"] == [one, other]


@pytest.mark.parametrize("columns", [SIMS_COLUMNS, MULTILABEL_COLUMNS])
def test_rows_of_every_kind_of_label_are_kept(
    place: tuple[Path, Path], tmp_path: Path, columns: tuple[str, ...]
) -> None:
    file = rows_file(tmp_path)
    by_label = {"by_label": {"happy": {"accuracy": 1.0}}} if "exact_match" in columns else {}
    seed = {"n": 9, **dict.fromkeys(columns, 0.5), **by_label}
    file.write_text(json.dumps({"MIA-Net": [seed]}))
    text = call(place, "--keep", "toy", f"All scores={file}")
    assert f"| n | {' | '.join(columns)} |" in text and "–" not in text


def test_differences_to_the_reference_are_kept_as_the_report_has_them(
    place: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "fusions"
    folder.mkdir(parents=True)
    entries = []
    for name, error in (("MIA-Net", 0.5), ("concat", 0.6), ("text only", 1.5)):
        run = tmp_path / "runs" / "all" / name / "seed1"
        run.mkdir(parents=True)
        lines = [f"u{n}\t{n % 3}\t{n % 3 + error + n % 5 / 10}" for n in range(40)]
        (run / "test.tsv").write_text("\n".join(["id\tlabel\tprediction", *lines]) + "\n")
        (run / "test.json").write_text(json.dumps({"format": 1, "n": 40, "mae": error + 0.2}))
        evaluation = {"row": name, "split": "test", "data": "/somewhere/DATA", "file": "test"}
        entry = {"data": "/somewhere/DATA", "flags": ["--lr", "1"], "folder": f"../all/{name}"}
        evaluation |= {"paper": None, "of": None}
        entries.append({**entry, "seeds": 1, "evaluations": [evaluation]})
    index = {"format": INDEX_FORMAT, "experiment": "fusions", "rows": entries}
    (folder / "index.json").write_text(json.dumps(index))
    rows = {name: [{"n": 40, "mae": mae}] for name, mae in (("MIA-Net", 0.7), ("text only", 1.7))}
    (folder / "costs.json").write_text(json.dumps(rows))
    text = call(place, "--keep", "toy", f"All scores={folder / 'costs.json'}")
    assert "| n | mae | mae − MIA-Net's [95 %] |" in text
    assert "| text only | 1 | 40 | 1.700 | +1.000 [+1.000, +1.000] * |" in text
    assert "| MIA-Net | 1 | 40 | 0.700 | – |" in text
    (table,) = json.loads((place[1] / "toy.json").read_text())["tables"]
    compared = table["compared"]
    assert (compared["metric"], compared["reference"]) == ("mae", "MIA-Net")
    low, high = compared["rows"]["concat"]["interval"]
    assert low < 0.8 < high and compared["rows"]["concat"]["difference"] == pytest.approx(0.1)
    assert set(table["made_of"]) == {"MIA-Net", "text only"}


@pytest.mark.parametrize(
    ("metric", "before", "after"),
    [
        ("mae", ".1", ".6"),
        ("mae", "0.100", "0.600"),
        ("mae", ".123 ± .456", ".600 ± .141"),
        ("acc7", "11.1 %", "25.0 %"),
        ("valid mae", ".99", ".50"),
    ],
)
def test_a_figure_in_a_sentence_is_written_as_it_stood(
    place: tuple[Path, Path], tmp_path: Path, metric: str, before: str, after: str
) -> None:
    place[0].write_text(TABLE.format("") + FIGURE.format(metric, before))
    text = call(place, "--keep", "toy", f"All scores={rows_file(tmp_path)}")
    assert text.endswith(FIGURE.format(metric, after))
    place[0].write_text(text.replace(f">{after}<", f">{before}<"))
    with pytest.raises(InputError, match=r"line \d+ differs from the results"):
        call(place, "--check")


@pytest.mark.parametrize("figure", [".77", "0.766", "(.583"])
def test_a_figure_without_a_mark_is_refused(place: tuple[Path, Path], figure: str) -> None:
    text = "`lr=.001`, 0.05 of it, 1.125 s, 60.25 %\n\n| published | .80 |\n"
    place[0].write_text(text)
    assert call(place) == text
    place[0].write_text(f"{text}so it had\n{figure}.\n")
    with pytest.raises(InputError, match=r"README\.md, line 5: \S+ comes from no results; mark it"):
        call(place, "--check")


def test_one_seed_has_no_deviation(place: tuple[Path, Path], tmp_path: Path) -> None:
    file = rows_file(tmp_path)
    file.write_text(json.dumps({"MIA-Net": [SEED]}))
    place[0].write_text(TABLE.format("") + FIGURE.format("mae", ".773 ± .005"))
    with pytest.raises(InputError, match="shows a deviation, and its row has one seed"):
        call(place, "--keep", "toy", f"All scores={file}")


def test_one_table_of_several(place: tuple[Path, Path], tmp_path: Path) -> None:
    file = rows_file(tmp_path)
    place[0].write_text("<!-- results: toy | B -->\n<!-- /results -->\n")
    text = call(place, "--keep", "toy", f"A={file}", f"B={file}")
    assert text.count("| MIA-Net |") == 1 and text.startswith("<!-- results: toy | B -->\n| model")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("| mae", "| mea", "no 'mea'; expected one of n, mae"),
        ("MIA-Net", "MIANet", "no 'MIANet'; expected one of MIA-Net"),
        ("All scores", "Some", "no 'Some'; expected one of All scores"),
        ("toy | All", "toi | All", "no 'toi'; expected one of toy"),
        (" | mae", "", "has 3 parts"),
        (">.1<", ">much<", "expected a figure such as .773"),
        (">.1<", ">77.3 % ± 1.2 %<", "expected a figure such as .773"),
        (">.1<", ">77.3 ± 1.2 %<", "expected a figure such as .773"),
    ],
)
def test_a_mark_that_names_nothing_is_refused(
    place: tuple[Path, Path], tmp_path: Path, old: str, new: str, told: str
) -> None:
    place[0].write_text(TABLE.format("") + FIGURE.format("mae", ".1").replace(old, new))
    with pytest.raises(InputError, match=told):
        call(place, "--keep", "toy", f"All scores={rows_file(tmp_path)}")


def test_a_table_without_a_file_is_refused(place: tuple[Path, Path]) -> None:
    place[0].write_text(TABLE.format("| a table nothing vouches for |\n"))
    with pytest.raises(InputError, match=r"nothing vouches.*--keep toy"):
        call(place)


def test_a_file_without_a_place_is_refused(place: tuple[Path, Path], tmp_path: Path) -> None:
    place[0].write_text("nothing")
    with pytest.raises(InputError, match="no document has a place"):
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
