"""What a model must beat: the training labels' mean, or their commonest class.

Of several labels at once it is each one's commoner answer. Over folds, each fold's rows get the
answer of its own training rows, and all are measured together, as every model's are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.store import Store
from mia_fairseq.meter import metrics_of, without_nan


def constant_baseline(store: Store, split: str = "test") -> dict[str, Any]:
    """The metrics of one answer for every row; what is undefined is None.

    Args:
        store: DATA; where it is divided by folds, all of them count, whichever it stands at.
        split: whose rows are measured.
    """
    stores = [store]
    if isinstance(store, FoldedStore):
        stores = [FoldedStore(store.path, fold) for fold in store.folds]
    outputs, truth = [], []
    for one in stores:
        train, rows = (one.split(name, ()).labels for name in ("train", split))
        answer = _answer(store.label, train)
        outputs.append(np.broadcast_to(answer, (len(rows), *answer.shape)))
        truth.append(rows)
    return without_nan(metrics_of(store.label, np.concatenate(outputs), np.concatenate(truth)))


def _answer(label: LabelSpec, train: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a model would put out: a score (), or (k,) logits whose signs or order tell."""
    if label.kind == "regression":
        return np.asarray(train.mean())
    if label.kind == "multilabel":
        shares: NDArray[np.float64] = label.targets(train).mean(axis=0, dtype=np.float64)
        return shares - 0.5
    return np.bincount(train.astype(np.int64), minlength=label.outputs).astype(np.float64)
