"""Pickles are read as data: what NumPy wrote comes back, and nothing else does anything."""

import io
import pickle
import random
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from preprocess.tables.pickled_arrays import load_pickle
from preprocess.tables.pickled_values import PickleError

RNG = np.random.default_rng(0)
CONTENT: dict[str, Any] = {
    "ids": ["a$_$1", "b"],
    "float32": RNG.normal(size=(2, 3, 4)).astype(np.float32),
    "fortran": np.asfortranarray(RNG.normal(size=(2, 3))),
    "swapped": np.arange(3, dtype=">i4"),
    "flags": np.array([True, False]),
    "none of them": np.zeros((0, 4)),
    "words": np.array(["ab", "é"]),
    "bytes": np.array([b"a", b"bc"]),
    "score": np.float64(3.5),
    "count": np.int32(-3),
    "plain": [1, -2.5, None, True, 10**30],
}


def loaded(content: object, protocol: int) -> Any:
    return load_pickle(io.BytesIO(pickle.dumps(content, protocol=protocol)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_numpy_wrote_comes_back(protocol: int) -> None:
    found = loaded(CONTENT, protocol)
    assert found.keys() == CONTENT.keys()
    for name, then in CONTENT.items():
        assert type(found[name]) is (type(then.item()) if np.isscalar(then) else type(then)), name
        assert np.array_equal(found[name], then), name
        assert getattr(found[name], "dtype", None) == getattr(then, "dtype", None) or np.isscalar(
            then
        )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_bytes_tuples_and_arrays_of_words_become_strings_and_lists(protocol: int) -> None:
    words = np.array(["ab", "cé"], dtype=object)
    assert loaded(words, protocol) == ["ab", "cé"]
    assert loaded((b"caf\xc3\xa9", b"caf\xe9", b""), protocol) == ["café", "café", ""]
    shared = ["x"]
    found = loaded({"a": shared, "b": shared}, protocol)
    assert found == {"a": ["x"], "b": ["x"]}


def test_strings_of_python_2_are_decoded() -> None:
    # {'id': ['caf\xc3\xa9']} as Python 2 wrote it, protocol 2: short binary strings.
    written = b"\x80\x02}q\x00U\x02idq\x01]q\x02U\x05caf\xc3\xa9q\x03as."
    assert load_pickle(io.BytesIO(written)) == {"id": ["café"]}
    array = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x18"
        + np.arange(3.0).tobytes()
        + b"tb."
    )
    assert np.array_equal(load_pickle(io.BytesIO(array)), np.arange(3.0))


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this ran",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "content",
    [
        Evil(),
        OrderedDict(a=1),
        print,
        np.dtype("f4"),
        np.zeros(2, dtype=[("a", "f4")]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.array([1j]),
        np.array([[{}]], dtype=object),
        {(1, 2): 3},
    ],
    ids=[
        "call",
        "OrderedDict",
        "function",
        "dtype",
        "records",
        "dates",
        "complex",
        "objects",
        "keys",
    ],
)
def test_anything_else_is_refused_and_nothing_runs(
    content: object, protocol: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PickleError):
        loaded(content, protocol)
    assert capsys.readouterr().out == ""


def test_names_that_numpy_itself_would_crash_on_are_refused() -> None:
    for name in (b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n"):
        for state in (b"(tb.", b"(K\x00K\x01Nt b.", b"(I3\nV|\nNNNI-1\nI-1\nI63\ntb."):
            with pytest.raises(PickleError):
                load_pickle(io.BytesIO(name + b"(S'O8'\nI0\nI1\ntR" + state))
    lost = pickle.dumps(np.arange(4.0), protocol=4).replace(b"K\x04\x85", b"K\x7f\x85")
    with pytest.raises(PickleError, match="expected 1016"):
        load_pickle(io.BytesIO(lost))


def test_containers_within_themselves_and_shared_ones_are_bounded() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(PickleError, match="in themselves"):
        loaded(ring, 4)
    many: list[Any] = [1]
    for _ in range(30):  # 10 to the 30 entries, if each were made anew
        many = [many] * 10
    assert loaded(many, 4)[9][9][9] is not None


def test_mutated_pickles_are_read_or_refused() -> None:
    random_ = random.Random(1)
    seeds = [pickle.dumps(CONTENT, protocol=protocol) for protocol in range(6)]
    opcodes = b"cRbio}])(0uset.jhqQr\x80\x81\x85\x86\x87\x88\x93\x94\x95\x96\x97\x98"
    outcomes = {"read": 0, "refused": 0}
    for _ in range(600):
        data = bytearray(random_.choice(seeds))
        for _ in range(random_.choice([1, 1, 2, 4])):
            place, length = random_.randrange(len(data)), random_.randrange(1, 40)
            kind = random_.randrange(4)
            if kind == 0:
                data[place] = random_.randrange(256)
            elif kind == 1:
                data[place] = random_.choice(opcodes)
            elif kind == 2 and len(data) > 2 * length:
                del data[place : place + length]
            else:
                data[place:place] = data[place : place + length]
        try:
            load_pickle(io.BytesIO(bytes(data)))
            outcomes["read"] += 1
        except PickleError:
            outcomes["refused"] += 1
    assert all(outcomes.values()) and sum(outcomes.values()) == 600
