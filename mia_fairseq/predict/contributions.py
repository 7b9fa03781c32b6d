"""What each modality gave to a prediction, and which of its words weighed most.

Each is left out by itself and the model asked again: the change is the prediction with it less the
prediction without it, of a score, or of the probability of the class that was predicted. All copies
of a clip go through the model together.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.predict.predictor import Predictor
from mia_fairseq.predict.writing.answers import FAILED, Prediction

if TYPE_CHECKING:
    from preprocess.media.clip import Clip

MOST = 5  # words that are told


def add_contributions(
    model: Predictor, clips: Sequence["Clip"], predictions: Sequence[Prediction]
) -> None:
    """Puts ``contributions`` into the predictions of clips; none where there is no prediction.

    ``modalities`` has a change for each modality that the clip has, where there are two or more;
    ``words`` the words whose change is largest, ``{"word", "change"}`` each.

    Args:
        model: that predicted.
        clips: with their words.
        predictions: of the clips, which are changed.
    """
    for clip, prediction in zip(clips, predictions, strict=True):
        if prediction.status == FAILED:
            continue
        arrays = {name: found[0] for name, found in model.inputs.read([clip])[0].items()}
        prediction.contributions = {
            "modalities": _of_modalities(model, arrays, prediction),
            "words": _of_words(model, clip, arrays, prediction),
        }


def _of_modalities(
    model: Predictor, arrays: dict[str, NDArray[Any]], prediction: Prediction
) -> dict[str, float]:
    there = [name for name in model.inputs.made if len(arrays[name])]
    if len(there) < 2:
        return {}
    copies = {
        name: [array[:0] if left_out == name else array for left_out in (None, *there)]
        for name, array in arrays.items()
    }
    changes = _changes(model, copies, prediction)
    return {name: float(change) for name, change in zip(there, changes, strict=True)}


def _of_words(
    model: Predictor, clip: "Clip", arrays: dict[str, NDArray[Any]], prediction: Prediction
) -> list[dict[str, Any]]:
    words = (clip.text or "").split()
    textual = model.inputs.made_of_words
    if len(words) < 2 or not textual:
        return []
    shorter = [" ".join(words[:k] + words[k + 1 :]) for k in range(len(words))]
    copies = {name: [array] * (len(words) + 1) for name, array in arrays.items()}
    read = model.inputs.read([replace(clip, text=text) for text in shorter], only=textual)[0]
    for name in textual:
        copies[name] = [arrays[name], *read[name]]
    changes = _changes(model, copies, prediction)
    most = np.argsort(-np.abs(changes), kind="stable")[:MOST]
    return [{"word": words[k], "change": float(changes[k])} for k in most]


def _changes(
    model: Predictor, copies: dict[str, list[NDArray[Any]]], prediction: Prediction
) -> NDArray[np.float64]:
    """(n - 1,) the first copy's output less each other's."""
    outputs = model.predict_arrays(copies).astype(np.float64)  # (n,) or (n, k)
    if outputs.ndim > 1:
        names = list(prediction.probabilities)
        said = str(prediction.value)
        place = names.index(said) if said in names else int(np.argmax(outputs[0]))
        outputs = outputs[:, place]
    changes: NDArray[np.float64] = outputs[0] - outputs[1:]
    return changes
