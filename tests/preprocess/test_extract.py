"""Extraction with a cheap extractor: killed, resumed, sharded, in jobs, and on bad input.

`tests/preprocess/test_extract_lite.py` does the same with a real model.
"""

import errno
import itertools
import json
import os
import random
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tqdm import tqdm

from mia_fairseq.errors import InputError
from mia_fairseq.files import only_writer
from preprocess.extract import main
from preprocess.extraction import worker
from preprocess.tables.manifest import Row, write_manifest

TOY = '''
import os
import zlib
import numpy as np
from preprocess.extractors.base import Extractor, Failure

class Toy(Extractor):
    """A vector for each word, told by nothing but the word."""
    modality = "text"; licence = "MIT"; dim = 4; columns = ("text",)

    def __init__(self, *, scale="1"):
        self.scale = float(scale)

    @classmethod
    def settle_options(cls, options, clips):
        if options.get("scale") != "corpus":
            return dict(options)
        return {**options, "scale": str(len(list(clips)))}

    def extract(self, clips):
        return [self.one(clip) for clip in clips]

    def one(self, clip):
        if clip.text == "FAIL":
            return Failure("it said so")
        if clip.text == "RAISE":
            raise ValueError("a decoder's own words")
        if clip.text == "DIE":
            os._exit(9)
        if clip.text == "NAN":
            return np.full((2, 4), np.nan, np.float32)
        if clip.text == "WIDE":
            return np.zeros((2, 5), np.float32)
        words = clip.text.split()
        if len(words) > 5:
            self.note(clip, f"cut from {len(words)} to 5 words")
        seeds = [zlib.crc32(word.encode()) for word in words[:5]]
        rows = [np.random.default_rng(seed).normal(size=4) for seed in seeds]
        return np.array(rows, np.float32).reshape(-1, 4) * np.float32(self.scale)
'''


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    code = tmp_path / "code"
    code.mkdir()
    (code / "toy_extractor.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(code))
    for name in ("RANK", "WORLD_SIZE", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"):
        monkeypatch.delenv(name, raising=False)
    yield
    sys.modules.pop("toy_extractor", None)
    worker._built.clear()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return _corpus(tmp_path / "manifest.tsv", 40)


def _corpus(path: Path, size: int) -> Path:
    chance = random.Random(0)
    words = ["it", "was", "a", "dark", "and", "stormy", "night", "in", "which", "nobody", "laughed"]
    rows = [
        Row(f"c{index}", "train", "1", text=" ".join(chance.choices(words, k=index % 8)))
        for index in range(size)
    ]
    rows[7] = Row("c7", "train", "1", text="FAIL")
    write_manifest(path, rows)
    return path


def _extract(manifest: Path, out: Path, *more: str) -> None:
    modality = () if "--modality" in more else ("--modality", "text=toy_extractor:Toy")
    main([str(manifest), "--out", str(out), *modality, *more])


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_option_of_the_whole_corpus_is_the_same_in_every_shard(
    manifest: Path, tmp_path: Path
) -> None:
    for shard in ("0/2", "1/2"):
        _extract(manifest, tmp_path / "out", "--shard", shard, "--option", "text.scale=corpus")
    about = json.loads((tmp_path / "out" / "text" / "extractor.json").read_text())
    assert about["options"] == {"scale": "40"}


def test_words_that_came_later_are_extracted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(*texts: str) -> None:
        rows = [Row(f"c{place}", "train", "1", text=text) for place, text in enumerate(texts)]
        write_manifest(tmp_path / "m.tsv", rows)

    write("", "", "a b c d e f")
    _extract(tmp_path / "m.tsv", tmp_path / "out")
    notes = tmp_path / "out/text/notes.tsv"
    notes.write_text(notes.read_text() + "c0\tno words\n")
    write("it was", "", "a b c d e f")
    _extract(tmp_path / "m.tsv", tmp_path / "out")
    assert np.load(tmp_path / "out/text/c0.npy").shape == (2, 4)
    assert "3 clips, 2 there before, 1 done" in capsys.readouterr().out
    assert notes.read_text() == "id\tremark\nc2\tcut from 6 to 5 words\n"


def test_every_clip_has_its_array_or_its_reason(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _extract(manifest, tmp_path / "out")
    tree = _tree(tmp_path / "out")
    assert len([name for name in tree if name.endswith(".npy")]) == 39
    assert tree["text/failures.tsv"] == b"id\treason\nc7\tit said so\n"
    assert tree["text/notes.tsv"].count(b"\n") == 1 + 9  # 6 or 7 words, but for c7
    assert tree["manifest_faults.tsv"] == b"id\treason\n"
    array = np.load(tmp_path / "out/text/c4.npy")
    assert array.shape == (4, 4)
    assert array.dtype == np.float32
    assert np.load(tmp_path / "out/text/c8.npy").shape == (0, 4)
    told = capsys.readouterr().out
    assert "40 clips, 0 there before, 39 done, 1 left out" in told
    assert "left out: c7: it said so" in told
    assert re.search(
        r"noted 9 times: cut from N to N words \(\w+, \w+, \w+, ...; notes.tsv\)", told
    )
    assert "time by stage" in told
    lacking = "34 with features, 6 without (see text/failures.tsv and text/notes.tsv)"
    assert told.endswith(f"  text: {lacking}\n")  # c0, c8, ... have no words


@pytest.mark.parametrize("pool", ["mean", "first"])
def test_pooling_and_dtype_are_what_numpy_gives(manifest: Path, tmp_path: Path, pool: str) -> None:
    _extract(manifest, tmp_path / "sequence")
    _extract(manifest, tmp_path / "pooled", "--pool", f"text={pool}", "--dtype", "float16")
    for index in (1, 4, 15):
        sequence = np.load(tmp_path / f"sequence/text/c{index}.npy")
        expected = sequence.mean(axis=0) if pool == "mean" else sequence[0]
        pooled = np.load(tmp_path / f"pooled/text/c{index}.npy")
        assert pooled.dtype == np.float16
        assert pooled.tolist() == [expected.astype(np.float16).tolist()]
    assert np.load(tmp_path / "pooled/text/c8.npy").shape == (0, 4)


@pytest.mark.parametrize("more", [("--batch-size", "1"), ("--batch-size", "7", "--jobs", "2")])
def test_batches_and_jobs_change_nothing(
    manifest: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    _extract(manifest, tmp_path / "one")
    _extract(manifest, tmp_path / "other", *more)
    assert _tree(tmp_path / "one") == _tree(tmp_path / "other")


@pytest.mark.parametrize("count", [2, 4])
def test_shards_merged_equal_one_process(
    manifest: Path, tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _extract(manifest, tmp_path / "one")
    for rank in reversed(range(count)):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(count))
        if rank == 0:
            with pytest.raises(InputError, match="arrays are missing or broken"):
                _extract(manifest, tmp_path / "sharded", "--merge")
        _extract(manifest, tmp_path / "sharded")
    assert (tmp_path / f"sharded/text/failures.{7 % count}-of-{count}.tsv").is_file()
    _extract(manifest, tmp_path / "sharded", "--merge")
    assert _tree(tmp_path / "one") == _tree(tmp_path / "sharded")


def _kill_at(write: int, *, before: bool) -> None:
    """Ends this process on the spot, like kill -9, at its n-th moving of a file into place."""
    move, count = os.replace, itertools.count(1)

    def replace(*names: Any, **places: Any) -> None:
        last = next(count) == write
        if not (last and before):
            move(*names, **places)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace


def test_killed_at_twenty_random_moments_it_ends_the_same(tmp_path: Path) -> None:
    tqdm.set_lock(threading.RLock())  # its usual lock is shared by forks, and would die held
    manifest = _corpus(tmp_path / "manifest.tsv", 400)
    _extract(manifest, tmp_path / "whole")
    chance = random.Random(3)
    progress = set()
    for turn in range(20):
        write = chance.randrange(1, 30)
        child = os.fork()
        if child == 0:
            try:
                _kill_at(write, before=turn % 2 == 0)
                _extract(manifest, tmp_path / "killed", "--batch-size", "1")
            finally:
                os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        progress.add(len(list((tmp_path / "killed").glob("text/*.npy"))))
    assert len(progress) > 10, "the kills are to hit the work"
    _extract(manifest, tmp_path / "killed", "--batch-size", "3")
    assert _tree(tmp_path / "killed") == _tree(tmp_path / "whole")


def test_a_shard_is_extracted_by_one_process_at_a_time(manifest: Path, tmp_path: Path) -> None:
    with (
        only_writer(tmp_path / "out/text.0-of-1"),
        pytest.raises(InputError, match="another process is writing it; wait for that one"),
    ):
        _extract(manifest, tmp_path / "out")
    _extract(manifest, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.lock"))


def test_resuming_does_what_is_missing_or_broken_only(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    _extract(manifest, out)
    whole = _tree(out)
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("text/*.npy")}
    (out / "text/c1.npy").unlink()
    (out / "text/c2.npy").write_bytes(whole["text/c2.npy"][:-3])  # truncated
    (out / "text/c3.npy").write_bytes(b"garbage")
    (out / "text/c4.npy").write_bytes(b"")
    np.save(out / "text/c5.npy", np.zeros((2, 9), np.float32))
    capsys.readouterr()
    _extract(manifest, out)
    assert _tree(out) == whole
    touched = {path.stem for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert touched == {"c1", "c2", "c3", "c4", "c5"}
    assert "34 there before, 5 done, 1 left out" in capsys.readouterr().out


def test_a_clip_mended_since_is_no_failure_any_more(manifest: Path, tmp_path: Path) -> None:
    _extract(manifest, tmp_path / "out")
    manifest.write_text(manifest.read_text().replace("FAIL", "fine now"))
    _extract(manifest, tmp_path / "out")
    assert (tmp_path / "out/text/failures.tsv").read_text() == "id\treason\n"
    assert (tmp_path / "out/text/c7.npy").is_file()


def test_merging_notices_broken_arrays_and_half_written_records(
    manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    _extract(manifest, out)
    (out / "text/c9.npy").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"1 of 40 arrays .* that of c9 \(it is no NumPy array"):
        _extract(manifest, out, "--merge")
    (out / "text/c9.npy").unlink()
    (out / "text/failures.0-of-1.tsv").write_bytes(b"c9\tit was half wri")
    with pytest.raises(InputError, match=r"that of c9 \(it is not there\)"):
        _extract(manifest, out, "--merge")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FAIL", "it said so"),
        ("RAISE", "toy_extractor:Toy failed: ValueError: a decoder's own words"),
        ("NAN", "toy_extractor:Toy gave numbers that are not finite"),
        ("WIDE", "toy_extractor:Toy gave shape (2, 5), expected (T, 4)"),
    ],
)
def test_a_bad_clip_is_told_by_itself_and_the_rest_goes_on(
    tmp_path: Path, text: str, reason: str
) -> None:
    rows = [Row(f"c{index}", "train", "1", text="a b c d e f") for index in range(5)]
    rows[2] = Row("c2", "train", "1", text=text)
    write_manifest(tmp_path / "m.tsv", rows)
    _extract(tmp_path / "m.tsv", tmp_path / "out")
    assert (tmp_path / "out/text/failures.tsv").read_text() == f"id\treason\nc2\t{reason}\n"
    assert len(list(tmp_path.glob("out/text/*.npy"))) == 4
    assert (tmp_path / "out/text/notes.tsv").read_text().count("cut from 6 to 5 words") == 4


def test_rows_at_fault_are_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "id\tsplit\tlabel\ttext\na\ttrain\t1\thello\na\ttrain\t2\tagain\nb\ttrain\t\tno label\n"
    (tmp_path / "m.tsv").write_text(table)
    _extract(tmp_path / "m.tsv", tmp_path / "out")
    faults = (tmp_path / "out/manifest_faults.tsv").read_text().splitlines()
    assert faults[1:] == [
        "a\tm.tsv, line 3: its id stands on line 2 already",
        "b\tm.tsv, line 4: its label is missing",
    ]
    told = capsys.readouterr().out
    assert "left out of every modality: b: m.tsv, line 4: its label is missing" in told
    assert "1 clips, and 2 rows of the manifest left out" in told


def test_a_full_disk_ends_it_with_a_sentence_and_a_rerun_goes_on(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = np.lib.format.write_array
    calls = 0

    def full(*arguments: object, **named: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", full)
        with pytest.raises(InputError, match="no space left on its disk; free some and run"):
            _extract(manifest, tmp_path / "out", "--batch-size", "4")
    assert 0 < len(list(tmp_path.glob("out/text/*.npy"))) < 20
    _extract(manifest, tmp_path / "out")
    _extract(manifest, tmp_path / "whole")
    assert _tree(tmp_path / "out") == _tree(tmp_path / "whole")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--pool", "mean"), "was made with pool 'none', not 'mean'; name another --out"),
        (("--dtype", "float16"), "was made with dtype 'float32', not 'float16'"),
        (("--option", "text.scale=2"), "was made with options {}, not {'scale': '2'}"),
        (
            ("--modality", "text=minilm"),
            "was made with extractor 'toy_extractor:Toy', not 'minilm'",
        ),
    ],
)
def test_two_makes_are_never_mixed_in_one_folder(
    manifest: Path, tmp_path: Path, more: tuple[str, ...], sentence: str
) -> None:
    _extract(manifest, tmp_path / "out")
    with pytest.raises(InputError) as caught:
        _extract(manifest, tmp_path / "out", *more)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--modality", "audio=toy_extractor:Toy"), "extracts text, not audio"),
        (("--modality", "no such=minilm"), "expected letters, digits and underscores"),
        (("--modality", "text"), "--modality is 'text', expected the form NAME=VALUE"),
        (("--pool", "text=max"), "--pool text=max: expected one of text with one of none"),
        (("--option", "scale=2"), "--option scale: expected NAME.KEY=VALUE"),
        (("--option", "text.size=2"), "has no option 'size'; it knows scale"),
        (("--jobs", "0"), "are counts, from 1 on"),
        (("--merge", "--modality", "video=x"), "has no features yet"),
    ],
)
def test_a_wrong_command_line_is_told(
    manifest: Path, tmp_path: Path, more: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        _extract(manifest, tmp_path / "out", *more)
    assert sentence in str(caught.value)


def test_nothing_asked_and_nothing_got_are_told(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.tsv", [Row("a", "train", "1", text="FAIL")])
    with pytest.raises(InputError, match="say --modality text=minilm"):
        main([str(tmp_path / "m.tsv"), "--out", str(tmp_path / "out")])
    with pytest.raises(InputError, match="none of 1 clips gave features; the first, a: it said so"):
        _extract(tmp_path / "m.tsv", tmp_path / "out")
    write_manifest(tmp_path / "n.tsv", [Row("a", "train", "1")])
    with pytest.raises(
        InputError, match=r"no column 'text', which .*:Toy needs; .* preprocess\.transcribe$"
    ):
        _extract(tmp_path / "n.tsv", tmp_path / "out2")


def test_a_worker_that_is_killed_ends_it_with_a_sentence(tmp_path: Path) -> None:
    rows = [Row(f"c{index}", "train", "1", text="a b") for index in range(5)]
    write_manifest(tmp_path / "m.tsv", [*rows, Row("d", "train", "1", text="DIE")])
    with pytest.raises(InputError, match="a worker process was killed"):
        _extract(tmp_path / "m.tsv", tmp_path / "out", "--jobs", "2", "--batch-size", "2")


def test_descriptions_that_cannot_be_used_are_told(manifest: Path, tmp_path: Path) -> None:
    _extract(manifest, tmp_path / "out")
    with pytest.raises(InputError, match=r"has no extractor\.json; extract audio first"):
        _extract(manifest, tmp_path / "out", "--merge", "--modality", "audio=x")
    for content, sentence in (("{", "it is no JSON"), ("[]", "it is no JSON object")):
        (tmp_path / "out/text/extractor.json").write_text(content)
        with pytest.raises(InputError, match=sentence):
            _extract(manifest, tmp_path / "out")


def test_the_callers_threads_are_left_as_they_were(manifest: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        _extract(manifest, tmp_path / "out")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
