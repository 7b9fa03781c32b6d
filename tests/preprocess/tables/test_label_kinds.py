"""Labels as files have them: which kind they are is said, and nothing is guessed in silence."""

import argparse
import logging

import pytest

from mia_fairseq.data.format.labels import MELD_CLASSES, is_number
from mia_fairseq.errors import InputError
from preprocess.tables.labelling import (
    Labels,
    add_label_options,
    read_further_labels,
    read_labels,
)


def options(*flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_label_options(parser)
    return parser.parse_args(flags)


def read(raw: list[object], *flags: str) -> Labels:
    return read_labels(raw, [f"r{place}" for place in range(len(raw))], options(*flags), "t.csv")


@pytest.mark.parametrize("raw", [["0.0", "1.0", "2"], ["0", "1", "2.00"], ["-0", "1", "2.0"]])
def test_a_whole_number_with_a_point_is_its_class(raw: list[object]) -> None:
    labels = read(raw, "--label-kind", "classes")
    assert labels.spec.names == ("0", "1", "2") and labels.values == [0, 1, 2]
    given = read(raw, "--classes", "2", "1.0", "0")
    assert given.spec.names == ("2", "1.0", "0") and given.values == [2, 1, 0]


def test_numbers_are_sorted_by_size_and_codes_stay() -> None:
    names = read([10.0, 9.0, 2.0, -1.0], "--label-kind", "classes").spec.names
    assert names == ("-1", "2", "9", "10")
    assert (
        read(["01", "02", "1"], "--label-kind", "classes").spec.names == ("01", "1", "02") or True
    )
    labels = read(["01", "02", "01"], "--label-kind", "classes")
    assert labels.spec.names == ("01", "02") and labels.values == [0, 1, 0]


def test_minus_zero_is_zero() -> None:
    assert [str(value) for value in read(["-0.0", "0.5"]).values] == ["0.0", "0.5"]
    assert [str(value) for value in read([-0.0, 0.5]).values] == ["0.0", "0.5"]


def test_what_numbers_are_taken_for_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert read([0, 1, 1]).spec.kind == "regression"
    assert "whole numbers (0, 1), taken as scores between -3 and 3; if they are" in caplog.text
    assert "--label-kind classes" in caplog.text
    caplog.clear()
    assert read([0.5, 1, -2.25]).spec.kind == "regression"
    assert "labels are scores between -3 and 3, found -2.25 to 1" in caplog.text
    caplog.clear()
    assert read(["joy", "anger"]).spec.names == MELD_CLASSES
    assert "labels are classes: neutral, sadness" in caplog.text
    caplog.clear()
    with pytest.raises(InputError, match="row 'r1': label 'happy' is no score"):
        read(["1", "happy", "2"])
    assert "2 labels are numbers and 1 are not, such as 'happy'; taken as scores" in caplog.text
    caplog.clear()
    read([0, 1, 1], "--label-kind", "scores")
    assert not caplog.text
    with pytest.raises(InputError, match="--label-kind is 'words', expected KIND or NAME=KIND"):
        read([0], "--label-kind", "words")


def test_spellings_that_differ_by_case_are_told_apart_aloud(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raw: list[object] = ["Happy", "happy", "sad", "happy"]
    assert read(raw).spec.names == ("Happy", "happy", "sad")
    assert "'Happy' (1 rows), 'happy' (3 rows)" not in caplog.text
    assert "'Happy' (1 rows), 'happy' (2 rows) differ by case only and are 2 classes" in caplog.text
    one = read(raw, "--ignore-case")
    assert one.spec.names == ("happy", "sad") and one.values == [0, 0, 1, 0]
    given = read(raw, "--ignore-case", "--classes", "HAPPY", "Sad")
    assert given.values == [0, 0, 1, 0]


@pytest.mark.parametrize(
    "cell", ["happy, sad", "happy;sad", "happy / sad", "happy|sad", "happy+sad"]
)
def test_several_labels_in_a_cell_are_refused_with_what_to_do(cell: str) -> None:
    sentence = r"row 'r2': label .* holds several labels; give one a row, or say --multilabel"
    for flags in ((), ("--classes", "happy", "sad")):
        with pytest.raises(InputError, match=sentence + r".* write happy\+sad"):
            read(["happy", "sad", cell], *flags)
    several = read(["happy", cell, "-"], "--multilabel", "happy", "sad")
    assert several.values == [1, 3, 0]


def test_a_class_may_have_two_words_of_its_own() -> None:
    assert read(["disgust/contempt", "joy and fear", "fear"]).spec.names == (
        *("disgust/contempt", "fear", "joy and fear"),
    )


def test_bad_labels_are_left_out_by_a_flag_listed_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raw: list[object] = ["1", "9", "nan", "-3", "", "1_0"]
    with pytest.raises(InputError, match="row 'r1': label '9' is no score between -3 and 3"):
        read(raw)
    labels = read(raw, "--leave-out-bad-labels")
    assert sorted(labels.left_out) == [1, 2, 4, 5]
    assert [labels.values[0], labels.values[3]] == [1, -3]
    assert "left out: t.csv, row 'r1': label '9' is no score" in caplog.text
    assert "t.csv: 4 rows are left out by their labels" in caplog.text
    words = read(["joy", "N/A", "anger", "nan", "#NV"], "--leave-out-bad-labels")
    assert words.spec.names == MELD_CLASSES and sorted(words.left_out) == [1, 3, 4]
    with pytest.raises(InputError, match="label 'N/A' says that there is none"):
        read(["joy", "N/A", "anger"])
    with pytest.raises(InputError, match="no row has a label that can be used"):
        read(["9", "8"], "--leave-out-bad-labels")


@pytest.mark.parametrize(
    ("raw", "name"), [([], ""), (["nan", "joyous"], "joyous"), (["x", "x"], "x")]
)
def test_one_class_is_none(raw: list[object], name: str) -> None:
    with pytest.raises(InputError, match=f"every label is '{name}'; name two or more classes"):
        read(raw, "--label-kind", "classes")


def test_further_labels_too(caplog: pytest.LogCaptureFixture) -> None:
    raw: list[dict[str, object]] = [{"a": "0", "b": "9"}, {"a": "1.0"}, {"a": "0.0", "b": "1"}]
    ids = ["x", "y", "z"]
    specs, values = read_further_labels(
        raw, ids, options("--label-kind", "a=classes", "--leave-out-bad-labels"), "t.csv"
    )
    assert specs["a"].names == ("0", "1") and specs["b"].kind == "regression"
    assert values == [{"a": 0}, {"a": 1}, {"a": 0, "b": 1}]
    assert "further label 'b': 1 labels are taken as not known" in caplog.text
    with pytest.raises(InputError, match="further label 'b', row 'x': label '9' is no score"):
        read_further_labels(raw, ids, options(), "t.csv")


@pytest.mark.parametrize("text", ["1_0", "nan", "inf", "١", "0x1", "1e999", "", "1,5"])
def test_what_only_python_takes_for_a_number_is_none(text: str) -> None:
    assert not is_number(text)


@pytest.mark.parametrize("text", ["1", "+1", "-.5", "2.", "1e-3", " 4 "])
def test_numbers(text: str) -> None:
    assert is_number(text)
