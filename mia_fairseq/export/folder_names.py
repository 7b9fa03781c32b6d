"""The names of what an exported model's folder holds; importing this loads no library."""

from pathlib import Path

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
GRAPH = "model.onnx"  # of --onnx
INT8 = "int8"  # of --quantize
GRAPH_VERSION = 1  # of the way in which graphs are made; kept ones of another are made again


def is_exported(path: Path) -> bool:
    """Whether a path is a folder that mia_fairseq.export wrote."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()
