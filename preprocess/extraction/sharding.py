"""Which part of a corpus this process does: set by torchrun, a Slurm array, or by hand."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mia_fairseq.errors import InputError

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count``, counted from 0."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise InputError(f"shard {self.index} of {self.count}: expected 0 to {self.count - 1}")

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"

    def part(self, items: Sequence[_Item]) -> list[_Item]:
        """Every count-th item, so that shards are alike in size whatever the order means."""
        return list(items[self.index :: self.count])


def find_shard(named: str | None = None, environment: Mapping[str, str] | None = None) -> Shard:
    """The shard ``named`` as I/N, or that of RANK/WORLD_SIZE, or of a Slurm array, or the whole.

    A Slurm array may start anywhere and have a step.

    Raises:
        InputError: for what is no number or only half set.
    """
    environment = os.environ if environment is None else environment
    if named is not None:
        part, slash, whole = named.partition("/")
        if not slash:
            raise InputError(f"--shard is {named!r}, expected I/N, say 0/4")
        return Shard(_number("--shard", part), _number("--shard", whole))
    if _both(environment, "RANK", "WORLD_SIZE"):
        return Shard(_from(environment, "RANK"), _from(environment, "WORLD_SIZE"))
    if _both(environment, "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"):
        count = _from(environment, "SLURM_ARRAY_TASK_COUNT")
        first = _number("SLURM_ARRAY_TASK_MIN", environment.get("SLURM_ARRAY_TASK_MIN", "0"))
        step = _number("SLURM_ARRAY_TASK_STEP", environment.get("SLURM_ARRAY_TASK_STEP", "1"))
        return Shard((_from(environment, "SLURM_ARRAY_TASK_ID") - first) // step, count)
    return Shard()


def _both(environment: Mapping[str, str], one: str, other: str) -> bool:
    there = [name in environment for name in (one, other)]
    if any(there) and not all(there):
        raise InputError(f"of {one} and {other} only one is set; set both, or neither")
    return all(there)


def _from(environment: Mapping[str, str], name: str) -> int:
    return _number(name, environment[name])


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise InputError(f"{name} is {value!r}, expected a whole number") from error
