"""Dialogues that are read at once: windows, owners of rows, names, by naive means."""

import itertools

import numpy as np
import pytest

from mia_fairseq.data.views.dialogue import DialogueReader, count_speakers, plan_windows
from mia_fairseq.data.views.speaker_tokens import SpeakerTokens
from mia_fairseq.errors import InputError

S, E, PAD = 1, 2, 0
ROWS = {0: [S, 10, 11, E], 1: [S, 20, E], 2: [], 3: [S, 30, 31, 32, E]}


def reader(limit: int | None, *, past: bool = False, named: bool = False) -> DialogueReader:
    return DialogueReader(
        lambda row: np.array(ROWS[row], np.int64),
        lambda row: np.array([90 + row] if named else [], np.int64),
        limit,
        PAD,
        past=past,
    )


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_windows_fit_own_each_row_once_and_share_what_is_near(seed: int, past: bool) -> None:
    rng = np.random.default_rng(seed)
    room = int(rng.integers(5, 40))
    lengths = rng.integers(1, room + 1, rng.integers(1, 30)).tolist()
    windows = plan_windows(lengths, room, past=past)
    owned = [row for w in windows for row in range(w.own_begin, w.own_end)]
    assert owned == list(range(len(lengths)))
    for window in windows:
        assert sum(lengths[window.begin : window.end]) <= room
        assert window.begin <= window.own_begin <= window.own_end <= window.end
    if sum(lengths) <= room:
        assert len(windows) == 1
    for one, other in itertools.pairwise(windows):
        assert other.end > one.end and other.begin > one.begin
        assert sum(lengths[other.begin : one.end]) <= room // 2
        if past:  # nothing is gained by waiting for a later window
            assert other.own_begin == one.end


def test_a_dialogue_in_one_window() -> None:
    reading = reader(None, named=True).read([[0, 1, 2, 3]])
    assert reading.tokens.tolist() == [[S, 90, 10, 11, E, 91, 20, E, 93, 30, 31, 32, E]]
    assert reading.turns.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]]
    own = [reading.tokens[w, b : b + n].tolist() for w, b, n in reading.own]
    assert own == [[10, 11, E], [20, E], [], [30, 31, 32, E]]  # neither names nor the start


def test_two_dialogues_are_padded_and_stay_apart() -> None:
    reading = reader(None).read([[0], [3, 1]])
    assert reading.tokens.tolist() == [[S, 10, 11, E, 0, 0, 0], [S, 30, 31, 32, E, 20, E]]
    assert reading.lengths.tolist() == [4, 7]
    assert reading.own.tolist() == [[0, 1, 3], [1, 1, 4], [1, 5, 2]]


@pytest.mark.parametrize("past", [False, True])
def test_a_long_dialogue_is_read_in_windows_and_each_row_finds_its_words(past: bool) -> None:
    rows = [0, 1, 3, 0, 1, 0, 3, 1]
    reading = reader(9, past=past).read([rows])
    assert reading.tokens.shape[1] <= 9 and (reading.tokens[:, 0] == S).all()
    for row, (window, begin, count) in zip(rows, reading.own, strict=True):
        assert reading.tokens[window, begin : begin + count].tolist() == ROWS[row][1:]
    assert reading.lengths.sum() == (reading.tokens != PAD).sum()


def test_an_utterance_longer_than_all_positions_is_cut_and_its_name_goes_first() -> None:
    reading = reader(4, named=True).read([[3, 1]])
    assert reading.tokens.tolist() == [[S, 30, 31, E], [S, 91, 20, E]]


def test_nothing_to_read_is_one_empty_window() -> None:
    reading = reader(None).read([[2], [2, 2]])
    assert reading.lengths.tolist() == [0] and (reading.own == 0).all() and len(reading.own) == 3


def test_speakers_are_counted_as_they_appear() -> None:
    assert count_speakers(["Ross", "Joey", "Ross", None, "Joey"]).tolist() == [0, 1, 0, 2, 1]


def test_names_are_cut_as_word_pieces() -> None:
    tokens = SpeakerTokens(["[PAD]", ":", "chan", "##dler", "mr", "1", "2", "a", "##b"])
    assert tokens.of_name("Mr. Chandler").tolist() == [4, 2, 3, 1]
    assert tokens.of_name("AB").tolist() == [7, 8, 1]
    assert tokens.of_role(1).tolist() == [6, 1]
    assert tokens.of_name("Zoe").tolist() == tokens.of_name(None).tolist() == []


def test_names_agree_with_the_tokenizer_of_the_dictionary(tmp_path) -> None:
    from released import small_bert

    from preprocess.extractors.base import build_extractor

    small_bert(tmp_path, ["ross", "##sie", ":", "joey", "j", "##o", "##an"])
    extractor = build_extractor("hf_tokens", {"folder": str(tmp_path)})
    (tmp_path / "dict.txt").write_text(extractor.dictionary_text())
    tokens = SpeakerTokens.read(tmp_path / "dict.txt", "transformers")
    for name in ("ross", "rosssie", "joey", "joan", "ross joey"):
        assert [*tokens.of_name(name)] == extractor.encode(f"{name} :")[1:-1]


def test_a_dictionary_of_numbers_has_no_names(tmp_path) -> None:
    with pytest.raises(InputError, match=r"is a fairseq one"):
        SpeakerTokens.read(tmp_path / "dict.txt", "fairseq")
    (tmp_path / "dict.txt").write_text("a 1\nb 1\n")
    with pytest.raises(InputError, match="no token ':'"):
        SpeakerTokens.read(tmp_path / "dict.txt", "transformers")
