"""Robustness: modalities that are absent, noisy or of another utterance, in evaluation only.

The same seed gives the same noise and the same exchange, whatever the batches and processes.
N rows, T time, d the modality's dim.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.tables import VectorTable
from mia_fairseq.errors import InputError
from mia_fairseq.name_values import comma_separated, name_values


@dataclass(frozen=True)
class Perturbation:
    """What is done to the modalities of a split.

    Attributes:
        drop: modalities that are taken away from every row.
        noise: Gaussian noise by modality, in standard deviations of each training column.
        misalign: modalities of which each row gets another row's.
        seed: of noise, exchange and which rows lose something.
        drop_shares: modalities that are taken away from a share of the rows, drawn by chance; of
            one share the same rows lose all that it is of.
    """

    drop: tuple[str, ...] = ()
    noise: Mapping[str, float] = field(default_factory=dict)
    misalign: tuple[str, ...] = ()
    seed: int = 1
    drop_shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, drop: str, noise: str, misalign: str, seed: int) -> "Perturbation":
        """Reads ``--drop``, ``--noise``, ``--misalign`` and ``--perturbation-seed``.

        Raises:
            InputError: an amount of noise or a share cannot be read, the seed is negative, or a
                modality stands there twice.
        """
        if seed < 0:
            raise InputError(f"--perturbation-seed is {seed}, expected a whole number from 0 up")
        form = "MODALITY=AMOUNT, from 0 up in standard deviations of the training split"
        whole = [part for part in comma_separated(drop) if "=" not in part]
        partly = [part for part in comma_separated(drop) if "=" in part]
        shares = name_values(partly, "--drop", _share, "MODALITY=SHARE of the rows, from 0 to 1")
        moved = comma_separated(misalign)
        amounts = name_values(comma_separated(noise), "--noise", _amount, form)
        names = [*whole, *shares, *amounts, *moved]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(
                f"modality {twice[0]!r} is named twice by --drop, --noise and --misalign; "
                "perturb each in one way"
            )
        return cls(tuple(whole), amounts, tuple(moved), seed, shares)

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities that are perturbed."""
        return (*self.drop, *self.drop_shares, *self.noise, *self.misalign)

    def to_json(self) -> dict[str, Any]:
        """What a results file says of it: what was done, and nothing where nothing was."""
        done = {
            "drop": list(self.drop),
            "drop_shares": dict(self.drop_shares),
            "noise": dict(self.noise),
            "misalign": list(self.misalign),
        }
        used = {key: value for key, value in done.items() if value}
        drawn = self.noise or self.misalign or self.drop_shares
        return {**used, "perturbation_seed": self.seed} if drawn else used

    def apply(self, name: str, table: VectorTable, deviation: NDArray[Any] | None) -> VectorTable:
        """One modality of a split as this perturbation leaves it.

        Args:
            name: the modality.
            table: its vectors.
            deviation: (d,) of its columns in training; needed where it gets noise.

        Raises:
            InputError: a modality cannot be exchanged among fewer than two rows.
        """
        key = (self.seed, crc32(name.encode()))
        if name in self.drop:
            return table.with_rows(np.zeros_like(table.lengths))
        if name in self.drop_shares:
            return table.with_rows(table.lengths * self._kept(len(table.lengths), name))
        if name in self.misalign:
            if len(table.lengths) < 2:
                raise InputError(
                    f"{table.path}: --misalign {name} needs two rows or more, the split has one"
                )
            donor = derangement(len(table.lengths), np.random.default_rng(key))
            return table.with_rows(table.lengths[donor], table.offsets[donor])
        if name in self.noise and deviation is not None:
            return NoisyTable(table, self.noise[name] * deviation, key)
        return table

    def _kept(self, rows: int, name: str) -> NDArray[np.bool_]:
        """(N,) which rows keep a modality of `drop_shares`."""
        share = self.drop_shares[name]
        order = np.random.default_rng((self.seed, 1)).permutation(rows)
        return order >= round(share * rows)


class NoisyTable(VectorTable):
    """A table whose rows are read with Gaussian noise, the same each time.

    Args:
        table: the clean one.
        scale: (d,) deviation of the noise of each column.
        key: what the noise is drawn by, together with the row's number.
    """

    def __init__(self, table: VectorTable, scale: NDArray[Any], key: tuple[int, ...]) -> None:
        super().__init__(table.path, table.lengths, table.vectors, table.offsets)
        self.scale, self.key = scale, key

    def __getitem__(self, row: int) -> NDArray[Any]:
        clean = super().__getitem__(row)
        drawn = np.random.default_rng((*self.key, row)).standard_normal(clean.shape)
        return (clean + self.scale * drawn).astype(np.float32)


def derangement(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count,) for each row another one, each once: a ring of all rows in random order."""
    ring = rng.permutation(count)
    donor = np.empty(count, np.int64)
    donor[ring] = np.roll(ring, 1)
    return donor


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _amount(text: str) -> float:
    amount = float(text)
    if not 0 <= amount < math.inf:
        raise ValueError(text)
    return amount
