"""Of which corpus and fold a model's rows were."""

import pytest

from mia_fairseq.checkpoints.rows_seen import Division, check_unseen, fold_for
from mia_fairseq.errors import InputError


def test_a_part_of_a_united_corpus_is_divided_as_the_whole_was() -> None:
    united = (Division("A+B", 1),)
    assert [fold_for(united, name) for name in ("A", "B", "A+B", "C")] == [1, 1, 1, None]
    assert fold_for((Division("A+B", None),), "A") is None  # the tables of A say it
    check_unseen(united, "A", 1, "u.pt", "mend it")
    with pytest.raises(InputError, match=r"u\.pt was trained with --fold 1, this run has --fold 2"):
        check_unseen(united, "A", 2, "u.pt", "mend it")
