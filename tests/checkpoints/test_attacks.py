"""A checkpoint that carries Python in a setting: no command that opens it runs any of it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq import checkpoint_utils
from harness import make_store, train, validate

from mia_fairseq import average
from mia_fairseq.errors import InputError
from mia_fairseq.export.__main__ import export
from mia_fairseq.plugin import register
from mia_fairseq.predict.predictor import Predictor
from mia_fairseq.report.attention_maps import look

register()


@pytest.fixture
def state(checkpoint: Path) -> dict[str, Any]:
    return torch.load(checkpoint, weights_only=True)


def code(mark: Path) -> str:
    """Python that leaves a mark and is a list of layers besides."""
    return f"[(8, 3, 2)] if open({str(mark)!r}, 'w').write('run') else []"


def attack(state: dict[str, Any], mark: Path, folder: Path, role: str = "model") -> Path:
    """The checkpoint with its task, model or criterion replaced by one of fairseq that evals."""
    carried = {
        "model": {"_name": "wav2vec2", "conv_feature_layers": code(mark), "encoder_layers": 1},
        "task": {"_name": "audio_pretraining", "data": str(folder)},
        "criterion": {"_name": "ctc", "wer_args": f"({code(mark)}, 1, 1, 1)"},
    }
    state = copy.deepcopy(state)
    state["cfg"][role] = carried[role]
    path = folder / "attack.pt"
    torch.save(state, path)
    return path


def test_fairseq_alone_would_run_it(state: dict[str, Any], tmp_path: Path) -> None:
    """The attack is one: what the tests below refuse does run where fairseq builds the model."""
    from fairseq.models.wav2vec import Wav2Vec2Config, Wav2Vec2Model

    mark = tmp_path / "mark"
    Wav2Vec2Model(Wav2Vec2Config(conv_feature_layers=code(mark), encoder_layers=1))
    assert mark.read_text() == "run"


@pytest.mark.parametrize("role", ["model", "task"])
@pytest.mark.parametrize("command", ["predict", "export", "report", "ensemble"])
def test_nothing_runs(
    state: dict[str, Any], checkpoint: Path, corpus: Path, tmp_path: Path, command: str, role: str
) -> None:
    mark = tmp_path / "mark"
    path = attack(state, mark, tmp_path, role)
    opened = {
        "predict": lambda: Predictor(path),
        "ensemble": lambda: Predictor(f"{checkpoint}:{path}"),
        "export": lambda: export(path, tmp_path / "exported"),
        "report": lambda: look(path, corpus, "test", ["test-0"]),
    }
    with pytest.raises(InputError, match=rf"its {role} is '\w+', which is fairseq's own"):
        opened[command]()
    assert not mark.exists()


@pytest.mark.parametrize("role", ["model", "task", "criterion"])
def test_validate_runs_nothing(
    state: dict[str, Any], corpus: Path, tmp_path: Path, role: str
) -> None:
    mark = tmp_path / "mark"
    refused = validate(corpus, attack(state, mark, tmp_path, role), check=False)
    assert refused.returncode == 1 and "which is fairseq's own" in refused.stderr
    assert "Traceback" not in refused.stderr and not mark.exists()


@pytest.mark.parametrize("flag", ["--init-from", "--encoder", "--save-dir"])
def test_training_runs_nothing(state: dict[str, Any], tmp_path: Path, flag: str) -> None:
    data = make_store(tmp_path / "DATA", {"text": 12, "audio": 7}, kinds={"text": "tokens"})
    mark, folder = tmp_path / "mark", tmp_path / "save"
    folder.mkdir()
    path = attack(state, mark, tmp_path)
    named = {"--init-from": [str(path)], "--encoder": [f"text=trained:{path}"], "--save-dir": []}
    if flag == "--save-dir":
        path.rename(folder / "checkpoint_last.pt")
    flags = [flag, *named[flag]] if named[flag] else ["--arch", "unimodal"]
    more = ("--main-modality", "audio") if flag == "--save-dir" else ()
    refused = train(data, folder, "--aux-modalities", "audio", *flags, *more, check=False)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert not mark.exists()


def test_the_average_builds_nothing(state: dict[str, Any], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = attack(state, mark, tmp_path)
    average.main([str(path), str(path), "--out", str(tmp_path / "mean.pt")])
    with pytest.raises(InputError, match="fairseq's own"):
        Predictor(tmp_path / "mean.pt")
    assert not mark.exists()


def test_a_release_is_built_only_as_what_it_was_asked_for(tmp_path: Path) -> None:
    """Extractors and encoders open fairseq's releases, whose settings are checked likewise."""
    from released import save_2019, settings_2019

    from mia_fairseq.pretrained.fairseq_checkpoints import load_roberta, load_wav2vec

    mark = tmp_path / "mark"
    settings = settings_2019(max_positions=8, tokens_per_sample=8)
    settings.arch, settings.task = "wav2vec2", "audio_pretraining"
    settings.conv_feature_layers = code(mark)
    save_2019(tmp_path / "model.pt", settings, {})
    with pytest.raises(InputError, match=r"expected one of fairseq\.models\.roberta"):
        load_roberta(tmp_path, "model.pt")
    with pytest.raises(InputError, match="no plain list"):
        load_wav2vec(tmp_path / "model.pt")
    assert not mark.exists()


def test_a_checkpoint_does_not_say_where_evaluation_writes(
    state: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim.json"
    victim.write_text("mine")
    state["cfg"]["task"] |= {"results_json": str(victim), "noise": "text=9.0"}
    torch.save(state, tmp_path / "attack.pt")
    validate(corpus, tmp_path / "attack.pt")
    assert victim.read_text() == "mine"


def test_what_a_setting_refers_to_is_not_looked_up(state: dict[str, Any], tmp_path: Path) -> None:
    state["cfg"]["optimization"]["lr"] = ["${oc.env:HOME}"]
    torch.save(state, tmp_path / "attack.pt")
    with pytest.raises(InputError, match="refers to others"):
        export(tmp_path / "attack.pt", tmp_path / "exported")


def test_objects_are_refused(tmp_path: Path) -> None:
    torch.save({"model": {}, "cfg": Path("/")}, tmp_path / "attack.pt")
    with pytest.raises(InputError, match="tensors and settings only: it holds"):
        checkpoint_utils.load_checkpoint_to_cpu(str(tmp_path / "attack.pt"))
