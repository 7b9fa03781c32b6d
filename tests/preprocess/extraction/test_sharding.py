"""Shards: found in the environment, disjoint, and together the whole."""

import pytest

from mia_fairseq.errors import InputError
from preprocess.extraction.sharding import Shard, find_shard


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_parts_are_the_whole_and_alike_in_size(count: int) -> None:
    parts = [Shard(index, count).part(range(10)) for index in range(count)]
    assert sorted(item for part in parts for item in part) == list(range(10))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_environment_names_the_shard() -> None:
    array = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "4"}
    assert find_shard(environment={}) == Shard(0, 1)
    assert find_shard(environment={"RANK": "1", "WORLD_SIZE": "2"}) == Shard(1, 2)
    assert find_shard(environment={**array, "SLURM_ARRAY_TASK_ID": "3"}) == Shard(3, 4)
    steps = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "2"}
    assert find_shard(environment={**array, **steps}) == Shard(3, 4)
    assert find_shard("1/3", {"RANK": "0", "WORLD_SIZE": "2"}) == Shard(1, 3)
    assert str(Shard(1, 3)) == "1-of-3"


@pytest.mark.parametrize(
    ("named", "environment", "sentence"),
    [
        (None, {"RANK": "1"}, "of RANK and WORLD_SIZE only one is set"),
        (None, {"RANK": "one", "WORLD_SIZE": "2"}, "RANK is 'one', expected a whole number"),
        (None, {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "4"}, "expected 0 to 3"),
        ("2/2", {}, "shard 2 of 2: expected 0 to 1"),
        ("2", {}, "expected I/N"),
    ],
)
def test_a_shard_that_cannot_be_is_told(
    named: str | None, environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        find_shard(named, environment)
