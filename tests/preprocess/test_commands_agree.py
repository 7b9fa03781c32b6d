"""What one command writes, the next reads whole: rows, texts and labels, through every pair."""

import csv
import errno
import io
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from harness import touch

from mia_fairseq.data.format.store import Store
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.predict.writing.answer_files import write_answers
from mia_fairseq.predict.writing.answers import Prediction
from preprocess import binarize, import_arrays, import_mmsa, transcribe, unite, unpack_arrays
from preprocess.corpora import folder, mosei
from preprocess.extraction.feature_folder import array_path
from preprocess.media.speech_words import Transcript
from preprocess.tables.manifest import Row, read_manifest, write_manifest
from preprocess.tables.table_reader import read_table

TEXTS = ["a\tb\nc", '"odd', "x\u2028y", "  both  ", "=1+1", "'=1", "-", "é\u0301", "a;b,c", ""]
IDS = ["a  b", " lead", "ü", "=x", "-y", "@z", "p", "q", "r", "s"]


def arrays(folder: Path) -> Path:
    """Texts and ids that tables cannot hold as they are."""
    content = {
        "i": np.array(IDS),
        "t": np.array(TEXTS),
        "y": np.array([-0.0, 1 / 3, -3, 3, 1e-7, 2, 1, -1, 0, 0.1]),
        "s": np.array(["Train"] * 8 + ["dev", "TEST"]),
        "x": np.arange(30.0).reshape(10, 3),
    }
    np.savez(folder / "few.npz", **content)
    return folder / "few.npz"


NAMES = ("--modalities", "x", "--label", "y", "--split", "s", "--id", "i", "--text", "t")


def rows_of(data: Path) -> dict[str, tuple[str, float, str | None, list[float]]]:
    found = {}
    store = Store(data)
    for name in store.splits:
        split = store.split(name)
        for place, row in enumerate(split.rows):
            vector = split.features["x"][place].ravel().tolist()
            found[row.id] = (name, row.label, row.text, vector)
    return found


def test_unpacked_arrays_are_binarized_as_they_are_imported(tmp_path: Path) -> None:
    file = arrays(tmp_path)
    import_arrays.main([str(file), *NAMES, "--out", str(tmp_path / "A")])
    unpack_arrays.main([str(file), *NAMES, "--out", str(tmp_path / "U")])
    manifest = tmp_path / "U/manifest.tsv"
    features = ("--features", str(tmp_path / "U/features"))
    binarize.main([str(manifest), *features, "--out", str(tmp_path / "B")])
    found = rows_of(tmp_path / "A")
    assert len(found) == 10 and found == rows_of(tmp_path / "B")
    assert list(found) == [" ".join(name.split()) for name in IDS]
    assert [text or "" for _, _, text, _ in found.values()] == [
        " ".join(text.split()) for text in TEXTS
    ]
    assert [split for split, *_ in found.values()] == ["train"] * 8 + ["valid", "test"]
    again = tmp_path / "again.tsv"
    write_manifest(again, read_manifest(manifest).rows)
    assert again.read_bytes() == manifest.read_bytes()


def test_united_folders_can_be_united_again(tmp_path: Path) -> None:
    file = arrays(tmp_path)
    for name in "AB":
        flags = ("--corpus", name, "--out", str(tmp_path / name))
        import_arrays.main([str(file), *NAMES, *flags])
    parts = [str(tmp_path / name) for name in "AB"]
    unite.main([*parts, "--out", str(tmp_path / "AB")])
    import_arrays.main([str(file), *NAMES, "--corpus", "C", "--out", str(tmp_path / "C")])
    unite.main([str(tmp_path / "AB"), str(tmp_path / "C"), "--out", str(tmp_path / "ABC")])
    found, one = rows_of(tmp_path / "ABC"), rows_of(tmp_path / "A")
    assert len(found) == 30
    assert [found[f"A+B:A:{name}"] for name in one] == list(one.values())
    assert [found[f"C:{name}"] for name in one] == list(one.values())


def test_a_pickle_of_mmsa_is_united_and_training_reads_every_row(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fields = {name: rng.normal(size=(3, 4, 2)) for name in ("text", "audio", "vision")}
    fields |= {
        "id": [f"v$_${row}" for row in range(3)],
        "regression_labels": np.array([-3, 0, 1.5]),
    }
    fields |= {"audio_lengths": [1, 4, 0], "vision_lengths": [4, 2, 3]}
    (tmp_path / "in.pkl").write_bytes(pickle.dumps({"train": fields, "valid": fields_of(fields)}))
    import_mmsa.main([str(tmp_path / "in.pkl"), "--out", str(tmp_path / "M")])
    import_arrays.main([str(arrays(tmp_path)), *NAMES, "--out", str(tmp_path / "A")])
    unite.main([str(tmp_path / "M"), str(tmp_path / "A"), "--out", str(tmp_path / "MA")])
    store = Store(tmp_path / "MA")
    assert store.splits == {"train": 3 + 8, "valid": 3 + 1, "test": 1}
    schema = Schema.choose(store, "text", ("audio", "video", "x"), {})
    split = open_split(store, "train", schema)  # as training opens it
    assert [row.label for row in split.rows][:3] == [-3, 0, 1.5]
    assert [row.id for row in split.rows][:4] == [*(f"in:v$_${n}" for n in range(3)), "few:a b"]
    for row in range(3):
        for ours, theirs, count in (("text", "text", 4), ("audio", "audio", [1, 4, 0][row])):
            found = np.asarray(split.features[ours][row])
            assert np.array_equal(found, fields[theirs][row, :count].astype(np.float32))
        assert len(split.features["x"][row]) == 0
    assert np.array_equal(split.features["x"][10], [[21, 22, 23]])
    assert len(split.features["text"][10]) == 0


def fields_of(train: dict[str, object]) -> dict[str, object]:
    """The same rows of another split, under names of their own."""
    return {**train, "id": [f"w$_${row}" for row in range(3)]}


def test_what_no_manifest_can_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    file = arrays(tmp_path)
    for ids, words in (
        (["a/b", *"cdefghijk"], "id 'a/b' cannot name a file"),
        (["a b", "a  b", *"defghijk"], "its id stands in an earlier row already"),
    ):
        with np.load(file) as content:
            np.savez(tmp_path / "bad.npz", **{**content, "i": np.array(ids)})
        with pytest.raises(InputError, match=words):
            unpack_arrays.main([str(tmp_path / "bad.npz"), *NAMES, "--out", str(tmp_path / "U")])
        assert not (tmp_path / "U").exists()
    for row, words in (
        (Row("a", "train", " "), "its label is missing"),
        (Row("a", "", "1"), "its split is missing"),
        (Row("a", "train", "1", start=-0.1), "its start is '-0.1', expected seconds"),
        (Row("a", "train", "1", start=2, end=1), "it ends at 1 s, not after its start"),
        (Row("a", "train", "1", text="\udce9"), "characters that UTF-8 has not"),
    ):
        with pytest.raises(InputError, match=rf"m\.tsv: row 'a' cannot be written: .*{words}"):
            write_manifest(tmp_path / "m.tsv", [row])
    assert not (tmp_path / "m.tsv").exists()


def test_a_folder_leaves_out_what_the_next_command_could_not_read_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["id;label;text;start;end;label.audio", "a;1,5;=x;-0,25;2;0,5", "b;;y;;;", "c/d;1;;;;"]
    lines.append('e;0;"p;q";3;2;')
    table = touch(tmp_path / "t.csv", "\n".join([*lines, "f;-3;;0;1,5;"]) + "\n;;;;;\n")
    for name in "abef":
        touch(tmp_path / "clips" / f"{name}.wav")
    out = tmp_path / "m.tsv"
    folder.main([str(tmp_path / "clips"), "--table", str(table), "--out", str(out)])
    manifest = read_manifest(out)
    assert not manifest.faults
    rows = {row.id: row for row in manifest.rows}
    assert set(rows) == {"a", "f"} and rows["a"].text == "=x"
    assert rows["a"].further == {"audio": "0.5"} and not rows["f"].further
    assert (rows["a"].label, rows["a"].start, rows["a"].end) == ("1.5", 0, 2)
    faults = dict(line.split("\t") for line in (tmp_path / "m.faults.tsv").read_text().splitlines())
    assert faults["a"] == "it starts at -0.25 s, before its file; taken as 0"
    assert faults["b"] == "left out: its label is missing"
    assert faults["c/d"].startswith("left out: id 'c/d' cannot name a file")
    assert faults["e"] == "left out: it ends at 2 s, not after its start at 3 s"
    monkeypatch.setattr("preprocess.media.streams.read_audio", lambda path, **_: np.zeros(1))
    heard_words = Transcript("heard\n\twords", "en")
    monkeypatch.setattr("preprocess.media.speech_words.transcribe", lambda *_, **__: heard_words)
    transcribe.main([str(out), "--out", str(tmp_path / "sub" / "words.tsv")])
    heard = read_manifest(tmp_path / "sub" / "words.tsv")
    assert not heard.faults and len(heard.rows) == 2
    assert {row.id: row.text for row in heard.rows} == {"a": "=x", "f": "heard words"}
    assert all(row.path == rows[row.id].path for row in heard.rows)


def test_words_are_kept_when_hearing_is_killed_and_a_failing_file_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []

    def read(path: Path, **_: object) -> np.ndarray:
        if path.name == "b.wav":
            raise PermissionError(1, "Operation not permitted")
        if path.name == "d.wav" and not killed:
            raise KeyboardInterrupt
        heard.append(path.name)
        return np.zeros(1)

    monkeypatch.setattr("preprocess.media.streams.read_audio", read)
    words = Transcript("heard words", "en")
    monkeypatch.setattr("preprocess.media.speech_words.transcribe", lambda *_, **__: words)
    rows = [Row(name, "test", "1", touch(tmp_path / f"{name}.wav"), "") for name in "abcd"]
    write_manifest(tmp_path / "m.tsv", rows)
    command, killed = [str(tmp_path / "m.tsv"), "--out", str(tmp_path / "n.tsv")], False
    with pytest.raises(KeyboardInterrupt):
        transcribe.main(command)
    assert heard == ["a.wav", "c.wav"]
    with (tmp_path / ".n.tsv.words").open("a") as file:
        file.write('["half')
    (tmp_path / "c.wav").write_text("another sound")
    killed = True
    transcribe.main(command)
    assert heard[2:] == ["c.wav", "d.wav"]
    texts = [row.text or "" for row in read_manifest(tmp_path / "n.tsv").rows]
    assert texts == ["heard words", "", "heard words", "heard words"]
    told = capsys.readouterr().out
    assert "b: PermissionError: [Errno 1] Operation not permitted" in told
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_full_disk_is_no_fault_of_a_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("preprocess.media.streams.read_audio", lambda *_, **__: np.zeros(1))
    heard = Transcript("heard words", "en")
    monkeypatch.setattr("preprocess.media.speech_words.transcribe", lambda *_, **__: heard)
    monkeypatch.setattr("preprocess.media.kept_words.KeptWords.keep", full)
    write_manifest(tmp_path / "m.tsv", [Row("a", "test", "1", touch(tmp_path / "a.wav"), "")])
    with pytest.raises(InputError, match="no space left"):
        transcribe.main([str(tmp_path / "m.tsv"), "--out", str(tmp_path / "n.tsv")])
    assert not (tmp_path / "n.tsv").exists()


def test_mosei_labels_that_begin_before_their_video_or_are_out_of_range(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    h5py = pytest.importorskip("h5py")
    raw = tmp_path / "raw"
    touch(raw / "Raw/v.mp4")
    folds = "".join(
        f"standard_{name}_fold = ['{v}']\n"
        for name, v in zip(("train", "valid", "test"), "vwx", strict=True)
    )
    touch(raw / "cmu_mosei_std_folds.py", folds)
    with h5py.File(raw / "CMU_MOSEI_Labels.csd", "w") as file:
        for video, scores, times in (
            ("v", [1.0, -3.4], [[-0.5, 2.5], [5.0, 9.0]]),
            ("other", [1.0], [[0.0, 1.0]]),
        ):
            group = file.create_group(f"All Labels/data/{video}")
            group["features"] = np.array([[score, 0, 0, 0, 0, 0, 0] for score in scores])
            group["intervals"] = np.array(times)
    command = [str(raw), "--out", str(tmp_path / "m.tsv"), "--partial"]
    with pytest.raises(InputError, match=r"'-3\.4', expected .*; mend it, or say --leave"):
        mosei.main(command)
    caplog.set_level(logging.WARNING)
    mosei.main([*command, "--leave-out-bad-labels"])
    manifest = read_manifest(tmp_path / "m.tsv")
    assert [(row.start, row.end) for row in manifest.rows] == [(0.0, 2.5)] and not manifest.faults
    faults = (tmp_path / "m.faults.tsv").read_text()
    assert "v_1\tit starts at -0.5 s, before its file; taken as 0" in faults
    assert "v_2\tleft out:" in faults and "label '-3.4', expected a number from -3 to 3" in faults
    assert "1 of 2 videos with labels are in none of the folds and left out, such as other" in (
        caplog.text
    )


def test_bad_labels_leave_the_other_rows_with_their_own_features(tmp_path: Path) -> None:
    rows = [
        Row(name, "train", label) for name, label in zip("abcd", ["1", "7", "-2", "3"], strict=True)
    ]
    write_manifest(tmp_path / "m.tsv", rows)
    for place, row in enumerate(rows):
        path = array_path(tmp_path / "F", "x", row.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((1, 2), place, np.float32))
    command = [str(tmp_path / "m.tsv"), "--features", str(tmp_path / "F")]
    with pytest.raises(InputError, match="row 'b': label '7'"):
        binarize.main([*command, "--out", str(tmp_path / "A")])
    flags = ("--leave-out-bad-labels", "--valid-fraction", "0.3")
    binarize.main([*command, *flags, "--out", str(tmp_path / "A")])
    found = rows_of(tmp_path / "A")
    assert {name: (row[1], row[3]) for name, row in found.items()} == {
        "a": (1, [0, 0]),
        "c": (-2, [2, 2]),
        "d": (3, [3, 3]),
    }
    np.savez(
        tmp_path / "n.npz",
        x=np.arange(8.0).reshape(4, 2),
        y=np.array([1.0, 7, -2, 3]),
        s=np.array(["train"] * 4),
        g=np.array(["g"] * 4),
    )
    command = [str(tmp_path / "n.npz"), "--modalities", "x", "--label", "y", "--split", "s"]
    flags = ("--group", "g", "--leave-out-bad-labels", "--out", str(tmp_path / "N"))
    import_arrays.main([*command, *flags])
    rows_there = list(Store(tmp_path / "N").split("train").rows)
    assert [(row.id, row.position, row.label) for row in rows_there] == [
        ("0", 0, 1),
        ("2", 2, -2),
        ("3", 3, 3),
    ]
    assert rows_of(tmp_path / "N")["2"][3] == [4, 5]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_predictions_are_a_table_that_is_read_whole(tmp_path: Path, suffix: str) -> None:
    answers = [
        Prediction(name, -0.5, text=text, missing={"audio": 'none; "quiet", they say'})
        for name, text in zip(IDS, TEXTS, strict=True)
    ]
    answers[3] = answers[3].without_answer("nothing")
    path = tmp_path / f"answers{suffix}"
    write_answers(path, answers)
    rows = [row.cells for row in read_table(path, ("id", "text", "status")).rows]
    assert [row["id"] for row in rows] == IDS
    assert [row["text"] for row in rows] == TEXTS
    assert [row["status"] for row in rows] == ["partial"] * 3 + ["failed"] + ["partial"] * 6
    values = [list(row.values())[list(row).index("prediction")] for row in rows]
    assert [value and float(value) for value in values] == [-0.5] * 3 + [""] + [-0.5] * 6
    if suffix == ".csv":
        plain = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
        assert [row[0] for row in plain[4:7]] == ["'=x", "'-y", "'@z"]
