"""What a model must beat: the training labels' mean, or their commonest class.

Of several labels at once it is each one's commoner answer.
"""

from typing import Any

import numpy as np

from mia_fairseq.data.format.store import Store
from mia_fairseq.metrics import classification_metrics, regression_metrics
from mia_fairseq.multilabel_metrics import multilabel_metrics


def constant_baseline(store: Store) -> dict[str, Any]:
    """The test metrics of one answer for every row; what is undefined is None."""
    train, test = (store.split(name, ()).labels for name in ("train", "test"))
    if store.label.kind == "regression":
        found = regression_metrics(np.full(len(test), train.mean()), test)
        return {name: None if np.isnan(figure) else figure for name, figure in found.items()}
    if store.label.kind == "multilabel":
        targets = store.label.targets(test)
        shares = np.tile(store.label.targets(train).mean(axis=0), (len(targets), 1))
        return multilabel_metrics(shares, targets, store.label.names)
    most = np.bincount(train.astype(np.int64)).argmax()
    return classification_metrics(np.full(len(test), most), test, store.label.names)
