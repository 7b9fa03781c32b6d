"""The three ways into DATA/: arrays, MMSA pickles, extracted features; and every bad file."""

import json
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from preprocess import binarize, import_arrays, import_mmsa
from preprocess.tables.pickled_arrays import read_pickle

ROWS = 12


def arrays(**changes: object) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    content = {
        "text": rng.normal(size=(ROWS, 4)).astype(np.float32),
        "audio": rng.normal(size=(ROWS, 5, 3)),
        "audio_lengths": np.arange(ROWS) % 6,
        "label": np.linspace(-3, 3, ROWS),
        "split": np.array(["train"] * 8 + ["test"] * 4),
        "video_id": np.array([f"v{row // 2}" for row in range(ROWS)]),
        "id": np.array([f"u{row}" for row in range(ROWS)]),
        "words": np.array(["good\tday"] * ROWS),
    }
    return {**content, **changes}


def run_import(tmp_path: Path, *flags: str, modalities: str = "text audio", **changes) -> Store:
    np.savez(tmp_path / "in.npz", **arrays(**changes))
    command = [str(tmp_path / "in.npz"), "--modalities", *modalities.split(), "--label", "label"]
    command += ["--split", "split", "--out", str(tmp_path / "DATA"), *flags]
    import_arrays.main(command)
    return Store(tmp_path / "DATA")


def test_arrays_become_a_store(tmp_path: Path) -> None:
    flags = ("--id", "id", "--group", "video_id", "--text", "words")
    store = run_import(tmp_path, *flags, "--lengths", "audio=audio_lengths")
    assert store.splits == {"train": 8, "test": 4}
    test = store.split("test")
    assert [row.id for row in test.rows] == ["u8", "u9", "u10", "u11"]
    assert test.rows[1].group == "v4" and test.rows[1].position == 1
    assert test.rows[0].text == "good day"
    content = arrays()
    assert np.array_equal(test.features["text"][2], content["text"][10:11])
    assert test.features["audio"].lengths.tolist() == [2, 3, 4, 5]
    assert np.allclose(test.features["audio"][0], content["audio"][8, :2])
    assert store.split("train").features["audio"].missing == 2


def test_validation_is_carved_by_whole_groups_and_always_the_same(tmp_path: Path) -> None:
    flags = ("--id", "id", "--group", "video_id", "--valid-fraction", "0.25", "--valid-seed", "3")
    store = run_import(tmp_path, *flags)
    assert store.splits == {"train": 6, "valid": 2, "test": 4}
    valid = {row.group for row in store.split("valid").rows}
    assert valid.isdisjoint(row.group for row in store.split("train").rows)
    again = run_import(tmp_path, *flags)
    assert {row.group for row in again.split("valid").rows} == valid
    drawn = {
        run_import(tmp_path, *flags[:-1], str(seed)).split("valid").rows[0].group
        for seed in range(8)
    }
    assert len(drawn) > 1


def test_a_group_is_one_however_it_is_written_and_a_fold_may_have_a_point(tmp_path: Path) -> None:
    names = np.array([f"v{row // 4}{' ' * (row % 2)}" for row in range(ROWS)])
    folds = np.arange(ROWS) // 4 * 1.0
    flags = ("--group", "video_id", "--valid-fraction", "0.25", "--fold", "fold")
    store = run_import(tmp_path, *flags, video_id=names, fold=folds)
    groups = {name: {row.group for row in store.split(name).rows} for name in ("train", "valid")}
    assert groups["train"].isdisjoint(groups["valid"]) and len(groups["valid"]) == 1
    assert [row.position for row in store.split("valid").rows] == [0, 1, 2, 3]
    assert {row.fold for row in store.split("test").rows} == {2}
    with pytest.raises(InputError, match="expected a whole number"):
        run_import(tmp_path, *flags, video_id=names, fold=folds + 0.5)


def test_rows_of_zeros_can_be_taken_as_missing(tmp_path: Path) -> None:
    text = arrays()["text"]
    text[[0, 9]] = 0
    store = run_import(tmp_path, "--zeros-are-missing", text=text)
    assert store.split("train").features["text"].missing == 1
    assert run_import(tmp_path, text=text).split("train").features["text"].missing == 0


def test_scores_can_be_rounded_to_seven_classes(tmp_path: Path) -> None:
    store = run_import(tmp_path, "--round-labels", label=np.array([-3, -2.5, -0.4, 0.5] * 3))
    assert store.label.names == ("-3", "-2", "-1", "0", "1", "2", "3")
    # Half to even: −2.5 → −2 and 0.5 → 0.
    assert store.split("test").labels.tolist() == [0, 1, 3, 3]


def test_arrays_of_bytes_and_those_nobody_named(tmp_path: Path) -> None:
    split = np.array([b"Train"] * 8 + [b"TEST"] * 4)
    more = {"id": np.array([f"ü{row}".encode() for row in range(ROWS)]), "else": np.array([{}])}
    store = run_import(tmp_path, "--id", "id", split=split, **more)
    assert store.splits == {"train": 8, "test": 4}
    assert store.split("test", ()).rows[0].id == "ü8"


def test_words_are_classes(tmp_path: Path) -> None:
    words = np.array(["joy", "anger", "neutral"] * 4)
    names = run_import(tmp_path, label=words).label.names
    assert names[:4] == ("neutral", "sadness", "anger", "joy") and len(names) == 7
    assert run_import(tmp_path, label=np.array(["b", "a", "c"] * 4)).label.names == ("a", "b", "c")
    given = run_import(tmp_path, "--classes", "c", "b", "a", label=np.array(["b", "a", "c"] * 4))
    assert given.split("test").labels.tolist() == [0, 1, 2, 0]


def test_whitespace_in_the_names_of_classes_is_one_space(tmp_path: Path) -> None:
    words = np.array(["very  good", " bad", "so\tso"] * 4)
    store = run_import(tmp_path, label=words)
    assert store.label.names == ("bad", "so so", "very good")
    assert store.split("test").labels.tolist() == [1, 2, 0, 1]
    store = run_import(tmp_path, "--classes", "very  good", "so so", " bad ", label=words)
    assert store.label.names == ("very good", "so so", "bad")
    assert store.split("test").labels.tolist() == [1, 0, 2, 1]


@pytest.mark.parametrize(
    ("flags", "changes", "words"),
    [
        ((), {"label": np.array([9.0] * ROWS)}, "row '0': label '9' is no score between -3 and 3"),
        ((), {"label": np.array([np.nan] * ROWS)}, "'nan' is no score"),
        (("--classes", "a", "b"), {"label": np.array(["a", "x"] * 6)}, "row '1': label 'x'"),
        ((), {"text": np.zeros((7, 4))}, r"'text' has shape \(7, 4\), expected .* with 12 rows"),
        ((), {"text": np.zeros(ROWS)}, r"expected \(rows, dim\) or \(rows, time, dim\)"),
        ((), {"text": np.array([{}] * ROWS)}, "'text' holds pickled objects, which are never"),
        ((), {"text": np.full((ROWS, 4), np.inf)}, "row '0' of train: text holds NaN or Inf"),
        (("--id", "id"), {"id": np.array([b"\xff"] * ROWS)}, "'id' holds bytes that are no UTF-8"),
        (("--id", "id"), {"id": np.array([" "] * ROWS)}, "a row of train has an empty id"),
        ((), {"label": np.array(["x"] * ROWS)}, "every label is 'x'; name two or more classes"),
        ((), {"label": np.array(["x", ""] * 6)}, "every label is 'x'"),
        ((), {"label": np.array(["x", "", "y"] * 4)}, "row '1': label ''"),
        (("--id", "name"), {}, "no array 'name', it has text, audio"),
        (("--lengths", "audio=audio_lengths"), {"audio_lengths": np.full(ROWS, 6)}, "says 6 for"),
        (("--lengths", "smell=audio_lengths"), {}, "the form MODALITY=NAME"),
        (
            ("--lengths", "text"),
            {},
            "--lengths is 'text', expected the form MODALITY=NAME with one",
        ),
        (("--lengths", "text="), {}, "--lengths is 'text=', expected the form MODALITY=NAME"),
        (("--classes", "a b", "c", "a  b"), {}, "--classes a b, c, a b: expected two or more diff"),
        (("--valid-fraction", "1.5"), {}, "expected a share between 0 and 1"),
        (("--valid-fraction", "0.99"), {}, "cannot give 99% to validation"),
        (
            ("--valid-fraction", "0.2"),
            {"split": np.array(["train", "val", "test"] * 4)},
            "has 4 validation rows already",
        ),
        (("--id", "words"), {}, "ids must be unique"),
    ],
)
def test_bad_arrays_get_one_sentence(tmp_path: Path, flags, changes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        run_import(tmp_path, *flags, **changes)
    assert "\n" not in str(caught.value) and not (tmp_path / "DATA").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"", "is no .npz|truncated"), (b"PK\x03\x04half", "truncated")],
)
def test_bad_npz_files_get_one_sentence(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "in.npz").write_bytes(content)
    command = [str(tmp_path / "in.npz"), "--modalities", "text", "--label", "label"]
    with pytest.raises(InputError, match=words):
        import_arrays.main([*command, "--split", "split", "--out", str(tmp_path / "DATA")])


def test_a_truncated_npz_gets_one_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", **arrays())
    whole = (tmp_path / "in.npz").read_bytes()
    (tmp_path / "in.npz").write_bytes(whole[: len(whole) // 2])
    command = [str(tmp_path / "in.npz"), "--modalities", "text", "--label", "label"]
    with pytest.raises(InputError, match="truncated"):
        import_arrays.main([*command, "--split", "split", "--out", str(tmp_path / "DATA")])


def mmsa(rows: int, seed: int, *, lengths: bool) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    mask = np.zeros((rows, 3, 6), np.float32)
    for row in range(rows):
        mask[row, 1, : 2 + row % 4] = 1
    content: dict[str, object] = {
        "raw_text": np.array([f"text {row}" for row in range(rows)], dtype=object),
        "text": rng.normal(size=(rows, 6, 8)).astype(np.float32),
        "text_bert": mask,
        "audio": rng.normal(size=(rows, 6, 5)),
        "vision": rng.normal(size=(rows, 6, 4)),
        "id": [f"vid{seed}$_${row}" for row in range(rows)],
        "regression_labels": np.linspace(-3, 3, rows, dtype=np.float32),
        "annotations": ["Neutral"] * rows,
    }
    if lengths:
        content |= {"audio_lengths": [1] * rows, "vision_lengths": list(range(rows))}
    return content


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("lengths", [False, True])
def test_mmsa_pickles_become_a_store(tmp_path: Path, protocol: int, lengths: bool) -> None:
    names = ("train", "valid", "test")
    splits = {name: mmsa(5, seed, lengths=lengths) for seed, name in enumerate(names)}
    splits["test"]["audio"][1, 0, 2] = -np.inf
    splits["test"]["audio"][1, 1, 2] = np.nan
    (tmp_path / "in.pkl").write_bytes(pickle.dumps(splits, protocol=protocol))
    import_mmsa.main([str(tmp_path / "in.pkl"), "--out", str(tmp_path / "DATA")])
    test = Store(tmp_path / "DATA").split("test")
    assert [row.position for row in test.rows] == [0, 1, 2, 3, 4]
    assert test.rows[0].group == "vid2" and test.rows[3].text == "text 3"
    assert test.features["text"].lengths.tolist() == [2, 3, 4, 5, 2]
    expected = [1] * 5 if lengths else [2, 3, 4, 5, 2]
    assert test.features["audio"].lengths.tolist() == expected
    assert test.features["video"].missing == int(lengths)
    assert test.features["audio"][1][0, 2] == 0  # what was −inf
    assert np.allclose(test.features["text"][3], splits["test"]["text"][3, :5])


class Evil:
    def __reduce__(self):
        return (print, ("pwned",))


@pytest.mark.parametrize("content", [{"train": Evil()}, OrderedDict(a=1), np.array([Evil()])])
def test_pickles_of_anything_else_are_refused(tmp_path: Path, capsys, content: object) -> None:
    (tmp_path / "in.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match="only NumPy arrays and plain containers"):
        read_pickle(tmp_path / "in.pkl")
    assert "pwned" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (pickle.dumps({"train": mmsa(3, 0, lengths=False)})[:200], "truncated"),
        (b"not a pickle", "cannot be read as a pickle"),
        (pickle.dumps([1, 2]), "expected splits of named arrays"),
        (pickle.dumps({"train": {"id": ["a"]}}), "no field 'regression_labels'"),
    ],
)
def test_bad_pickles_get_one_sentence(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "in.pkl").write_bytes(content)
    with pytest.raises(InputError, match=words):
        import_mmsa.main([str(tmp_path / "in.pkl"), "--out", str(tmp_path / "DATA")])


def imported(tmp_path: Path, content: dict[str, object]) -> Store:
    (tmp_path / "in.pkl").write_bytes(pickle.dumps({"train": content}))
    import_mmsa.main([str(tmp_path / "in.pkl"), "--out", str(tmp_path / "DATA")])
    return Store(tmp_path / "DATA")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audio_lengths": [1, 2, -1]}, r"audio of row 'vid0\$_\$2' has length -1"),
        ({"audio_lengths": [1, 2.5, 1]}, r"row 'vid0\$_\$1' has length 2.5"),
        ({"audio_lengths": [1, 7, 1]}, r"row 'vid0\$_\$1' has length 7, .* 0 to 6"),
        ({"audio_lengths": [1, np.nan, 1]}, r"row 'vid0\$_\$1' has length nan"),
        ({"audio_lengths": [1, 2]}, "audio_lengths has 2 rows, expected 3"),
        ({"audio": np.zeros((2, 6, 5))}, "audio has 2 rows, expected 3"),
        ({"audio": np.zeros(())}, "audio has ndarray, expected 3"),
        ({"audio": [[[1.0, 2.0], [1.0]]] * 3}, r"audio, row 'vid0\$_\$0': its vectors are not of"),
        ({"audio": [[[1.0, 2.0]], [[1.0]], [[2.0, 1.0]]]}, r"row 'vid0\$_\$1' has 1 columns"),
        ({"audio": [["a"]] * 3}, "expected numbers"),
        ({"raw_text": ["one"]}, "raw_text has 1 rows"),
        ({"regression_labels": [1.0, 2.0]}, "regression_labels has 2 rows"),
        ({"id": ["a", "a", "b"]}, "'a' stands in train already"),
    ],
)
def test_rows_of_mmsa_that_do_not_fit_are_named(tmp_path: Path, changes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        imported(tmp_path, {**mmsa(3, 0, lengths=False), **changes})
    assert not (tmp_path / "DATA").exists()


def test_unaligned_audio_without_lengths_is_not_cut_to_the_text(tmp_path: Path) -> None:
    audio = np.ones((3, 40, 5))
    store = imported(tmp_path, {**mmsa(3, 0, lengths=False), "audio": audio})
    train = store.split("train")
    assert train.features["audio"].lengths.tolist() == [40, 40, 40]
    assert train.features["text"].lengths.tolist() == [2, 3, 4]


def test_rows_of_mmsa_may_be_lists_of_arrays_as_long_as_they_are(tmp_path: Path) -> None:
    audio = [np.ones((count, 5)) for count in (4, 1, 0)]
    changes = {"audio": audio, "regression_labels": [[1.0], [-2.0], [0.5]]}
    train = imported(tmp_path, {**mmsa(3, 0, lengths=False), **changes}).split("train")
    assert train.features["audio"].lengths.tolist() == [4, 1, 0]
    assert train.labels.tolist() == [1, -2, 0.5]


def make_features(tmp_path: Path) -> Path:
    rows = [
        ("a", "train", "1.5", "hello", "v1"),
        ("b", "train", "-2", "", "v1"),
        ("c", "test", "0", "x", "v2"),
    ]
    lines = ["id\tsplit\tlabel\ttext\tgroup", *("\t".join(row) for row in rows)]
    (tmp_path / "manifest.tsv").write_text("\n".join(lines) + "\n")
    for name, dim in {"text": 3, "audio": 2}.items():
        folder = tmp_path / "features" / name
        folder.mkdir(parents=True)
        (folder / "extractor.json").write_text(json.dumps({"extractor": f"{name}er", "rate": 50}))
        for place, (row_id, *_) in enumerate(rows):
            np.save(folder / f"{row_id}.npy", np.full((place + 1, dim), place, np.float32))
    return tmp_path


def run_binarize(folder: Path, *flags: str) -> Store:
    command = [str(folder / "manifest.tsv"), "--features", str(folder / "features")]
    binarize.main([*command, "--out", str(folder / "DATA"), *flags])
    return Store(folder / "DATA")


def test_extracted_features_become_a_store(tmp_path: Path) -> None:
    store = run_binarize(make_features(tmp_path), "--dtype", "float16")
    assert store.modalities["audio"].extractor == "audioer"
    assert store.modalities["audio"].extra == {"rate": 50}
    train = store.split("train")
    assert train.rows[1].text is None and train.rows[1].group == "v1"
    assert train.features["text"][1].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_feature_file_that_is_not_there_is_refused_or_counted(tmp_path: Path) -> None:
    (make_features(tmp_path) / "features" / "audio" / "b.npy").unlink()
    with pytest.raises(InputError, match="no file for 1 of 3 utterances, the first 'b'"):
        run_binarize(tmp_path)
    assert run_binarize(tmp_path, "--allow-missing").split("train").features["audio"].missing == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a\ttrain\t1\t\t", "a: manifest.tsv, line 5: its id stands on line 2 already"),
        ("../x\ttrain\t1\t\t", "cannot name a file"),
        ("d\ttrain", "it has 2 cells, the header 5"),
        ("d\ttrain\t\t\t", "its label is missing"),
    ],
)
def test_bad_rows_of_a_manifest_are_listed_and_counted(
    tmp_path: Path, caplog, line: str, words: str
) -> None:
    manifest = make_features(tmp_path) / "manifest.tsv"
    manifest.write_text(manifest.read_text() + line + "\n")
    store = run_binarize(tmp_path)
    assert store.splits == {"train": 2, "test": 1}
    assert words in caplog.text and "1 rows of" in caplog.text


def test_a_recorded_failure_is_a_missing_modality(tmp_path: Path) -> None:
    folder = make_features(tmp_path) / "features" / "audio"
    (folder / "b.npy").unlink()
    (folder / "failures.tsv").write_text("id\treason\nb\tno sound\n")
    assert run_binarize(tmp_path).split("train").features["audio"].missing == 1


def test_a_manifest_without_a_column_or_rows_is_refused(tmp_path: Path) -> None:
    manifest = make_features(tmp_path) / "manifest.tsv"
    manifest.write_text("id\tlabel\n")
    with pytest.raises(InputError, match="no column 'split'"):
        run_binarize(tmp_path)
    manifest.write_text("id\tsplit\tlabel\n")
    with pytest.raises(InputError, match="no usable row"):
        run_binarize(tmp_path)
    manifest.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        run_binarize(tmp_path)


def test_a_truncated_feature_file_is_named(tmp_path: Path) -> None:
    broken = make_features(tmp_path) / "features" / "text" / "b.npy"
    broken.write_bytes(broken.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"b\.npy: cannot be read"):
        run_binarize(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"label": np.arange(ROWS).astype("M8[s]")},
            r"'label' holds datetime64\[s\], exp",
        ),
        ({"label": np.array(1.0)}, "with 1 rows as 'label' has"),
        ({"audio": np.zeros((ROWS, 5, 3), complex)}, "'audio' holds complex128, expected real"),
        ({"audio_lengths": np.full(ROWS, 1.5)}, "says 1.5 for row 0, expected a whole number"),
        ({"audio_lengths": np.full(ROWS, np.nan)}, "says nan for row 0, expected a whole number"),
        ({"audio_lengths": np.array(["1"] * ROWS)}, "says 1 for row 0, expected a whole number"),
    ],
)
def test_arrays_of_another_kind_get_one_sentence(
    tmp_path: Path, changes: dict[str, np.ndarray], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        run_import(tmp_path, "--lengths", "audio=audio_lengths", **changes)


def test_lengths_may_be_whole_numbers_of_any_kind(tmp_path: Path) -> None:
    flags = ("--lengths", "audio=audio_lengths")
    store = run_import(tmp_path, *flags, audio_lengths=np.full(ROWS, 2.0))
    assert set(store.split("train").features["audio"].lengths.tolist()) == {2}
