"""Validation rows carved out by whole groups."""

from collections import Counter

import numpy as np

from preprocess.tables.carving import carve_validation


def by_hand(splits: list[str], groups: list[str], fraction: float, seed: int) -> list[str]:
    """Group after group in the drawn order, its rows counted anew each time."""
    training = [group for group, split in zip(groups, splits, strict=True) if split == "train"]
    names = sorted(set(training))
    drawn: list[str] = []
    for place in np.random.default_rng(seed).permutation(len(names)):
        if sum(group in drawn for group in training) >= fraction * len(training):
            break
        drawn.append(names[place])
    pairs = zip(splits, groups, strict=True)
    return ["valid" if s == "train" and g in drawn else s for s, g in pairs]


def test_groups_are_drawn_as_before_and_whole() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{n}" for n in rng.integers(40, size=300)]
    splits = rng.choice(["train", "train", "test"], size=300).tolist()
    for seed, fraction in ((1, 0.1), (2, 0.5), (3, 0.9)):
        found = carve_validation(splits, groups, fraction, seed, "x")
        assert found == by_hand(splits, groups, fraction, seed)


def test_many_groups_are_no_matter() -> None:
    rows = 200_000  # with a look through all rows for each group: hours
    found = carve_validation(["train"] * rows, [f"g{n}" for n in range(rows)], 0.5, 1, "x")
    assert Counter(found) == {"train": rows // 2, "valid": rows // 2}
