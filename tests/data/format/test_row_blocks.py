"""Large splits are read in blocks: what comes of it is the same, and no damage goes unseen."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness import make_store

from mia_fairseq.data.dataset import AffectDataset
from mia_fairseq.data.format import token_files
from mia_fairseq.data.format.row_blocks import BLOCK, SMALL
from mia_fairseq.data.format.store import Split, Store
from mia_fairseq.data.format.table_files import whole_numbers
from mia_fairseq.data.format.vectors import OpenFile
from mia_fairseq.data.verify import faults
from mia_fairseq.errors import InputError

ROWS = SMALL + BLOCK + 3  # seventeen blocks and a short one
DIMS = {"words": 30, "audio": 2}
KINDS = {"words": "tokens"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "DATA"
    return make_store(path, DIMS, rows={"train": ROWS, "valid": 5}, kinds=KINDS, missing=0.1)


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    shutil.copytree(whole, tmp_path / "DATA")
    return tmp_path / "DATA"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Sizes of all that is read of open files."""
    sizes: list[int] = []
    read_bytes = OpenFile.read

    def counted(file: OpenFile, start: int, size: int) -> bytes:
        sizes.append(size)
        return read_bytes(file, start, size)

    monkeypatch.setattr(OpenFile, "read", counted)
    yield sizes


def everything(split: Split) -> list[object]:
    return [
        list(split.rows),
        split.labels.tolist(),
        *([table[row].tolist() for row in range(len(split))] for table in split.features.values()),
        *(table.lengths.tolist() for table in split.features.values()),
        *(table.offsets.tolist() for table in split.features.values()),
    ]


def test_only_large_splits_have_an_index(whole: Path) -> None:
    assert [path.name for path in whole.glob("*.index")] == ["train.index"]
    assert list(faults(whole)) == []


def test_by_index_and_read_whole_all_is_the_same(data: Path) -> None:
    by_index = Store(data).split("train")
    (data / "train.index").unlink()  # as older versions wrote it
    read_whole = Store(data).split("train")
    rng = np.random.default_rng(0)
    for row in rng.permutation(ROWS)[:40].tolist():  # before all is read
        assert by_index.rows[row] == read_whole.rows[row]
        assert by_index.rows[row - ROWS] == read_whole.rows[row]
        for name, table in by_index.features.items():
            assert np.array_equal(table[row], read_whole.features[name][row])
    assert everything(by_index) == everything(read_whole)


def test_batches_are_the_same(data: Path) -> None:
    by_index = AffectDataset(Store(data).split("train"))
    (data / "train.index").unlink()
    read_whole = AffectDataset(Store(data).split("train"))
    for rows in ([0, 5000 % ROWS, 300], [ROWS - 1], list(range(250, 260))):
        one, other = (d.collater([d[row] for row in rows]) for d in (by_index, read_whole))
        assert one["target"].equal(other["target"]) and one["id"].equal(other["id"])
        for name in DIMS:
            assert one["net_input"]["features"][name].equal(other["net_input"]["features"][name])
            assert one["net_input"]["lengths"][name].equal(other["net_input"]["lengths"][name])
    assert (by_index.ordered_indices() == read_whole.ordered_indices()).all()


def test_opening_and_a_first_row_read_as_much_of_a_corpus_twice_as_large(
    whole: Path, tmp_path: Path, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_files, "CHUNK", 0)
    rows = {"train": ROWS + 16 * BLOCK}
    larger = make_store(tmp_path / "DATA", DIMS, rows=rows, kinds=KINDS, missing=0.1)
    taken = []
    for path in (whole, larger):
        read.clear()
        split = Store(path).split("train")
        opened = sum(read)
        assert split.rows[700].id == "train-700" and split.features["audio"][700].shape[1] == 2
        taken.append((opened, sum(read)))
    (opened, first), (opened_larger, first_larger) = taken
    assert opened_larger < 1.2 * opened < 4000 and first_larger < 1.2 * first < 40_000


def overwrite(path: Path, old: bytes, new: bytes, after: bytes = b"") -> None:
    """Puts other bytes of the same number into a file, at a place behind a mark."""
    content = path.read_bytes()
    place = content.index(old, content.index(after))
    assert len(old) == len(new)
    path.write_bytes(content[:place] + new + content[place + len(old) :])


def of_block(path: Path, block: int, change: bytes, lines: int = 1) -> None:
    """Overwrites a line at the beginning of a block of a file of lines."""
    content = path.read_bytes().split(b"\n")
    content[block * BLOCK : block * BLOCK + lines] = [change]
    path.write_bytes(b"\n".join(content))


DAMAGES = {
    "label": (
        lambda p: overwrite(p / "train.tsv", b"\ta b\t", b"x\ta b", b"train-700\t"),
        r"train.tsv, line 702 \(row 'train-700'\): label '.*x' is no score",
    ),
    "line end": (
        lambda p: overwrite(p / "train.tsv", b"\n", b" ", b"train-700\t"),
        "train.tsv: its rows 512 to 767 are not where train.index has them",
    ),
    "length no number": (
        lambda p: of_block(p / "train.audio.lengths", 2, b"x"),
        "train.audio.lengths: its rows 512 to 767 are not where",
    ),
    "other length": (
        lambda p: of_block(p / "train.audio.lengths", 2, b"9"),
        "train.audio.lengths: its rows 512 to 767 are not where",
    ),
    "index": (
        lambda p: move_mark(p / "train.index", "table", 2, 1),
        "train.tsv: its rows 512 to 767 are not where",
    ),
    "index backwards": (
        lambda p: move_mark(p / "train.index", "audio.lengths", 2, -(2**40)),
        "train.audio.lengths: its rows 512 to 767 are not where",
    ),
    "tokens' index": (
        lambda p: flip(p / "train.words.idx", 26 + 4 * 700),
        "train.words.idx: its rows 512 to 767 do not lie one after another",
    ),
}


def move_mark(path: Path, column: str, block: int, by: int) -> None:
    with path.open("rb") as file:
        marks = np.load(file)
    marks[column][block] += by
    with path.open("wb") as file:
        np.save(file, marks)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_refused_when_its_block_is_asked_for(data: Path, case: str) -> None:
    damage, words = DAMAGES[case]
    damage(data)
    split = Store(data).split("train")
    assert split.rows[5].id == "train-5" and split.features["audio"][5].shape[1] == 2
    with pytest.raises(InputError, match=words):
        _ = split.rows[700], split.features["audio"][700], split.features["words"][700]
    with pytest.raises(InputError, match=r"train\."):
        everything(Store(data).split("train"))
    assert any("has changed since it was written" in fault for fault in faults(data))


def test_verify_reads_what_opening_leaves(data: Path) -> None:
    damage, _ = DAMAGES["label"]
    damage(data)
    told = "\n".join(faults(data))
    assert "line 702 (row 'train-700')" in told and "train.tsv: has changed" in told


def test_a_token_of_no_dictionary_is_refused_when_it_is_read(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_files, "CHUNK", 0)
    place = int(Store(data).split("train").features["words"].offsets[700])
    tokens = np.memmap(data / "train.words.bin", np.uint16, "r+")
    tokens[place] = 60_000
    tokens.flush()
    table = Store(data).split("train").features["words"]
    assert len(table[5]) == table.lengths[5]
    row = int(np.searchsorted(table.ends, place, side="right"))
    with pytest.raises(InputError, match=f"row 'train-{row}' holds the token 60000"):
        table[row]


REFUSED_AT_ONCE = {
    "a row less": (
        lambda p: (p / "train.tsv").write_bytes(
            (p / "train.tsv").read_bytes().rsplit(b"\n", 2)[0] + b"\n"
        ),
        f"has {ROWS - 1} rows, meta.json says {ROWS}",
    ),
    "a length more": (
        lambda p: (p / "train.audio.lengths").write_bytes(
            (p / "train.audio.lengths").read_bytes() + b"1\n"
        ),
        f"has {ROWS + 1} lengths for {ROWS} rows",
    ),
    "index cut": (
        lambda p: (p / "train.index").write_bytes((p / "train.index").read_bytes()[:-8]),
        "train.index: cannot be read",
    ),
    "index of other rows": (
        lambda p: np.save((p / "train.index").open("wb"), np.zeros(3, [("table", "<i8")])),
        r"train.index: holds .* of shape \(3,\), expected whole numbers",
    ),
    "index of no columns": (
        lambda p: np.save((p / "train.index").open("wb"), np.zeros(19)),
        "train.index: holds float64",
    ),
}


@pytest.mark.parametrize("case", REFUSED_AT_ONCE)
def test_what_does_not_fit_is_refused_when_it_is_opened(data: Path, case: str) -> None:
    damage, words = REFUSED_AT_ONCE[case]
    damage(data)
    with pytest.raises(InputError, match=words):
        Store(data).split("train")


def test_a_table_that_was_edited_is_read_whole(data: Path) -> None:
    table = data / "train.tsv"
    table.write_bytes(table.read_bytes().replace(b"\ta b\t", b"\ta longer text\t", 1))
    split = Store(data).split("train")
    assert split.rows[0].text == "a longer text" and split.rows[ROWS - 1].text == "a b"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (b"0\n12\n1345678901234567890\n", None),
        (b"0\n12\n34567890123456789\n", [0, 12, 34567890123456789]),
        (b"007\n", [7]),
        *((text, None) for text in (b"", b"\n", b"1", b"1\n\n", b"-1\n", b"1 2\n", b"1\r\n")),
    ],
)
def test_numbers_are_digits_alone(text: bytes, numbers: list[int] | None) -> None:
    found = whole_numbers(text)
    assert (None if found is None else found.tolist()) == numbers
