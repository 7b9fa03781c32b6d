"""From what a model puts out to what it says: scores, classes, several labels, further labels."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.export.batch_names import FURTHER, PREDICTION
from mia_fairseq.multilabel_metrics import UNCHOSEN, several
from mia_fairseq.predict.writing.answers import Prediction


class Answers(NamedTuple):
    """Of n utterances (n,) scores or (n, k) probabilities, and the same of each further label."""

    label: NDArray[np.float32]
    further: dict[str, NDArray[np.float32]]


def answers_of(told: Mapping[str, NDArray[np.float32]]) -> Answers:
    """The answers of what a network says by the name of the label."""
    further = {
        name.removeprefix(FURTHER): numbers for name, numbers in told.items() if name != PREDICTION
    }
    return Answers(told[PREDICTION], further)


def _in_words(
    label: LabelSpec, output: NDArray[np.float32], thresholds: Mapping[str, float]
) -> tuple[float | str, dict[str, float]]:
    """What is predicted, and the probability of each class or label."""
    if label.kind == "regression":
        return float(output), {}
    shares = {n: float(share) for n, share in zip(label.names, output, strict=True)}
    if label.kind == "multilabel":
        (found,) = several(output[None], label.names, thresholds)
        return label.format(found), shares
    return max(shares, key=shares.__getitem__), shares


def prediction_of(
    name: str, answers: Answers, place: int, schema: Schema, thresholds: Mapping[str, float]
) -> Prediction:
    """What is said of one utterance.

    Args:
        name: of it.
        answers: of n utterances.
        place: which of them it is.
        schema: kinds of labels.
        thresholds: of each of several labels; those of further ones as ``FURTHER/NAME``.
    """
    value, shares = _in_words(schema.label, answers.label[place], thresholds)
    prediction = Prediction(name, value, shares)
    prediction.scale = schema.label.minimum, schema.label.maximum
    for other, told in answers.further.items():
        spec = schema.further[other]
        cuts = {n: thresholds.get(f"{other}/{n}", UNCHOSEN) for n in spec.names}
        prediction.further[other], _ = _in_words(spec, told[place], cuts)
    return prediction


def answer_or_reason(prediction: Prediction, read: Collection[str]) -> Prediction:
    """The prediction; or, where it means nothing, the utterance without one and the reason.

    Args:
        prediction: what the model puts out, and which modalities the utterance lacks.
        read: the modalities that could have told something.
    """
    if set(read) <= set(prediction.missing):
        why = "; ".join(f"{name}: {reason}" for name, reason in prediction.missing.items())
        return prediction.without_answer(f"nothing could be made of it: {why}")
    value = prediction.value
    numbers = [*prediction.probabilities.values(), *([value] if isinstance(value, float) else [])]
    if not np.isfinite(numbers).all():
        return prediction.without_answer("the model puts out numbers that are not finite")
    return prediction
