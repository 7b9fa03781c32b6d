"""Of which corpus and fold a model's rows were."""

import json
from pathlib import Path

import pytest

from mia_fairseq.checkpoints.rows_seen import Division, check_unseen, divisions, fold_for
from mia_fairseq.data.format.store import FORMAT, Store
from mia_fairseq.errors import InputError


def store(folder: Path, corpus: str, **united: int | None) -> Store:
    """A DATA folder without rows."""
    label, told = {"kind": "regression", "min": 0, "max": 1}, {"united": united} if united else {}
    meta = {"format": FORMAT, "corpus": corpus, "label": label, "modalities": {}, "splits": {}}
    (folder / "meta.json").write_text(json.dumps({**meta, **told}))
    return Store(folder)


def test_a_part_of_a_united_corpus_is_divided_as_the_whole_was(tmp_path: Path) -> None:
    united = (Division("A+B", 1),)  # of a checkpoint that does not tell its parts
    found = [fold_for(united, store(tmp_path, name)) for name in ("A", "B", "A+B", "C")]
    assert found == [1, 1, 1, None]
    assert (
        fold_for((Division("A+B", None),), store(tmp_path, "A")) is None
    )  # the tables of A say it
    check_unseen(united, divisions("A", {}, 1), "u.pt", "mend it")
    with pytest.raises(InputError, match=r"u\.pt was trained with --fold 1, this run has --fold 2"):
        check_unseen(united, divisions("A", {}, 2), "u.pt", "mend it")


@pytest.mark.parametrize(
    ("corpus", "united", "fold"),
    [
        ("A+B", {}, 1),  # made before wholes told their parts
        ("A+B", {"A": None, "B": None}, 1),
        ("ALL", {"A": None, "B": None}, 1),
        ("ALL", {"A": 1, "B": None}, None),
        ("ALL", {"C": None, "B": None}, None),
        ("ALL", {"A": 2, "B": None}, "of A were divided with --fold 2 .* again with --fold 1"),
    ],
)
def test_a_whole_is_divided_as_its_part_was(
    tmp_path: Path, corpus: str, united: dict, fold: int | str | None
) -> None:
    seen = (Division("A", 1),)
    whole = store(tmp_path, corpus, **united)
    if isinstance(fold, str):
        with pytest.raises(InputError, match=fold):
            fold_for(seen, whole)
        return
    assert fold_for(seen, whole) == fold
    check_unseen(seen, divisions(corpus, united, fold), "a.pt", "mend it")
    if "A" in (*united, *corpus.split("+")) and fold is not None:
        with pytest.raises(InputError, match=r"a\.pt was trained with --fold 1, this run has none"):
            check_unseen(seen, divisions(corpus, united, None), "a.pt", "mend it")


def test_parts_that_were_divided_in_two_ways_have_no_test_together(tmp_path: Path) -> None:
    seen = divisions("ALL", {"A": 1, "B": None}, None)
    assert fold_for(seen, store(tmp_path, "ALL", A=1, B=None)) is None
    assert fold_for(seen, store(tmp_path, "A")) == 1
    with pytest.raises(InputError, match="with --fold 1 and without --fold"):
        fold_for(seen, store(tmp_path, "other", A=None, B=None))
