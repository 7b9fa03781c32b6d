"""A graph whose products take whole numbers of 8 bits, by onnxruntime's own quantizer.

Weights are rounded once, column by column. What they are multiplied with is rounded anew in each
batch, by the batch's least and largest number: so an answer depends a little on its neighbours.
"""

import tempfile
from pathlib import Path
from typing import Any

from mia_fairseq.files import atomic_path
from mia_fairseq.pretrained.libraries import require


def to_int8(path: Path) -> None:
    """Replaces an ONNX file by its copy in 8 bits."""
    library: Any = require("onnxruntime.quantization", "onnxruntime", "a model in 8 bits")
    with tempfile.TemporaryDirectory() as scratch, atomic_path(path) as partial:
        folded = str(Path(scratch) / path.name)  # constants folded: the quantizer takes no others
        library.shape_inference.quant_pre_process(str(path), folded, skip_symbolic_shape=True)
        library.quantize_dynamic(
            folded,
            str(partial),
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=library.QuantType.QInt8,
        )
