"""A DATA folder that was changed after it was written is told, file by file."""

import json
from pathlib import Path

import pytest
from harness import make_store

from mia_fairseq.data.verify import faults, main
from mia_fairseq.errors import InputError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    kinds = {"text": "tokens"}
    return make_store(tmp_path / "DATA", {"text": 9, "audio": 2}, kinds=kinds, missing=0.2)


def test_a_whole_folder_is_whole(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(data)])
    assert capsys.readouterr().out == f"{data}: whole, 104 rows\n"


def test_each_changed_file_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = data / "train.audio.npy"
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(bytes(content))
    (data / "test.text.idx").unlink()
    (data / "foreign.txt").touch()
    with pytest.raises(InputError, match=r"4 faults, listed above"):
        main([str(data)])
    told = capsys.readouterr().out
    assert f"{vectors}: has changed since it was written" in told
    assert told.count("test.text.idx: is missing") == 2  # its hash, and the split does not open
    assert "foreign.txt: is no file of this DATA folder" in told


def test_ids_twice_and_numbers_that_are_none_are_found_without_hashes(data: Path) -> None:
    meta = json.loads((data / "meta.json").read_text())
    del meta["files_sha256"], meta["meta_sha256"]  # as older versions wrote it
    (data / "meta.json").write_text(json.dumps(meta))
    assert list(faults(data)) == []
    table = data / "valid.tsv"
    table.write_text(table.read_text().replace("valid-3\t", "train-0\t"))
    vectors = data / "test.audio.npy"
    vectors.write_bytes(vectors.read_bytes()[:-4] + b"\0\0\xc0\x7f")  # NaN
    found = list(faults(data))
    assert len(found) == 2
    assert "id 'train-0' stands in train and again in valid" in found[0]
    assert "holds 1 numbers that are NaN or infinite" in found[1]


@pytest.mark.parametrize("rows", ["60", -1, 1.5, None, True])
def test_counts_that_are_none_are_refused(data: Path, rows: object) -> None:
    meta = json.loads((data / "meta.json").read_text())
    meta["splits"]["train"] = rows
    (data / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match="expected a count of rows"):
        list(faults(data))


@pytest.mark.parametrize("hashes", ["text", 7, ["a"], True])
def test_hashes_that_are_no_table_are_a_fault(data: Path, hashes: object) -> None:
    meta = json.loads((data / "meta.json").read_text())
    meta["files_sha256"] = hashes
    (data / "meta.json").write_text(json.dumps(meta))
    assert any("its files_sha256 is no table" in fault for fault in faults(data))


@pytest.mark.parametrize("part", ["splits", "modalities", "label"])
def test_what_meta_does_not_tell_any_more_is_a_fault(data: Path, part: str) -> None:
    meta = json.loads((data / "meta.json").read_text())
    if part == "label":
        meta["label"]["max"] = 4
    else:
        del meta[part][list(meta[part])[-1]]
    (data / "meta.json").write_text(json.dumps(meta))
    assert any("meta.json: has changed since it was written" in fault for fault in faults(data))
