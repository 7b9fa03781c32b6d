"""The same answers from an ONNX file, by onnxruntime alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.models import ARCH_MODEL_REGISTRY, MODEL_DATACLASS_REGISTRY
from harness import EMOTIONS, make_store, run_cli, train
from released import small_bert
from torch import nn

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.conversations.conversation import known_conversations
from mia_fairseq.data.dataset import tensors_of
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.reading import Reading
from mia_fairseq.errors import InputError
from mia_fairseq.export.__main__ import main as export
from mia_fairseq.export.answering import AnsweringModel
from mia_fairseq.export.batch_names import named
from mia_fairseq.export.example_batches import TRIED, example_batch
from mia_fairseq.export.exported_model import read_exported, write_exported
from mia_fairseq.export.onnx_writing import write_onnx
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.predict.predictor import Predictor

FUSIONS = sorted(
    name
    for name, cls in ARCH_MODEL_REGISTRY.items()
    if issubclass(cls, AffectModel) and cls.__module__.startswith("mia_fairseq.")
)
DIMS = {"text": 8, "audio": 6, "video": 5}
SMALL = {"fusion_dim": 4, "fusion_heads": 2, "fusion_layers": 1, "tfn_dim": 3, "normalize": "none"}

# numpy and onnxruntime read what is there; nothing of this project is imported.
BY_ONNXRUNTIME_ALONE = """
import sys
sys.modules["torch"] = None
from pathlib import Path
import numpy as np
import onnxruntime
for folder in map(Path, sys.argv[1:]):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    reads = [given.name for given in session.get_inputs()]
    for batch in sorted(folder.glob("batch*.npz")):
        arrays = np.load(batch)
        answers = session.run(None, {name: arrays[name] for name in reads})
        names = [told.name for told in session.get_outputs()]
        np.savez(batch.with_name("of_" + batch.name), **dict(zip(names, answers)))
"""


def written(folder: Path, name: str, label: LabelSpec, reading: Reading, **more: Any) -> None:
    """A small untrained model in a folder, with its graph, batches and torch's answers to them."""
    torch.manual_seed(0)
    cls, cfg = ARCH_MODEL_REGISTRY[name], MODEL_DATACLASS_REGISTRY[name]()
    auxiliaries = tuple(DIMS)[1:] if cls.needs_auxiliaries else ()
    specs = {n: ModalitySpec(DIMS[n]) for n in DIMS}
    if "encoder" in more:
        specs["text"] = ModalitySpec(
            8, "tokens", "tokens", {"pad": 0, "dictionary": "transformers"}
        )
    further = {"arousal": LabelSpec("regression")} if name == "mia_net" else {}
    schema = Schema("test", label, "text", auxiliaries, specs, reading=reading, further=further)
    for key, value in {**SMALL, **more, "_name": name}.items():
        if key in vars(cfg):
            setattr(cfg, key, value)
    blueprint = Blueprint(schema).with_encoders(cfg)
    model = cls.from_blueprint(cfg, blueprint)
    for tensor in model.state_dict().values():  # such as batch norms, and what begins as 0
        if tensor.is_floating_point():
            tensor.add_(0.1 * torch.rand_like(tensor))
    write_exported(folder, model.eval(), blueprint.to_state(), vars(cfg))
    write_onnx(folder)
    save_batches(folder, read_exported(folder).model, blueprint.schema)


def save_batches(folder: Path, model: AffectModel, schema: Schema) -> None:
    answering = AnsweringModel(model, schema)
    for seed, (lengths, dialogues) in enumerate(TRIED):
        batch = example_batch(schema, lengths, dialogues, seed)
        np.savez(folder / f"batch{seed}.npz", **named(batch))
        with torch.no_grad():
            told = answering(tensors_of(batch))
        np.savez(folder / f"expected{seed}.npz", **{n: t.numpy() for n, t in told.items()})


def check_by_onnxruntime(folders: list[Path]) -> None:
    assert run_cli("python", "-c", BY_ONNXRUNTIME_ALONE, *folders).stderr == ""  # no warnings
    for folder in folders:
        for seed in range(len(TRIED)):
            found, expected = (
                np.load(folder / f"{name}{seed}.npz") for name in ("of_batch", "expected")
            )
            assert found.files == expected.files
            for name in found.files:
                np.testing.assert_allclose(
                    found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=f"{folder}, {name}"
                )


def test_every_fusion_answers_the_same_by_onnxruntime_alone(tmp_path: Path) -> None:
    for number, name in enumerate(FUSIONS):
        label = EMOTIONS if number % 2 else LabelSpec("regression")
        written(tmp_path / name, name, label, Reading(), channels=1 + number % 3)
    written(tmp_path / "one", "mia_net", EMOTIONS, Reading(), channels=1)
    written(tmp_path / "several", "mia_net", LabelSpec("multilabel", names=("a", "b")), Reading())
    check_by_onnxruntime([tmp_path / name for name in (*FUSIONS, "one", "several")])


def test_every_conversation_answers_the_same_by_onnxruntime_alone(tmp_path: Path) -> None:
    folders = []
    for past in (False, True):
        reading = Reading(talks=True, past=past)
        for name in ("", *known_conversations()):
            more = {"conversation": name, "conversation_dim": 4, "crf": not name}
            more |= {"conversation_past": past}
            folders.append(tmp_path / f"{name}{past}")
            written(folders[-1], "unimodal", EMOTIONS, reading, **more)
    check_by_onnxruntime(folders)


@pytest.mark.parametrize("read", ["rows", "dialogue", "dialogue-past"])
def test_an_encoder_is_in_the_graph(tmp_path: Path, read: str) -> None:
    small_bert(tmp_path / "bert", ["a", "b", "c"])
    reading = Reading(read, past=read == "dialogue-past")
    encoder = {"encoder": f"text=hf:{tmp_path / 'bert'}"}
    written(tmp_path / "out", "unimodal", EMOTIONS, reading, **encoder)
    check_by_onnxruntime([tmp_path / "out"])


def test_predict_runs_the_graph_of_a_folder(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 8, "audio": 4}, label=EMOTIONS)
    train(data, tmp_path / "save", "--aux-modalities", "audio", "--criterion", "ce_krl")
    checkpoint, folder = tmp_path / "save" / "checkpoint_best.pt", tmp_path / "out"
    export([str(checkpoint), "--out", str(folder), "--onnx"])
    assert not hasattr(Predictor(folder).network, "model")
    by_torch, by_onnxruntime = (
        [one.probabilities for one in Predictor(path).predict_split(data, "test")]
        for path in (checkpoint, folder)
    )
    for one, other in zip(by_torch, by_onnxruntime, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    export([str(checkpoint), "--out", str(folder)])  # and no more where it is not asked for
    assert hasattr(Predictor(folder).network, "model")


class Counting(nn.Module):
    """Knows of the batch how many rows it had when it was traced."""

    def __init__(self, wrapped: nn.Module) -> None:
        super().__init__()
        self.wrapped = wrapped
        self.asks_for_labels = False

    def forward(self, inputs: Any) -> Any:
        found = self.wrapped(inputs)
        return found._replace(fused=found.fused * len(found.fused))


class Decomposing(Counting):
    """Does what ONNX has no operator for."""

    def forward(self, inputs: Any) -> Any:
        found = self.wrapped(inputs)
        return found._replace(fused=found.fused * torch.linalg.svdvals(found.fused).sum())


@pytest.mark.parametrize(
    ("fusion", "told"),
    [
        (Counting, "does not say of 7 rows what it says in torch"),
        (Decomposing, "cannot be written"),
    ],
)
def test_what_cannot_be_a_graph_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fusion: type[Counting], told: str
) -> None:
    written(tmp_path, "concat", EMOTIONS, Reading())
    build = AffectModel.from_blueprint.__func__

    def with_it(cls: Any, cfg: Any, blueprint: Any) -> AffectModel:
        model = build(cls, cfg, blueprint)
        model.fusion.forward = fusion(type(model.fusion).forward.__get__(model.fusion)).forward
        return model

    monkeypatch.setattr(AffectModel, "from_blueprint", classmethod(with_it))
    with pytest.raises(InputError, match=f"{told}.*leave --onnx out"):
        write_onnx(tmp_path)


def test_rows_beyond_an_encoders_positions_are_told(tmp_path: Path) -> None:
    small_bert(tmp_path / "bert", ["a", "b", "c"], positions=10)
    encoder = {"encoder": f"text=hf:{tmp_path / 'bert'}"}
    written(tmp_path / "out", "unimodal", EMOTIONS, Reading(), **encoder)
    model = Predictor(tmp_path / "out")
    with pytest.raises(InputError, match=r"cannot read a batch of features\.text \(1, 11\)"):
        model.predict_arrays({"text": [np.ones(11, np.int64)]})


def test_another_graph_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "unimodal", EMOTIONS, Reading())
    graph = tmp_path / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b" ")
    with pytest.raises(InputError, match="is not the file that config"):
        Predictor(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "onnx": 3}))
    with pytest.raises(InputError, match="is no configuration of an exported model"):
        Predictor(tmp_path)
