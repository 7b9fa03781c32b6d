"""Figures of ready models that stand elsewhere are theirs; the commands that make them again."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from examples import ready_int8, ready_rerun
from examples.results_tables import RESULTS
from mia_fairseq.errors import InputError
from mia_fairseq.export.folder_names import CARD, WEIGHTS
from mia_fairseq.predict.writing.answers import Prediction
from mia_fairseq.ready.catalog import ready_folder, ready_models

INPUTS = {
    "sentiment-small": {"file": "in.npz"},
    "emotion-small": {"tables": "TABLES"},
    "sentiment": {"file": "in.npz"},
    "voice": {"clips": "SOUNDS"},
}
LEARNT = {  # of lora.json's tables the other table, and its row
    "CMU-MOSI, MiniLM": ("CMU-MOSI, MiniLM", "text, minilm fine-tuned"),
    "MELD, MiniLM": ("MELD", "text, minilm fine-tuned"),
    "CMU-MOSI, MPNet": ("CMU-MOSI, MPNet", "text, mpnet fine-tuned"),
}


def _tables(name: str) -> dict[str, dict[str, list[dict[str, float]]]]:
    tables = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["tables"]
    return {table["title"]: table["rows"] for table in tables}


def _shipped(name: str) -> dict[str, float]:
    found = json.loads((ready_folder(name) / "results.json").read_text(encoding="utf-8"))
    return {"n": found["n"], **found["figures"]}


def _agree(one: dict[str, float], other: dict[str, float], *, within: float) -> None:
    both = one.keys() & other.keys()
    assert len(both) >= 4
    assert {k: one[k] for k in both} == pytest.approx({k: other[k] for k in both}, abs=within)


def test_float32_beside_int8_is_the_ready_model() -> None:
    tables = _tables("int8")
    assert list(tables) == ["sentiment-small, test", "emotion-small, test"]
    for title, rows in tables.items():
        (plain,), (rounded,) = rows[ready_int8.FLOAT32], rows["int8"]
        _agree(plain, _shipped(title.partition(",")[0]), within=1e-6)
        assert plain["n"] == rounded["n"] and plain != rounded


def test_lora_is_the_ready_model_and_the_whole_encoder_that_of_the_other_table() -> None:
    whole = _tables("learning_encoders")
    assert _tables("lora").keys() == LEARNT.keys()
    for title, rows in _tables("lora").items():
        ((name, (lora,)),) = [(k, v) for k, v in rows.items() if k.startswith("LoRA of rank ")]
        _agree(lora, _shipped(name.partition("(")[2].rstrip(")")), within=1e-6)
        table, row = LEARNT[title]
        ((_, learnt),) = [(k, v) for k, v in rows.items() if k.startswith("whole encoder learns, ")]
        for one, other in zip(learnt, whole[table][row], strict=True):
            _agree(one, other, within=1e-6)


def test_both_precisions_are_written_as_kept_results(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Model:
        def __init__(self, folder: Path, *, int8: bool = False) -> None:
            self.shift = 0.5 if int8 else 0.25

        def predict_split(self, data: Path, split: str):
            from mia_fairseq.data.format.store import Store

            for row in Store(data).split(split, ()).rows:
                yield Prediction(row.id, row.label + self.shift, label=row.label)

    monkeypatch.setattr("mia_fairseq.predict.predictor.Predictor", Model)
    out = tmp_path / "int8.json"
    ready_int8.main([f"sentiment-small={corpus}", "--out", str(out)])
    (table,) = json.loads(out.read_text())["tables"]
    assert table["title"] == "sentiment-small, test"
    assert [table["rows"][k][0]["mae"] for k in ("float32", "int8")] == [0.25, 0.5]
    assert table["made_of"]["int8"]["made_by"]["machine"]["processor"]
    with pytest.raises(InputError, match="is no DATA folder; make it by the model's recipe"):
        ready_int8.main([f"sentiment-small={tmp_path}"])


@pytest.mark.parametrize("name", ready_models())
def test_a_cards_commands_are_complete(name: str, tmp_path: Path) -> None:
    card = ready_folder(name) / CARD
    commands = ready_rerun.commands_of(card, INPUTS[name], tmp_path)
    assert commands[0][:3] == ["python", "-m", "mia_fairseq.experiments"]
    assert Path(commands[0][3]) == ready_folder(name) / f"{name}.yaml"
    assert commands[-1][2:4] == ["examples.ready_models", name]
    assert commands[-1][-2:] == ["--out", str(tmp_path / "ready")]
    for words in commands:
        assert words[0] in ("python", "fairseq-train")
        assert not {"FOLDER", "CLIPS", "file=mosi_utterance_trimodal.npz"} & set(words)
    (known,) = INPUTS[name]
    with pytest.raises(InputError, match=f"--input gives nothing, expected {known}"):
        ready_rerun.commands_of(card, {}, tmp_path)


def test_a_rerun_runs_them_and_says_whether_the_bits_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped, ran = ready_folder("sentiment-small"), []

    def run(words, *, cwd: Path, env: dict[str, str], check: bool):
        ran.append([str(word) for word in words])
        (cwd / "runs/all/unimodal-MOSI-1/seed1").mkdir(parents=True, exist_ok=True)
        (cwd / "runs/all/unimodal-MOSI-1/seed1/checkpoint_best.pt").touch()
        for file in shipped.iterdir():
            shutil.copyfile(file, cwd / "ready/sentiment-small" / file.name)
        if len(ran) > 2:  # the second time other weights come out
            weights = load_file(shipped / WEIGHTS)
            first = next(iter(weights))
            weights[first] = weights[first] + weights[first].dtype.type(0.5)
            save_file(weights, cwd / "ready/sentiment-small" / WEIGHTS)

    monkeypatch.setattr("subprocess.run", lambda *given, **how: (run(*given, **how), _Ended())[1])
    asked = ["sentiment-small", "--input", "file=in.npz", "--out", str(tmp_path)]
    ready_rerun.main(asked)
    told = capsys.readouterr().out
    assert "weights: the same bits" in told and "made on Intel" in told and "mae: 0.7899" in told
    assert [words[2] for words in ran] == ["mia_fairseq.experiments", "examples.ready_models"]
    assert ran[1][5].endswith("runs/all/unimodal-MOSI-1/seed1/checkpoint_best.pt")
    with pytest.raises(SystemExit, match="2"):
        ready_rerun.main(asked)
    assert "weights: other bits, by up to 0.5" in capsys.readouterr().out


class _Ended:
    returncode = 0
