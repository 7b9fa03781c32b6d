"""A model as an ONNX file, run by onnxruntime: neither torch nor fairseq is imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError, quoted
from mia_fairseq.export.batch_names import named
from mia_fairseq.export.folder_names import CONFIG
from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained.libraries import require


class OnnxModel:
    """A graph that `mia_fairseq.export.onnx_writing` wrote.

    Args:
        path: of the file.
        sha256: that it must have.

    Raises:
        InputError: the file is another one, or cannot be run.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        runtime, self._path = require("onnxruntime", "onnxruntime", "a model as ONNX"), path
        if not path.is_file() or sha256_of(path) != sha256:
            raise InputError(
                f"{path}: is not the file that {CONFIG} was written for, of sha256 "
                f"{quoted(sha256)}; export the model again with --onnx, or copy the folder whole"
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1  # the rounding of a sum depends on how it is shared out
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of onnxruntime, which has a class of its own for each
            raise InputError(f"{path}: cannot be run ({quoted(error)}); export it again") from error
        self._reads = [given.name for given in self._session.get_inputs()]
        self._tells = [found.name for found in self._session.get_outputs()]

    def answers(self, batch: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        """What it says of a batch of `mia_fairseq.data.array_batch`, by the name of the label.

        Returns:
            ``prediction`` and ``further.NAME``: (B,) scores or (B, k) probabilities.

        Raises:
            InputError: it cannot read them, say tokens beyond an encoder's positions.
        """
        arrays = named(batch)
        try:
            found = self._session.run(self._tells, {name: arrays[name] for name in self._reads})
        except Exception as error:  # of onnxruntime, which has a class of its own for each
            shapes = ", ".join(f"{name} {arrays[name].shape}" for name in self._reads)
            raise InputError(
                f"{self._path}: cannot read a batch of {shapes} ({quoted(error)}); give it what "
                f"its {CONFIG} tells, no longer than its limits"
            ) from error
        return dict(zip(self._tells, found, strict=True))
