"""A small corpus of GENERATED features, for what needs neither clips nor encoders.

Each utterance's score is drawn at random and hidden, with noise of its own, in a random direction
of text, audio and video features. So the right answer is known: each modality alone tells part,
and a fusion should beat text alone.
"""

import numpy as np
from numpy.typing import NDArray

ROWS = {"train": 720, "valid": 120, "test": 240}
DIMS = {"text": 32, "audio": 24, "video": 16}
NOISE = {"text": 1.0, "audio": 1.2, "video": 1.4}  # deviation of what each modality tells


def generate(seed: int) -> dict[str, NDArray[np.generic]]:
    """The corpus as arrays: one latent score a row, seen through each modality's noise."""
    rng = np.random.default_rng(seed)
    rows = sum(ROWS.values())
    score = np.round(rng.uniform(-3, 3, rows) * 5) / 5
    arrays: dict[str, NDArray[np.generic]] = {
        "label": score,
        "split": np.repeat(list(ROWS), list(ROWS.values())),
        "id": np.array([f"generated_{row}" for row in range(rows)]),
    }
    for name, dim in DIMS.items():
        told = score + rng.normal(0, NOISE[name], rows)  # all that this modality knows
        direction = rng.normal(size=dim)
        direction /= np.linalg.norm(direction)
        features = told[:, None] * direction + rng.normal(0, 0.3, (rows, dim))
        arrays[name] = features.astype(np.float32)
    return arrays
