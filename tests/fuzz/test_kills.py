"""A handful of kills and races (make kills: 100 and 20)."""

from pathlib import Path

from kills import LOST, MIXED, NEITHER, SAME, WON, Outcomes, measure

COMMANDS = ("binarize", "unite", "extract")


def test_killed_and_raced_commands_end_as_undisturbed_ones(tmp_path: Path) -> None:
    found = measure(COMMANDS, kills=9, races=2, seed=3, scratch=tmp_path, rows=150)
    assert {outcome for _, outcome in found.kills} == {SAME}
    # on a busy machine fewer may be hit while they run
    assert {outcome for _, outcome in found.races} <= {WON, NEITHER}
    assert 0 < sum(found.kills.values()) <= 9 and sum(found.races.values()) == 2


def test_what_is_lost_or_mixed_is_counted() -> None:
    found = Outcomes()
    found.kills["train", SAME] += 3
    assert found.good
    found.kills["train", LOST] += 1
    found.races["unite", MIXED] += 1
    assert not found.good
    assert "| train | 4 | 3 | 1 | 0 | 0 | 0 |" in found.table()
    assert "| unite | 1 | 0 | 0 | 1 | 0 | 0 |" in found.table()
