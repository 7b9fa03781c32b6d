"""The manifest: read, written, and what is wrong in it told row by row."""

import re
from pathlib import Path

import pytest

from mia_fairseq.errors import InputError
from preprocess.extraction.worker import Job
from preprocess.extractors.base import Clip
from preprocess.tables.manifest import Row, read_manifest, write_manifest


def _table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "manifest.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = [
        Row("a", "train", "0.5", tmp_path / "clips" / "a.mp4", 'He said\t"no" \n', 0.25, 3, "v", 0),
        Row("b", "test", "-3", text="été", end=1 / 3, speaker="Ross", fold=4, corpus="c"),
    ]
    write_manifest(tmp_path / "manifest.tsv", rows)
    manifest = read_manifest(tmp_path / "manifest.tsv")
    assert manifest.columns == (
        *("id", "split", "label", "path", "text", "start", "end", "group", "position"),
        *("speaker", "fold", "corpus"),
    )
    assert (tmp_path / "manifest.tsv").read_text().splitlines()[1].split("\t")[3] == "clips/a.mp4"
    assert manifest.rows == [
        Row("a", "train", "0.5", tmp_path / "clips/a.mp4", 'He said "no"', 0.25, 3.0, "v", 0),
        Row("b", "test", "-3", text="été", end=1 / 3, speaker="Ross", fold=4, corpus="c"),
    ]
    assert manifest.rows[0].clip() == Clip("a", tmp_path / "clips/a.mp4", 'He said "no"', 0.25, 3.0)


@pytest.mark.parametrize(
    "name",
    [
        *("my  clip.mp4", " lead.mp4", "trail ", "Screen Recording 3.14.15\u202fPM.mov"),
        *("a\x0bb", "a\x0cb", "a\x1cb", "a\x85b", "a\u2028b", "\u3000"),
    ],
)
def test_a_path_keeps_its_whitespace(tmp_path: Path, name: str) -> None:
    write_manifest(tmp_path / "manifest.tsv", [Row("a", "train", "1", tmp_path / name)])
    assert read_manifest(tmp_path / "manifest.tsv").rows[0].path == tmp_path / name
    nested = Row("a", "train", "1", tmp_path / name / name)
    write_manifest(tmp_path / "manifest.tsv", [nested])
    assert read_manifest(tmp_path / "manifest.tsv").rows == [nested]


@pytest.mark.parametrize("name", ["a\tb.mp4", "a\nb.mp4", "a\rb.mp4", "a.mp4\n"])
def test_a_path_that_the_table_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    rows = [Row("a", "train", "1", tmp_path / "good.mp4"), Row("b", "train", "1", tmp_path / name)]
    sentence = f"manifest.tsv: row 'b' has path {name!r} with a tab or a line end"
    with pytest.raises(InputError, match=re.escape(sentence)):
        write_manifest(tmp_path / "manifest.tsv", rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("row_id", "good"),
    [("\u5b57" * 66 + "ab", True), ("\u5b57" * 67, False)],
    ids=["200 bytes", "201"],
)
def test_an_id_is_as_long_as_a_file_name_may_be(tmp_path: Path, row_id: str, good: bool) -> None:
    text = f"id\tsplit\tlabel\na\ttrain\t1\n{row_id}\ttrain\t1\n"
    manifest = read_manifest(_table(tmp_path, text))
    assert [row.id for row in manifest.rows] == ["a", *([row_id] if good else [])]
    assert [fault.id for fault in manifest.faults] == ([] if good else [row_id])
    if good:
        Job("text", "x", tmp_path, shard="9999-of-10000").partial_path(row_id).parent.mkdir()
        Job("text", "x", tmp_path, shard="9999-of-10000").partial_path(row_id).touch()


def test_columns_that_no_row_uses_are_not_written(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.tsv", [Row("a", "train", "joy", text="")])
    assert (tmp_path / "manifest.tsv").read_text() == "id\tsplit\tlabel\ttext\na\ttrain\tjoy\t\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("good\ttrain\t1\t\t", r"manifest.tsv, line 3: its id stands on line 2 already"),
        ("b\ttrain\t\t\t", "line 3: its label is missing"),
        ("b\t \t1\t\t", "line 3: its split is missing"),
        ("b\ttrain\t1\t", "line 3: it has 4 cells, the header 5"),
        ("b\ttrain\t1\tsoon\t", "line 3: its start is 'soon', expected seconds"),
        ("b\ttrain\t1\t-1\t", "line 3: its start is '-1', expected seconds"),
        ("b\ttrain\t1\t2\t2", "line 3: it ends at 2 s, not after its start at 2 s"),
        ("../b\ttrain\t1\t\t", r"line 3: id '\.\./b' cannot name a file"),
        (".b\ttrain\t1\t\t", r"line 3: id '\.b' cannot name a file"),
    ],
)
def test_a_row_at_fault_is_told_and_the_rest_goes_on(tmp_path: Path, row: str, reason: str) -> None:
    text = f"id\tsplit\tlabel\tstart\tend\ngood\ttrain\t1\t\t\n{row}\nlast\ttest\t1\t0\t1\n"
    manifest = read_manifest(_table(tmp_path, text))
    assert [row.id for row in manifest.rows] == ["good", "last"]
    assert len(manifest.faults) == 1
    assert re.search(reason, manifest.faults[0].reason)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "its header has no column 'id'"),
        ("id\tlabel\na\t1\n", "its header has no column 'split'"),
        ("id\tsplit\tlabel\tcolour\n", "has column 'colour'"),
        ("id\tsplit\tlabel\tid\n", "has column 'id'"),
        ("id\tsplit\tlabel\na\ttrain\t\n", "no usable row, and 1 faulty ones"),
        ("id\tsplit\tlabel\tposition\na\ttrain\t1\tx\n", "no usable row"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_manifest(_table(tmp_path, text))


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tsv: the table cannot be read"):
        read_manifest(tmp_path / "none.tsv")


def test_cells_that_a_spreadsheet_has_quoted_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = "id\tsplit\tlabel\ttext\n"
    texts = ['say "yes"', '"whole"', '"so" she "said"']
    lines = [f"r{place}\ttrain\t1\t{text}\n" for place, text in enumerate(texts)]
    assert len(read_manifest(_table(tmp_path, head + "".join(lines))).rows) == 3
    assert not caplog.text
    rows = read_manifest(_table(tmp_path, head + 'a\ttrain\t1\t"say ""yes"""\n')).rows
    assert rows[0].text == '"say ""yes"""'
    assert "1 lines, the first 2, have cells with doubled quotation marks" in caplog.text
