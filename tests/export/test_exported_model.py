"""A folder instead of a checkpoint: the same answers, from torch alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from fairseq.models import ARCH_MODEL_REGISTRY, MODEL_DATACLASS_REGISTRY
from harness import EMOTIONS, make_store, run_cli, train
from released import small_bert
from safetensors.torch import load_file

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.export.__main__ import main as export
from mia_fairseq.export.exported_model import read_exported, write_exported
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.predict.predictor import Predictor

FUSIONS = sorted(
    name
    for name, cls in ARCH_MODEL_REGISTRY.items()
    if issubclass(cls, AffectModel) and cls.__module__.startswith("mia_fairseq.")
)
DIMS = {"text": 8, "audio": 6, "video": 5}
LENGTHS = {"text": [4, 1, 3, 2], "audio": [2, 0, 1, 0], "video": [0, 2, 2, 0]}

WITHOUT_FAIRSEQ = """
import sys
sys.modules["fairseq"] = None
from pathlib import Path
import torch
from mia_fairseq.export.exported_model import read_exported
for folder in map(Path, sys.argv[1:]):
    batch = torch.load(folder / "batch.pt", weights_only=True)
    with torch.no_grad():
        output = read_exported(folder).model(batch["features"], batch["lengths"]).prediction
    torch.save(output, folder / "output.pt")
"""


def built(name: str, label: LabelSpec) -> tuple[AffectModel, Blueprint, dict[str, Any]]:
    torch.manual_seed(0)
    cls = ARCH_MODEL_REGISTRY[name]
    auxiliaries = tuple(DIMS)[1:] if cls.needs_auxiliaries else ()
    specs = {n: ModalitySpec(DIMS[n]) for n in DIMS}
    blueprint = Blueprint(Schema("test", label, "text", auxiliaries, specs))
    cfg = MODEL_DATACLASS_REGISTRY[name]()
    cfg._name = name
    model = cls.from_blueprint(cfg, blueprint)
    for buffer in model.buffers():  # statistics of normalisation and of batch norms
        if buffer.is_floating_point() and buffer.numel():
            buffer.data.add_(0.3)
    return model.eval(), blueprint, dict(vars(cfg))


def batch() -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    lengths = {name: torch.tensor(found) for name, found in LENGTHS.items()}
    features = {name: torch.randn(4, max(LENGTHS[name]), DIMS[name]) for name in DIMS}
    for name, found in features.items():
        found[torch.arange(found.shape[1]) >= lengths[name][:, None]] = 0
    return {"features": features, "lengths": lengths}


def test_every_fusion_answers_the_same_in_a_process_without_fairseq(tmp_path: Path) -> None:
    expected = {}
    for name in FUSIONS:
        model, blueprint, settings = built(
            name, EMOTIONS if len(name) % 2 else LabelSpec("regression")
        )
        write_exported(tmp_path / name, model, blueprint.to_state(), settings)
        torch.save(batch(), tmp_path / name / "batch.pt")
        with torch.no_grad():
            expected[name] = model(**batch()).prediction
    run_cli("python", "-c", WITHOUT_FAIRSEQ, *(tmp_path / name for name in FUSIONS))
    for name in FUSIONS:
        answered = torch.load(tmp_path / name / "output.pt", weights_only=True)
        torch.testing.assert_close(answered, expected[name], rtol=1e-5, atol=1e-5, msg=name)


@pytest.fixture(scope="module")
def lora(tmp_path_factory) -> tuple[Path, Path]:
    """A trained model whose encoder learnt by LoRA, and its DATA."""
    folder = tmp_path_factory.mktemp("export")
    dims = {"text": 8, "audio": 4}
    data = make_store(folder / "DATA", dims, kinds={"text": "tokens"}, label=EMOTIONS, seed=2)
    small_bert(folder / "bert", ["a", "b", "c"])
    flags = ("--encoder", f"text=hf:{folder / 'bert'}", "--lora", "text=2", "--criterion", "ce_krl")
    train(data, folder / "save", "--aux-modalities", "audio", *flags)
    return folder / "save" / "checkpoint_best.pt", data


def answers(checkpoint: Path, data: Path) -> list[tuple[str, dict[str, float]]]:
    return [
        (one.id, one.probabilities) for one in Predictor(checkpoint).predict_split(data, "test")
    ]


def test_the_command_writes_what_predict_reads(lora: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, data = lora
    export([str(checkpoint), "--out", str(tmp_path / "model")])
    assert answers(tmp_path / "model", data) == answers(checkpoint, data)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["schema"]["label"]["names"] == list(EMOTIONS.names)
    assert (
        config["settings"]["_name"] == "mia_net" and len(config["encoders"]["text"]["sha256"]) == 64
    )
    held = load_file(tmp_path / "model" / "model.safetensors")
    mean = held["encoders.audio.mean"]
    assert config["normalization"]["audio"]["mean"] == pytest.approx(mean.tolist()) and mean.any()
    card = (tmp_path / "model" / "README.md").read_text()
    assert "neutral, joy, anger" in card and config["encoders"]["text"]["sha256"] in card
    assert "not in this folder" in card  # LoRA leaves the encoder where it was


def test_sixteen_bits_halve_the_file(lora: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, data = lora
    for precision in ("float32", "float16"):
        export([str(checkpoint), "--out", str(tmp_path / precision), "--precision", precision])
    whole, half = (
        (tmp_path / p / "model.safetensors").stat().st_size for p in ("float32", "float16")
    )
    assert half < 0.7 * whole
    for (_, one), (_, other) in zip(
        answers(tmp_path / "float32", data), answers(tmp_path / "float16", data), strict=True
    ):
        assert one == pytest.approx(other, abs=5e-3)


def test_a_folder_that_is_not_whole_is_told(lora: tuple[Path, Path], tmp_path: Path) -> None:
    good = tmp_path / "good"
    export([str(lora[0]), "--out", str(good)])

    def told(name: str, change: Any) -> str:
        folder = tmp_path / name
        shutil.copytree(good, folder)
        config = json.loads((folder / "config.json").read_text())
        change(folder, config)
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(InputError) as error:
            read_exported(folder)
        return str(error.value)

    def cut(folder: Path, _: dict) -> None:
        (folder / "model.safetensors").write_bytes(b"x" * 100)

    assert "is not the file that config.json was written for" in told("cut", cut)
    later = told("later", lambda _, config: config.update(format=9))
    assert "has format 9, expected 1; update mia_fairseq" in later
    other = told("other", lambda _, config: config["settings"].update(_name="nobody"))
    assert "its model is 'nobody', which nothing here registers" in other
    wider = told("wider", lambda _, config: config["settings"].update(channels=3))
    assert "its weights are not those of the model that its settings describe" in wider
    broken = told("broken", lambda _, config: config.clear())
    assert "is no configuration of an exported model" in broken


def test_a_file_is_no_folder_to_write(lora: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, expected a folder to write"):
        export([str(lora[0]), "--out", str(tmp_path / "file")])


def test_what_training_kept_of_its_rows_stays_behind(tmp_path: Path) -> None:
    model, blueprint, settings = built("self_mm", LabelSpec("regression"))
    model.fusion.begin_training(50)
    write_exported(tmp_path / "out", model, blueprint.to_state(), settings)
    kept = {
        n: t for n, t in load_file(tmp_path / "out/model.safetensors").items() if "labels." in n
    }
    assert kept and not any(len(tensor) for tensor in kept.values())
    other = read_exported(tmp_path / "out").model
    with torch.no_grad():
        assert torch.equal(other(**batch()).prediction, model(**batch()).prediction)
