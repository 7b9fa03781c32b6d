"""What all corpora share: rows are counted, and ids stand once."""

from pathlib import Path

import pytest

from mia_fairseq.data.format.labels import one_line
from mia_fairseq.errors import InputError
from preprocess.corpora.common import Corpus, finish
from preprocess.tables.manifest import Row, read_manifest


@pytest.mark.parametrize("again", ["v_1", "v  1", " v_1"])
def test_an_id_that_stands_twice_is_left_out_before_the_rows_are_counted(
    tmp_path: Path, again: str
) -> None:
    rows = [Row("v_1", "train", "1"), Row("v 1", "train", "2"), Row(again, "test", "3")]
    known = {"train": 2, "valid": 0, "test": 1}
    with pytest.raises(InputError, match="x: test has 0 rows, not 1"):
        finish(Corpus("x", rows), tmp_path / "m.tsv", known, partial=False)
    finish(Corpus("x", [*rows]), tmp_path / "m.tsv", known, partial=True)
    manifest = read_manifest(tmp_path / "m.tsv")
    assert [row.label for row in manifest.rows] == ["1", "2"] and manifest.faults == []
    told = (tmp_path / "m.faults.tsv").read_text().splitlines()[1:]
    assert told == [f"{one_line(again)}\tleft out: its id stands in an earlier row already"]
