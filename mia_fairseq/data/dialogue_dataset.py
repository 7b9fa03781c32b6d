"""Batches of whole dialogues: for encoders that read them at once, and for models of dialogues.

B rows of a batch, W windows, T the longest window.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mia_fairseq.data.array_batch import put_reading
from mia_fairseq.data.dataset import AffectDataset, corpora_of, tensors_of
from mia_fairseq.data.format.dictionary import dictionary_path
from mia_fairseq.data.format.store import Split
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.dialogue import DialogueReader, Dialogues, RowTokens
from mia_fairseq.data.views.speaker_tokens import SpeakerTokens
from mia_fairseq.errors import InputError

BUCKET = 256  # dialogues that are sorted by length together


class DialogueDataset(AffectDataset):
    """The rows of a split, dialogue by dialogue: no batch has a part of one.

    Args:
        split: the open split.
        schema: how rows are read (`Schema.reading`).
        shuffle: whether to draw a new order of dialogues for each epoch (training).
        by_length: whether to sort that order by the dialogues' lengths within every `BUCKET`.
    """

    def __init__(
        self, split: Split, schema: Schema, *, shuffle: bool = False, by_length: bool = False
    ) -> None:
        super().__init__(split, shuffle=shuffle, by_length=by_length)
        self.schema = schema
        self.dialogues = Dialogues.of(split, f"{schema.reading.flag} of")
        self.readers = {name: self._reader(name) for name in schema.read_in_dialogues}
        sizes = [self.num_tokens_vec(rows) for rows in self.dialogues.rows]
        # Not `sizes`, which fairseq looks up by rows where there is one.
        self.totals = np.array([size.sum() for size in sizes], np.int64)

    def collater(self, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """As `AffectDataset.collater` of the rows of whole dialogues, one after another.

        ``net_input`` has besides: ``features`` of what is read in dialogues, (W, T) tokens;
        ``windows`` {modality: ``own`` (B, 3), ``lengths`` (W,), and ``turns`` (W, T) where nothing
        later is read} (see `DialogueReading`); ``talk``: ``dialogue`` (B,) and ``speaker`` (B,).
        """
        batch = super().collater(samples)
        if not batch:
            return batch
        rows = np.array([sample["row"] for sample in samples])
        number = self.dialogues.number[rows]
        parts = np.split(rows, np.flatnonzero(np.diff(number)) + 1)
        inputs = batch["net_input"]
        found: dict[str, Any] = {"features": {}, "lengths": {}}
        for name, reader in self.readers.items():
            reading = reader.read([part.tolist() for part in parts])
            put_reading(found, name, reading, past=reader.past)
        for name, tensors in tensors_of(found).items():
            inputs.setdefault(name, {}).update(tensors)
        spoken = torch.from_numpy(self.dialogues.speaker[rows])
        inputs["talk"] = {"dialogue": torch.from_numpy(number), "speaker": spoken}
        return batch

    def ordered_indices(self) -> NDArray[np.int64]:
        count = len(self.dialogues.rows)
        if not self.shuffle:
            order = np.argsort(self.totals, kind="stable")
        else:
            order = np.random.permutation(count)  # fairseq seeds NumPy around this call
            if self.by_length:
                parts = [order[start : start + BUCKET] for start in range(0, count, BUCKET)]
                sort = [part[np.argsort(self.totals[part], kind="stable")] for part in parts]
                order = np.concatenate(sort)
        return np.concatenate([self.dialogues.rows[number] for number in order])

    def batch_by_size(
        self,
        indices: NDArray[np.int64],
        max_tokens: int | None = None,
        max_sentences: int | None = None,
        required_batch_size_multiple: int = 1,
    ) -> list[NDArray[np.int64]]:
        """Batches of whole dialogues, of at most so many rows (``--batch-size``) and tokens.

        A dialogue that has more is a batch by itself.
        """
        number = self.dialogues.number[indices]
        batches: list[list[NDArray[np.int64]]] = []
        rows, tokens = 0, 0
        for part in np.split(indices, np.flatnonzero(np.diff(number)) + 1):
            rows += len(part)
            tokens += int(self.totals[self.dialogues.number[part[0]]])
            full = rows > (max_sentences or rows) or tokens > (max_tokens or tokens)
            if full or not batches:
                batches.append([])
                rows, tokens = len(part), int(self.totals[self.dialogues.number[part[0]]])
            batches[-1].append(part)
        return [np.concatenate(parts) for parts in batches]

    def _reader(self, name: str) -> DialogueReader:
        """Reads a modality's tokens in dialogues."""
        spec, table = self.schema.modalities[name], self.split.features[name]
        limit, past = self.schema.limits.get(name), self.schema.reading.past
        return DialogueReader(table.__getitem__, self._names(name), limit, spec.pad, past=past)

    def _names(self, modality: str) -> RowTokens:
        """What stands before a row's words in a modality's tokens."""
        speakers = self.schema.reading.speakers
        if speakers == "none":
            return lambda _: np.empty(0, np.int64)
        path = dictionary_path(self.split.store.path, modality)
        kind = str(self.schema.modalities[modality].extra["dictionary"])
        tokens = SpeakerTokens.read(path, kind)
        if speakers == "roles":
            roles = self.dialogues.speaker
            return lambda row: tokens.of_role(int(roles[row]))
        names = [row.speaker for row in self.split.rows]
        if not any(names):
            raise InputError(
                f"{self.split.store.path}, split {self.split.name!r}: no row says who speaks, "
                "which --speakers names needs; import the data again with speakers, or use "
                "--speakers none"
            )
        name_tokens = {name: tokens.of_name(name) for name in set(names)}
        return lambda row: name_tokens[names[row]]


def dataset_of(
    split: Split,
    schema: Schema,
    *,
    shuffle: bool = False,
    by_length: bool = False,
    by_corpus: bool = False,
) -> AffectDataset:
    """A split as a schema's model reads it: row by row, or dialogue by dialogue.

    Args:
        split: the rows.
        schema: whether dialogues are read, and what of a row.
        shuffle: whether each epoch has another order.
        by_length: whether rows of like length share a batch.
        by_corpus: whether each corpus is drawn equally often.

    Raises:
        InputError: corpora are to be balanced, and dialogues are read whole or rows have none.
    """
    if schema.reading.whole_dialogues:
        if by_corpus:
            raise InputError(
                f"{split.store.path}: --balance corpus draws rows, and {schema.reading.flag} reads "
                "whole dialogues; leave one of them out"
            )
        return DialogueDataset(split, schema, shuffle=shuffle, by_length=by_length)
    parts = corpora_of(split) if by_corpus else None
    return AffectDataset(split, shuffle=shuffle, by_length=by_length, parts=parts)
