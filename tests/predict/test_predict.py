"""Prediction: a split as evaluation has it, and clips through the extractors of the checkpoint."""

import csv
import inspect
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness import EMOTIONS, make_store, run_cli, train, validate

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.store import Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.data.formula_cells import unescaped
from mia_fairseq.errors import InputError
from mia_fairseq.export import __main__ as export
from mia_fairseq.predict.__main__ import main
from mia_fairseq.predict.clip_inputs import ClipInputs
from mia_fairseq.predict.clips import find_clips
from mia_fairseq.predict.contributions import add_contributions
from mia_fairseq.predict.predictor import Predictor
from mia_fairseq.predict.writing.answers import Prediction, render
from preprocess.extractors.base import Clip, Extractor, Failure, register_extractor


@register_extractor("word_count")
class WordCount(Extractor):
    """How many words a text has: enough to tell that the text came through."""

    modality, licence, dim = "text", "none", 2

    def __init__(self, scale: str = "1") -> None:
        self.scale = float(scale)

    def extract(self, clips):
        counts = [len((clip.text or "").split()) for clip in clips]
        for clip, count in zip(clips, counts, strict=True):
            if not count:
                self.note(clip, "no words, so no count")
        return [np.full((min(count, 1), 2), self.scale * count) for count in counts]


@register_extractor("file_size")
class FileSize(Extractor):
    """A file's size; an empty file is a failure."""

    modality, licence, dim = "video", "none", 1

    def extract(self, clips: "list[Clip]"):
        sizes = [clip.path.stat().st_size if clip.path else 0 for clip in clips]
        return [np.full((1, 1), s, np.float32) if s else Failure("it is empty") for s in sizes]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose score is learnt from the number of words."""
    folder = tmp_path_factory.mktemp("trained")
    specs = {
        "text": ModalitySpec(2, "word_count", extra={"options": {"scale": "0.5"}, "pool": "none"}),
        "video": ModalitySpec(1, "file_size"),
    }
    rng = np.random.default_rng(0)
    with StoreWriter(
        folder / "DATA", corpus="words", label=LabelSpec("regression"), modalities=specs
    ) as store:
        for split, rows in {"train": 200, "valid": 40, "test": 30}.items():
            for row in range(rows):
                words = int(rng.integers(0, 13))
                features = {"text": np.full((1, 2), words / 2), "video": np.ones((1, 1)) * 7}
                score = words / 2 - 3
                store.add(split, Utterance(f"{split}{row}", score, "x " * words), features)
    flags = ("--aux-modalities", "video", "--max-epoch", "15", "--dropout", "0")
    train(folder / "DATA", folder, *flags)
    return folder / "checkpoint_best.pt"


def test_a_split_is_predicted_as_it_is_evaluated(corpus: Path, checkpoint: Path, tmp_path) -> None:
    table = tmp_path / "out.tsv"
    validate(corpus, checkpoint, "--predictions", table)
    printed = run_cli("python", "-m", "mia_fairseq.predict", checkpoint, corpus, "--json").stdout
    rows = list(csv.DictReader(io.StringIO(table.read_text()), delimiter="\t"))
    predicted = json.loads(printed)
    assert [row["id"] for row in rows] == [row["id"] for row in predicted]
    for evaluated, row in zip(rows, predicted, strict=True):
        assert row["prediction"] == pytest.approx(float(evaluated["prediction"]), abs=1e-5)
        assert row["label"] == pytest.approx(float(evaluated["label"]), abs=1e-5)


def test_clips_are_answered_without_waiting_for_fairseq(tmp_path: Path) -> None:
    dims = {"text": 384, "audio": 7}
    train(make_store(tmp_path / "DATA", dims), tmp_path, "--aux-modalities", "audio")
    (tmp_path / "clip.mp4").write_bytes(b"no clip")
    code = (
        "import sys; from mia_fairseq.predict.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print({name.partition('.')[0] for name in sys.modules})"
    )
    given = (tmp_path / "checkpoint_best.pt", tmp_path / "clip.mp4", "--text", "so good")
    done = run_cli("python", "-c", code, *given, check=False)
    assert "which is no extractor here" in done.stderr  # the checkpoint has been read
    loaded = done.stdout.splitlines()[-1]
    assert "'torch'" in loaded and "'fairseq'" not in loaded and "'omegaconf'" not in loaded


def test_classes_come_with_probabilities(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 4, "audio": 3}, label=EMOTIONS)
    train(data, tmp_path, "--criterion", "ce_krl", "--aux-modalities", "audio")
    predictions = list(Predictor(tmp_path / "checkpoint_best.pt").predict_split(data, "test"))
    assert len(predictions) == 23
    for prediction in predictions:
        assert list(prediction.probabilities) == list(EMOTIONS.names)
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.value == max(prediction.probabilities, key=prediction.probabilities.get)
        assert prediction.label in EMOTIONS.names
    header, *lines = csv.reader(io.StringIO(render(predictions, "csv")))
    assert header[:3] == ["id", "prediction", "p_neutral"] and len(lines) == 23


def test_a_clip_goes_through_the_checkpoints_extractors(trained: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"1234567")
    predictor = Predictor(trained)
    assert predictor.reads_words
    few, many = (
        predictor.predict_clips([Clip("c", clip, "word " * words)])[0].value for words in (1, 11)
    )
    assert -3.5 < few < -1.5 and 1 < many < 3.5  # the truth is −2.5 and 2.5


def test_extractors_are_built_once_for_all_calls(
    trained: Path, tmp_path: Path, monkeypatch
) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(bytes(7))
    built: list[str] = []
    for extractor in (WordCount, FileSize):
        first = extractor.__init__

        def counting(self, first=first, **options: str) -> None:
            built.append(type(self).__name__)
            first(self, **options)

        counting.__signature__ = inspect.signature(first)  # type: ignore[attr-defined]
        monkeypatch.setattr(extractor, "__init__", counting)
    predictor = Predictor(trained)
    once, again = (predictor.predict_clips([Clip("a", clip, "one two")]) for _ in range(2))
    assert sorted(built) == ["FileSize", "WordCount"]
    assert once == again


def test_a_clip_without_neighbours_lacks_its_contexts(trained: Path, tmp_path: Path) -> None:
    data = trained.parent / "DATA"
    for split in ("train", "valid", "test"):  # one long video a split
        lines = (data / f"{split}.tsv").read_text().splitlines()
        rows = [[*line.split("\t")[:3], split, str(place)] for place, line in enumerate(lines[1:])]
        table = [lines[0], *("\t".join(row) for row in rows)]
        (data / f"{split}.tsv").write_text("\n".join(table) + "\n")
    flags = ("--aux-modalities", "video", "--context", "text[-2:-1]")
    train(data, tmp_path, *flags)
    predictor = Predictor(tmp_path / "checkpoint_best.pt")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"1234567")
    (prediction,) = predictor.predict_clips([Clip("c", clip, "a b c")])
    assert np.isfinite(prediction.value) and not prediction.missing
    assert len(list(predictor.predict_split(data, "test"))) == 30


def test_what_a_clip_lacks_is_told(trained: Path, tmp_path: Path, capsys) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    main([str(trained), str(empty), "--text", "one two three"])
    printed = capsys.readouterr().out
    assert "video: it is empty" in printed and "one two three" in printed
    assert "text: " not in printed


def test_a_clip_of_which_nothing_can_be_made_has_a_reason_and_the_others_answers(
    trained: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(b"" if name == "b.mp4" else bytes(7))
    hear = {"a.mp4": "one two", "b.mp4": "", "c.mp4": ""}
    monkeypatch.setattr(
        "mia_fairseq.predict.several_models.listen",
        lambda clips, speech: [replace(clip, text=hear[Path(clip.id).name]) for clip in clips],
    )
    with pytest.raises(SystemExit) as ended:
        main([str(trained), str(tmp_path), "--json"])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    first, second, third = json.loads(printed.out)
    why = {"text": "no words, so no count", "video": "it is empty"}
    told = "nothing could be made of it: text: no words, so no count; video: it is empty"
    assert second == {
        **{"id": str(tmp_path / "b.mp4"), "prediction": None, "status": "failed", "text": ""},
        **{"missing": why, "reason": told},
    }
    assert first["status"] == "ok" and third["status"] == "partial"
    alone = Predictor(trained).predict_clips([Clip("a", tmp_path / "a.mp4", "one two")])
    assert first["prediction"] == pytest.approx(alone[0].value, abs=1e-6)
    assert f"1 of 3 have no prediction; the first, {tmp_path / 'b.mp4'}: {told}" in printed.err
    with pytest.raises(SystemExit):
        main([str(trained), str(tmp_path), "--format", "csv"])
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["id", "prediction", "text", "status", "missing"]
    assert [row[1] == "" for row in rows] == [False, True, False]


def test_numbers_that_are_not_finite_are_no_prediction(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(bytes(7))
    predictor = Predictor(trained)
    next(iter(predictor.network.model.parameters())).data.fill_(float("nan"))
    (answer,) = predictor.predict_clips([Clip("a", tmp_path / "a.mp4", "one two")])
    assert answer.value is None and answer.status == "failed"
    assert answer.reason == "the model puts out numbers that are not finite"
    assert json.loads(render([answer], "json"))[0]["prediction"] is None


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-x", "@SUM(A1)", "\tx", "'=1", "''-", "it's", "'a"]
)
def test_formulas_are_marked_as_text_in_csv_and_numbers_stay(cell: str) -> None:
    answer = Prediction(cell, -0.5, text=cell, missing={"audio": "none"})
    _, row = csv.reader(io.StringIO(render([answer], "csv"), newline=""))
    assert row[1:] == ["-0.500", row[0], "partial", "audio: none"]
    assert not row[0].startswith(("=", "+", "-", "@", "\t"))
    assert unescaped(row[0]) == cell
    assert row[0] == cell or cell.lstrip("'")[:1] in "=+-@\t"


def test_code_that_a_checkpoint_names_needs_a_word_from_the_user(trained: Path) -> None:
    schema = Predictor(trained).schema
    name = f"{WordCount.__module__}:WordCount"
    text = replace(schema.modalities["text"], extractor=name)
    schema = replace(schema, modalities={**schema.modalities, "text": text})
    with pytest.raises(InputError, match=rf"code from outside .* add --extractor {name} if you do"):
        ClipInputs(schema, trained).read([Clip("c", None, "a b")])
    arrays, _ = ClipInputs(schema, trained, allowed=[name]).read([Clip("c", None, "a b")])
    assert arrays["text"][0].tolist() == [[1, 1]]


def test_several_clips_and_folders_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("b.mp4", "a.wav", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(b"1")
    (tmp_path / "z.mov").write_bytes(b"1")
    clips = find_clips([tmp_path / "z.mov", tmp_path / "in"], None)
    assert [Path(clip.id).name for clip in clips] == ["z.mov", "a.wav", "b.mp4"]


@pytest.mark.parametrize(
    ("make", "text", "words"),
    [
        (lambda p: p / "nothing.mp4", None, "no such file or folder"),
        (lambda p: p, None, "holds no media file"),
    ],
)
def test_paths_that_lead_nowhere_are_named(tmp_path: Path, make, text, words: str) -> None:
    with pytest.raises(InputError, match=words):
        find_clips([make(tmp_path)], text)


def test_one_text_for_two_clips_is_refused(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"1")
    with pytest.raises(InputError, match="--text is given for 2 clips"):
        find_clips([tmp_path], "words")


def test_features_of_no_known_extractor_need_a_data_folder(checkpoint: Path, tmp_path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1")
    with pytest.raises(InputError, match="made by 'test', which is no extractor here"):
        main([str(checkpoint), str(tmp_path / "a.mp4")])


def test_a_split_of_other_features_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 9, "audio": 7, "video": 5})
    with pytest.raises(InputError, match="text has dim 9"):
        main([str(checkpoint), str(data)])


def test_what_a_data_folder_or_a_user_dir_cannot_be_is_told(
    corpus: Path, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is a DATA folder, whose features are made; leave --text"):
        main([str(checkpoint), str(corpus), "--text", "so good"])
    for command, more in ((main, [str(corpus)]), (export.main, ["--out", f"{tmp_path}/out"])):
        with pytest.raises(InputError, match="--user-dir nowhere: there is no such folder"):
            command([str(checkpoint), *more, "--user-dir", "nowhere"])


def test_contributions_are_what_leaving_out_changes(trained: Path, tmp_path: Path) -> None:
    clip = Clip("c", tmp_path / "clip.mp4", "a b c d")
    clip.path.write_bytes(b"1234567")
    model = Predictor(trained)
    (prediction,) = model.predict_clips([clip])
    add_contributions(model, [clip], [prediction])
    found = prediction.contributions
    assert list(found["modalities"]) == ["text", "video"]
    without_text = model.predict_clips([replace(clip, text="")])[0].value
    assert found["modalities"]["text"] == pytest.approx(prediction.value - without_text, abs=1e-5)
    shorter = model.predict_clips([replace(clip, text="a b c")])[0].value
    assert len(found["words"]) == 4
    for told in found["words"]:
        assert told["change"] == pytest.approx(prediction.value - shorter, abs=1e-5)
    failed = prediction.without_answer("nothing")
    add_contributions(model, [clip], [failed])
    assert failed.contributions == {}
    assert "contributions" in prediction.to_json()
