"""From rows on disk to padded batches: the dataset that fairseq iterates over.

B batch, T the longest sequence of a modality in the batch, d its dim.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mia_fairseq.data.array_batch import pad
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.store import Split
from mia_fairseq.data.padded_size import without_waste
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_bases import FairseqDataset

BUCKET = 1600  # rows that are sorted by length together: 50 batches of 32


class RowFeatures(Mapping[str, NDArray[Any]]):
    """{modality: (T, d) array} of one row, each read when it is asked for."""

    def __init__(self, split: Split, row: int) -> None:
        self.split, self.row = split, row

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.split.features[name][self.row]

    def __iter__(self) -> Iterator[str]:
        return iter(self.split.features)

    def __len__(self) -> int:
        return len(self.split.features)


class AffectDataset(FairseqDataset):
    """The utterances of one split.

    An item is ``{"row": int, "features": {modality: (T, d) array}}``. Rows are
    visited in a new order in each epoch of training, by length otherwise.

    Args:
        split: the open split.
        shuffle: whether to draw a new order for each epoch (training).
        by_length: whether to sort that order by the tokens' lengths within every `BUCKET` rows,
            so that a batch has rows of like length and little padding (fairseq then shuffles the
            batches).
        parts: (rows,) numbers of parts, each of which gives an equal share of an epoch; None: every
            row comes once.
    """

    def __init__(
        self,
        split: Split,
        *,
        shuffle: bool = False,
        by_length: bool = False,
        parts: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__()
        self.parts = parts
        self.split, self.shuffle, self.by_length = split, shuffle, by_length

    @property
    def labels(self) -> NDArray[np.float64]:
        """(rows,) as `Split.labels`."""
        return self.split.labels

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = int(index)
        return {"row": row, "features": RowFeatures(self.split, row)}

    def collater(self, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Pads a list of items into one batch.

        Returns:
            ``id`` (B,) row numbers; ``split`` the split's name; ``net_input``: ``features``
            {modality: what `pad` makes of the rows} and ``lengths`` {modality: (B,)}, 0 where the
            modality is missing, and where rows are read among neighbours ``own`` {modality:
            (B, 2)}, as `VectorTable.own`; ``target`` as `LabelSpec.targets` has it. An empty
            dictionary for no items, as fairseq's last shards have it.

        Raises:
            InputError: a vector holds NaN or Inf; the row is named.
        """
        if not samples:
            return {}
        rows = [sample["row"] for sample in samples]
        features, lengths = {}, {}
        for name in self.split.features:
            padded, counts = self._padded(name, samples, rows)
            if padded.dtype == np.float32 and not np.isfinite(padded).all():
                self._name_bad_row(name, samples)
            features[name], lengths[name] = torch.from_numpy(padded), torch.from_numpy(counts)
        own = {
            name: torch.from_numpy(table.own[rows])
            for name, table in self.split.features.items()
            if table.own is not None
        }
        further = {
            name: torch.from_numpy(known_targets(spec, self.split.rows.labels_of(rows, name)))
            for name, spec in self.split.store.further_labels.items()
        }
        labels = self.split.store.label.targets(self.split.rows.labels_of(rows))
        return {
            "id": torch.tensor(rows),
            "split": self.split.name,
            "nsentences": len(samples),
            "ntokens": int(sum(counts.sum() for counts in lengths.values())),
            "net_input": {
                "features": features,
                "lengths": lengths,
                **({"own": own} if own else {}),
            },
            "target": torch.from_numpy(labels),
            **({"further": further} if further else {}),
        }

    def _padded(
        self, name: str, samples: Sequence[Mapping[str, Any]], rows: Sequence[int]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """What `pad` makes of one modality; rows of one vector each are read to their places."""
        spec = self.split.specs.get(name)
        if spec is None or spec.kind == "features":
            single = self.split.features[name].single_items(rows)
            if single is not None:
                return single.astype(np.float32, copy=False), np.ones(len(rows), np.int64)
        return pad([sample["features"][name] for sample in samples], spec)

    def _name_bad_row(self, name: str, samples: Sequence[Mapping[str, Any]]) -> None:
        for sample in samples:
            if not np.isfinite(sample["features"][name]).all():
                row = self.split.rows[sample["row"]]
                raise InputError(
                    f"{self.split.features[name].path}: {name} of row {row.id!r} holds NaN or "
                    "Inf, expected finite numbers; import the data again"
                )

    def num_tokens(self, index: int) -> int:
        return self.size(index)

    def num_tokens_vec(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        sizes = [table.lengths_of(indices) for table in self.split.features.values()]
        return np.maximum(np.max(sizes, axis=0), 1)

    def size(self, index: int) -> int:
        """The longest modality of one row, in items; at least 1."""
        return int(self.num_tokens_vec(np.array([index]))[0])

    def batch_by_size(self, *args: Any, **kwargs: Any) -> list[NDArray[np.int64]]:
        """As fairseq's; batches that would be mostly padding, and large, are divided."""
        batches = super().batch_by_size(*args, **kwargs)
        return without_waste(batches, self.split) if self.split.features else list(batches)

    def ordered_indices(self) -> NDArray[np.int64]:
        # fairseq seeds NumPy with (seed + epoch) around this call.
        if not self.shuffle:  # whole splits: any order will do, and this one pads little
            return np.argsort(self.num_tokens_vec(np.arange(len(self))), kind="stable")
        order = np.random.permutation(len(self)).astype(np.int64)
        if self.parts is not None:
            order = balanced(order, self.parts)
        tokens = [name for name, spec in self.split.specs.items() if spec.kind == "tokens"]
        if not tokens or not self.by_length:
            return order
        lengths = np.sum([self.split.features[name].lengths for name in tokens], axis=0)
        buckets = [order[start : start + BUCKET] for start in range(0, len(order), BUCKET)]
        return np.concatenate([rows[np.argsort(lengths[rows], kind="stable")] for rows in buckets])

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        # Otherwise the same utterances would share a batch in every epoch.
        return not self.shuffle


def corpora_of(split: Split) -> NDArray[np.int64]:
    """(rows,) the number of each row's corpus.

    Raises:
        InputError: a row has none.
    """
    names: dict[str, int] = {}
    codes = []
    for row in split.rows:
        if row.corpus is None:
            raise InputError(
                f"{split.store.path}: --balance corpus, and row {row.id!r} of {split.name} has no "
                "corpus; make the data with preprocess.unite"
            )
        codes.append(names.setdefault(row.corpus, len(names)))
    return np.array(codes, np.int64)


def balanced(order: NDArray[np.int64], parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """An epoch in which every part has the same number of rows, give or take one.

    Args:
        order: (N,) all rows, in random order.
        parts: (N,) the part of each row.

    Returns:
        (N,) rows, the parts by turns: a small part's are repeated in their order, of a large
        part's the first ones are taken.
    """
    which, counts = np.unique(parts[order], return_counts=True)
    turns = -(-len(order) // len(which))
    columns = []
    for part, count in zip(which, counts, strict=True):
        own = order[parts[order] == part]
        columns.append(own[np.arange(turns) % count])
    return np.stack(columns, axis=1).ravel()[: len(order)]


def known_targets(spec: LabelSpec, values: NDArray[np.float64]) -> NDArray[np.float32]:
    """`LabelSpec.targets` of further labels (n,) as float32; NaN where one is not known."""
    known = np.isfinite(values)
    targets = spec.targets(np.where(known, values, 0)).astype(np.float32)
    targets[~known] = np.nan
    return targets


def tensors_of(net_input: Mapping[str, Any], device: torch.device | None = None) -> dict[str, Any]:
    """What a model is called with, from the arrays of `mia_fairseq.data.array_batch`.

    Args:
        net_input: arrays by name, some in mappings.
        device: where they are wanted; None: the processor.
    """
    return {
        name: tensors_of(held, device)
        if isinstance(held, Mapping)
        else torch.from_numpy(held).to(device)
        for name, held in net_input.items()
    }


def arrays_of(net_input: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of what `tensors_of` made."""
    return {
        name: arrays_of(held) if isinstance(held, Mapping) else held.numpy()
        for name, held in net_input.items()
    }
