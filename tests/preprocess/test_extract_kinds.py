"""Extraction and binarizing of tokens and frames: whole, resumed, shared out, refused."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from preprocess import binarize
from preprocess.extract import main
from preprocess.extraction import worker
from preprocess.tables.manifest import Row, write_manifest

TOY = '''
import numpy as np
from preprocess.extractors.base import Extractor, Failure

class Letters(Extractor):
    """The letters of a clip's words, a = 3, between 1 and 2."""
    modality = "text"; kind = "tokens"; licence = "MIT"; dim = 29; columns = ("text",)

    def extract(self, clips):
        return [self.one(clip.text.replace(" ", "")) for clip in clips]

    def one(self, text):
        if text == "FAIL":
            return Failure("it said so")
        if text == "FLOAT":
            return np.ones(3, np.float32)
        ids = [1, *(ord(letter) - ord("a") + 3 for letter in text), 2]
        return np.array(ids if text else [], np.int32)

    def describe(self):
        about = {"pad": 0, "dictionary": "transformers", "tokenizer": {"sha256": "0" * 64}}
        return {**super().describe(), **about}

    def dictionary_text(self):
        return "".join(f"{symbol} 1\\n" for symbol in ("<pad>", "<s>", "</s>", *map(chr, range(97, 123))))

class Pictures(Extractor):
    """A grey picture for each letter."""
    modality = "video"; kind = "frames"; licence = "MIT"; dim = 4

    def extract(self, clips):
        levels = [np.array([ord(letter) for letter in clip.text], np.uint8) for clip in clips]
        return [np.tile(level[:, None, None, None], (1, 4, 4, 3)) for level in levels]
'''  # noqa: E501
MODALITIES = ("--modality", "text=toys:Letters", "--modality", "video=toys:Pictures")


@pytest.fixture(autouse=True)
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "toys.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    for name in ("RANK", "WORLD_SIZE", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"):
        monkeypatch.delenv(name, raising=False)
    yield
    sys.modules.pop("toys", None)
    worker._built.clear()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    words = ["so", "good a film", "", "FAIL", "no", "never again", "fine", "so so"]
    rows = [
        Row(f"c{i}", "train" if i < 6 else "valid", "1", text=text) for i, text in enumerate(words)
    ]
    write_manifest(tmp_path / "manifest.tsv", rows)
    return tmp_path / "manifest.tsv"


def extract(manifest: Path, out: Path, *more: str) -> dict[str, bytes]:
    main([str(manifest), "--out", str(out), *MODALITIES, *more])
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_jobs_shards_and_killed_runs_give_the_same_folder(manifest: Path, tmp_path: Path) -> None:
    whole = extract(manifest, tmp_path / "whole", "--dtype", "float16")
    assert np.load(tmp_path / "whole" / "text" / "c0.npy").tolist() == [1, 21, 17, 2]
    assert np.load(tmp_path / "whole" / "video" / "c0.npy").shape == (2, 4, 4, 3)
    about = json.loads(whole["text/extractor.json"])
    assert (about["kind"], about["dtype"], about["pool"]) == ("tokens", "int32", "none")
    assert whole["text/failures.tsv"].decode() == "id\treason\nc3\tit said so\n"
    jobs = extract(manifest, tmp_path / "jobs", "--jobs", "2", "--batch-size", "1")
    assert jobs == whole
    for shard in ("1/3", "0/3", "2/3"):
        extract(manifest, tmp_path / "shards", "--shard", shard)
    assert extract(manifest, tmp_path / "shards", "--merge") == whole
    killed = tmp_path / "jobs"
    (killed / "text" / "c5.npy").write_bytes(whole["text/c5.npy"][:-4])  # killed while writing
    np.save(killed / "text" / "c0.npy", np.ones((2, 2), np.int32))
    np.save(killed / "video" / "c1.npy", np.ones((2, 4, 4, 3), np.float32))
    (killed / "video" / "c4.npy").unlink()
    assert extract(manifest, killed) == whole
    (killed / "text" / "extractor.json").unlink()  # killed before it was there
    assert extract(manifest, killed) == whole


def test_binarizing_packs_every_kind(manifest: Path, tmp_path: Path) -> None:
    extract(manifest, tmp_path / "F")
    command = [str(manifest), "--features", str(tmp_path / "F"), "--out", str(tmp_path / "DATA")]
    binarize.main(command)
    store = Store(tmp_path / "DATA")
    assert {name: spec.kind for name, spec in store.modalities.items()} == {
        "text": "tokens",
        "video": "frames",
    }
    assert store.modalities["text"].extra["tokenizer"] == {"sha256": "0" * 64}
    train = store.split("train")
    text, video = train.features["text"], train.features["video"]
    assert text.missing == 2 and video.missing == 1  # no words, and FAIL; no words
    for row in range(6):
        for name, table in (("text", text), ("video", video)):
            path = tmp_path / "F" / name / f"c{row}.npy"
            expected = np.load(path) if path.exists() else np.zeros(0)
            assert np.array_equal(table[row].ravel(), expected.ravel())
    about = tmp_path / "F" / "text" / "extractor.json"
    (tmp_path / "F" / "text" / "dict.txt").write_text("a 1\n")
    with pytest.raises(InputError, match=r"has 1 ids .as a transformers dictionary., expected 29"):
        binarize.main(command)
    assert Store(tmp_path / "DATA").splits == {"train": 6, "valid": 2}  # the old one stays
    (tmp_path / "F" / "text" / "dict.txt").unlink()
    with pytest.raises(InputError, match=r"dict.txt: the dictionary of the tokens cannot be read"):
        binarize.main(command)
    about.write_text(json.dumps({**json.loads(about.read_text()), "kind": "smells"}))
    with pytest.raises(InputError, match="reads kinds features, tokens, frames"):
        binarize.main(command)


def test_tokens_are_not_pooled_and_wrong_ones_are_told(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="toys:Letters gives tokens, which the model pools"):
        extract(manifest, tmp_path / "F", "--pool", "mean")
    rows = [Row("high", "train", "1", text="~"), Row("float", "train", "1", text="FLOAT")]
    write_manifest(manifest, [*rows, Row("good", "train", "1", text="a")])
    main([str(manifest), "--out", str(tmp_path / "F"), "--modality", "text=toys:Letters"])
    told = (tmp_path / "F" / "text" / "failures.tsv").read_text().split("\n")
    reason = "toys:Letters gave no whole numbers from 0 to 28"
    assert told == ["id\treason", f"high\t{reason}", f"float\t{reason}", ""]
