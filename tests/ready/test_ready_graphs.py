"""Ready models answer without torch, by graphs that are made at their first use."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from harness import run_cli

from mia_fairseq import load_model
from mia_fairseq.blueprint import Blueprint
from mia_fairseq.checkpoints.task_state import read_schema
from mia_fairseq.data.array_batch import batch_of
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.export import onnx_writing
from mia_fairseq.export.config_file import read_config
from mia_fairseq.export.example_batches import example_batch
from mia_fairseq.export.exported_model import write_exported
from mia_fairseq.fairseq_bases import architectures, settings_class
from mia_fairseq.plugin import register
from mia_fairseq.predict.networks import ready_graph
from mia_fairseq.predict.networks.opened_model import open_model
from mia_fairseq.predict.networks.torch_network import open_by_torch
from mia_fairseq.ready import catalog
from preprocess.media.clip import Clip

WITHOUT_TORCH = """
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "fairseq")))
from mia_fairseq.predict.__main__ import main
main(sys.argv[1:])
"""


def test_models_of_words_answer_without_torch_as_with_it(
    tmp_path: Path, stored_model: Callable[[str], Path]
) -> None:
    stored_model("minilm")
    texts = ["I loved every minute of it", "no", "he said that it was quite dull and far too long"]
    with_torch = []
    for folder in map(catalog.ready_folder, catalog.default_models()):
        model = load_model(folder)  # and its graph, where it was not kept yet
        arrays = model.inputs.read([Clip(text, None, text) for text in texts])[0]
        opened = open_by_torch(folder)
        told = opened.network.answers(batch_of(opened.schema, arrays))["prediction"]
        np.testing.assert_allclose(model.predict_arrays(arrays), told, rtol=0, atol=1e-4)
        with_torch.append(told[0])
    clip = tmp_path / "clip.wav"
    clip.write_bytes(b"words are given, so nobody listens")
    printed = run_cli("python", "-c", WITHOUT_TORCH, clip, "--text", texts[0], "--json").stdout
    (answer,) = json.loads(printed)
    assert answer["sentiment"]["prediction"] == pytest.approx(float(with_torch[0]), abs=1e-4)
    shares = list(answer["emotion"]["probabilities"].values())
    assert shares == pytest.approx(with_torch[1].tolist(), abs=1e-4)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a model without an encoder; graphs are kept beside it."""
    monkeypatch.setattr(ready_graph, "cache_folder", lambda: tmp_path)
    register()
    schema = Schema("test", LabelSpec("regression"), "text", (), {"text": ModalitySpec(3)})
    cfg = settings_class("unimodal")()
    cfg._name = "unimodal"
    torch.manual_seed(0)
    model = architectures()["unimodal"].from_blueprint(cfg, Blueprint(schema))
    write_exported(tmp_path / "model", model.eval(), {"schema": schema.to_state()}, vars(cfg))
    return tmp_path / "model"


def test_two_first_uses_at_once_make_one_graph(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, made, write = read_config(folder), [], onnx_writing.write_graph

    def counted(*where: Path, int8: bool) -> str:
        made.append(where)
        sha256 = write(*where, int8=int8)
        assert not list(folder.parent.glob("graphs/model-*")), "it is moved once, when it is whole"
        return sha256

    monkeypatch.setattr(onnx_writing, "write_graph", counted)
    with ThreadPoolExecutor(2) as pool:
        graphs = list(pool.map(ready_graph.ready_graph, [folder] * 2, [config] * 2))
    assert len(made) == 1 and None not in graphs
    (place,) = (folder.parent / "graphs").iterdir()
    assert sorted(path.name for path in place.iterdir()) == ["graph.json", "model.onnx"]


def test_a_graph_is_made_once_and_again_when_it_is_damaged(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = read_config(folder)
    assert ready_graph.ready_graph(folder, config) and "its first use" in caplog.text
    caplog.clear()
    assert ready_graph.ready_graph(folder, config) and not caplog.text
    (graph,) = tmp_path.glob("graphs/model-*/model.onnx")
    graph.write_bytes(b"cut")
    assert ready_graph.ready_graph(folder, config) and "is damaged" in caplog.text
    assert graph.stat().st_size > 3
    other = {**config, "weights": {**config["weights"], "sha256": "0"}}
    assert ready_graph.hash_of_parts(other) != ready_graph.hash_of_parts(config)
    monkeypatch.setattr(ready_graph, "GRAPH_VERSION", 0)
    (folder / "model.safetensors").write_bytes(b"")
    assert ready_graph.ready_graph(folder, config) is None
    assert "is run by torch, which starts slowly" in caplog.text


def test_products_of_eight_bits_are_near(folder: Path) -> None:
    config = read_config(folder)
    exact, rounded = (ready_graph.ready_graph(folder, config, int8=int8) for int8 in (False, True))
    assert exact is not None and rounded is not None
    names = {path.parent.name[-4:]: path for path in folder.parent.glob("graphs/*/model.onnx")}
    kinds = {node.op_type for node in onnx.load(names["int8"]).graph.node}
    assert len(names) == 2 and "MatMulInteger" in kinds
    schema = read_schema(config)
    batch = example_batch(schema, (3, 1, 2, 4), (1,) * 4, seed=1)
    told, near = (graph.answers(batch)["prediction"] for graph in (exact, rounded))
    assert 0 < np.abs(near - told).max() < 0.1 * np.abs(told).max()
    with pytest.raises(InputError, match="--quantize int8 is for ready models on the processor"):
        open_model(folder, int8=True)
