"""The ready models: their size, cards, recipes and terms, and that each answers for a clip."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fairseq import options

from examples.ready_models import LIMIT, put_figures, results
from mia_fairseq import load_model
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.experiments.specification.run_flags import train_flags
from mia_fairseq.fairseq_bases import settings_class
from mia_fairseq.metrics import classification_metrics, regression_metrics
from mia_fairseq.plugin import register
from mia_fairseq.predict.__main__ import main
from mia_fairseq.ready import catalog
from mia_fairseq.serve import __main__ as serve
from preprocess.media.clip import Clip

READY = [catalog.FOLDER / name for name in catalog.ready_models()]


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terms are told as if for the first time; models stay where they are."""
    monkeypatch.setattr(catalog, "cache_folder", lambda: tmp_path / "cache")


@pytest.fixture
def hum(tmp_path: Path) -> Path:
    """Two seconds of a tone that rises."""
    seconds = np.arange(32_000) / 16_000
    path = tmp_path / "a hum.wav"
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (120 + 40 * seconds) * seconds), 16_000)
    return path


@pytest.mark.parametrize("folder", READY, ids=lambda folder: folder.name)
def test_a_card_has_the_figures_of_its_results(folder: Path, tmp_path: Path) -> None:
    assert (folder / "model.safetensors").stat().st_size <= LIMIT
    assert json.loads((folder / "config.json").read_text())["weights"]["precision"] == "float16"
    found = json.loads((folder / "results.json").read_text())
    card = (folder / "README.md").read_text(encoding="utf-8")
    for name, value in found["figures"].items():
        low, high = found["intervals"][name]
        assert low <= value <= high
        assert f"| {name} | {value:.3f} | {low:.3f} to {high:.3f} |" in card
    for heading in ("## Terms", "## Figures", "## Limits", "## How it was made"):
        assert heading in card
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    put_figures(tmp_path / "README.md", found)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == card


@pytest.mark.parametrize("folder", READY, ids=lambda folder: folder.name)
def test_a_recipe_is_of_the_model_that_was_exported(folder: Path) -> None:
    recipe = load(str(folder / f"{folder.name}.yaml"))
    (row,) = recipe.rows
    config = json.loads((folder / "config.json").read_text())
    kind = config["schema"]["label"]["kind"]
    register()
    parser = options.get_training_parser("multimodal_affect")
    given = ["DATA", "--task", "multimodal_affect", *train_flags(row, kind)]
    asked = vars(options.parse_args_and_arch(parser, given))
    settings = config["settings"]
    assert asked["arch"] == settings["_name"]
    defaults = vars(settings_class(settings["_name"])())
    for name in ("encoder", "lora", "channels", "ffn_dim", "dropout", "no_main_adapter"):
        assert asked.get(name, defaults[name]) == settings[name], name


def test_figures_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.normal(size=60), rng.normal(size=60)
    rows = [
        {"id": f"{k}", "label": f"{y}", "prediction": f"{z}", "group": f"{k % 9}"}
        for k, (y, z) in enumerate(zip(truth.tolist(), guess.tolist(), strict=True))
    ]
    found = results(rows)
    assert (found["n"], found["groups"]) == (60, 9)
    assert found["figures"]["mae"] == pytest.approx(regression_metrics(guess, truth)["mae"])
    names = ("sad", "glad")
    words = [
        {**row, "label": names[k % 2], "p_sad": "1", "p_glad": "0"} for k, row in enumerate(rows)
    ]
    for k, row in enumerate(words):
        row["prediction"] = names[k % 3 % 2]
    found = results(words)
    expected = classification_metrics(np.arange(60) % 3 % 2, np.arange(60) % 2, names)
    assert found["figures"]["weighted_f1"] == pytest.approx(expected["weighted_f1"])
    assert found["f1"].keys() == set(names)


def test_a_clip_is_answered_without_a_checkpoint_and_terms_are_told_once(
    hum: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    main([str(hum), "--model", "voice", "--json"])
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["id"] == str(hum) and answer["status"] == "ok"
    assert answer["prediction"] in answer["probabilities"] and len(answer["probabilities"]) == 8
    assert caplog.text.count("may be used for research, not for commerce") == 1
    (again,) = load_model("voice").predict(hum)
    assert again.value == answer["prediction"]
    assert caplog.text.count("for research") == 1


def test_the_larger_model_tells_glad_words_from_sad_ones(
    stored_model: Callable[[str], Path],
) -> None:
    stored_model("mpnet")
    texts = ("I loved every minute of it", "it is a film of two hours", "the worst film I ever saw")
    clips = [Clip(str(place), text=text) for place, text in enumerate(texts)]
    glad, even, sad = (found.value for found in load_model("sentiment").predict_clips(clips))
    assert glad > 1.5 > 1 > even > -1 > -1.5 > sad


def test_words_without_a_clip_are_answered_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--text", "I loved it", "--model", "sentiment-small", "--json"])
    (told,) = json.loads(capsys.readouterr().out)
    assert told["id"] == "text" and told["text"] == "I loved it" and told["prediction"] > 0
    model = load_model("sentiment-small")
    (answer,) = model.predict([], text="I loved it")
    assert answer.value == pytest.approx(told["prediction"]) and model.predict([]) == []


def test_models_that_are_not_there_are_refused(hum: Path) -> None:
    with pytest.raises(InputError, match=r"no ready model is called 'taste'; there are .*voice"):
        main([str(hum), "--model", "taste"])
    with pytest.raises(InputError, match="no ready model is called 'taste'"):
        serve.main(["--model", "voice,taste"])
    with pytest.raises(InputError, match="no ready model is called 'taste'"):
        load_model("taste")
    with pytest.raises(InputError, match="no clip is named"):
        main([])
    with pytest.raises(InputError, match="is a model, and --model names voice"):
        main(["some.pt", str(hum), "--model", "voice"])


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("sentiment-small", "emotion", "emotion-small", "voice"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").touch()
    monkeypatch.setattr(catalog, "FOLDER", tmp_path)
    return tmp_path


def test_a_name_without_its_size_means_the_small_one_where_there_is_no_other(box: Path) -> None:
    assert catalog.default_models() == ["sentiment-small", "emotion-small"]
    assert catalog.ready_folder("sentiment") == box / "sentiment-small"
    assert catalog.ready_folder("emotion") == box / "emotion"
    assert catalog.ready_folder("emotion-small") == box / "emotion-small"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], {"sentiment": "sentiment-small", "emotion": "emotion-small"}),
        (["voice"], {"": "voice"}),
        (["voice", "emotion"], {"voice": "voice", "emotion": "emotion"}),
        (["emotion", "emotion-small"], {"emotion": "emotion", "emotion-small": "emotion-small"}),
        (["sentiment", "sentiment-small"], {"": "sentiment-small"}),
    ],
)
def test_each_model_asked_for_answers_by_a_name_of_its_own(
    box: Path, asked: list[str], told: dict[str, str]
) -> None:
    assert catalog.asked_models(asked) == {name: box / of for name, of in told.items()}
