"""What models are called with while clips are answered, kept so that it can be done again."""

import json
from pathlib import Path
from typing import Any

import numpy as np

WHISPER, SILERO, GRAPHS, RETINAFACE = "Whisper", "Silero", "MiniLM with heads", "RetinaFace"


class Calls:
    """What models were called with."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.arrays: dict[str, np.ndarray[Any, Any]] = {}

    def keep(self, model: str, arrays: dict[str, Any], **how: Any) -> None:
        """Remembers one call."""
        place = len(self.told)
        self.told.append({"model": model, "arrays": list(arrays), **how})
        self.arrays |= {f"{place}.{name}": np.array(array) for name, array in arrays.items()}

    def write(self, path: Path) -> None:
        """Into one .npz."""
        text = np.frombuffer(json.dumps(self.told).encode(), np.uint8)
        with path.open("wb") as file:
            np.savez(file, told=text, **self.arrays)  # type: ignore[arg-type]

    @staticmethod
    def read(path: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Each call, and its arrays."""
        with np.load(path, allow_pickle=False) as file:
            told = json.loads(file["told"].tobytes())
            return [
                (call, {name: file[f"{place}.{name}"] for name in call["arrays"]})
                for place, call in enumerate(told)
            ]


class KeptSession:
    """An onnxruntime session whose calls are kept."""

    def __init__(self, session: Any, model: str, path: str, calls: Calls) -> None:
        self._session, self._model, self._path, self._calls = session, model, path, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: Any, inputs: dict[str, Any], *more: Any) -> Any:
        self._calls.keep(self._model, inputs, outputs=outputs, path=self._path)
        return self._session.run(outputs, inputs, *more)


class KeptWhisper:
    """CTranslate2's Whisper, likewise."""

    def __init__(self, model: Any, calls: Calls) -> None:
        self._model, self._calls = model, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, mel: Any, prompts: Any, **how: Any) -> Any:
        self._calls.keep(WHISPER, {"mel": mel}, prompts=prompts, how=how)
        return self._model.generate(mel, prompts, **how)


def model_of(path: str) -> str:
    """Which model an ONNX file is."""
    name = Path(path).name
    return RETINAFACE if "retinaface" in name else SILERO if "silero" in name else GRAPHS
