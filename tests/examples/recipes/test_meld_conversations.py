"""The recipe of models of dialogues: each is tuned alike, and stands beside its published row."""

from itertools import pairwise
from pathlib import Path

from harness import EMOTIONS, ROOT, make_store

from mia_fairseq.conversations.conversation import known_conversations
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.search import Trial
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.experiments.tuning import parameters, write_tuned

RECIPE = str(ROOT / "examples" / "recipes" / "meld_conversations.yaml")


def test_every_model_is_there_with_the_same_flags(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"sentence": 8, "audio": 3}, label=EMOTIONS)
    planned = plan(load(RECIPE), [data], seeds=1, out=tmp_path, more={})
    flags = [dict(pairwise(entry.runs[0].flags)) for entry in planned]
    assert {one.get("--conversation") for one in flags} == {None, *known_conversations()}
    assert len({one["--lr"] + one["--dropout"] + one["--max-epoch"] for one in flags}) == 1
    alone, *others = (parameters(entry.store, entry.runs[0].flags) for entry in planned[:7])
    assert alone < 20_000 < min(others)  # 128 states in each direction are counted


def test_what_was_tuned_keeps_the_published_rows(tmp_path: Path) -> None:
    chosen = load(RECIPE)
    found = {row.name: [Trial({"lr": 5e-4}, 0.5)] for row in chosen.rows}
    tuned = load(str(write_tuned(chosen, found, tmp_path / "tuned.yaml")))
    assert tuned.paper == chosen.paper and tuned.paper["MELD"].rows["CTNet [58]"]
    assert [row.paper for row in tuned.rows] == [row.paper for row in chosen.rows]
    assert {row.flags["lr"] for row in tuned.rows} == {5e-4}
