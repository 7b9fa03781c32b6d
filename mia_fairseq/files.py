"""Writing files whole or not at all, and their hashes."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from mia_fairseq.errors import InputError

MODEL_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")

_BLOCK = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW  # never through a link


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_all(paths: Sequence[Path]) -> str | None:
    """The sha256 of one file, or of several files' sums in their order; None of none."""
    if len(paths) < 2:
        return sha256_of(paths[0]) if paths else None
    return hashlib.sha256("".join(map(sha256_of, paths)).encode()).hexdigest()


def weights_sha256(folder: Path) -> str | None:
    """The hash of a transformers model's weights, all their files together; None if none is there.

    Args:
        folder: of the model; what is no folder (a hub name) has no weights.
    """
    return sha256_of_all(sorted(path for name in MODEL_WEIGHTS for path in folder.glob(name)))


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, moved onto it when the block ends well, else removed.

    The name is hidden, cannot be foretold and ends in ``.partial``; one of a killed process may be
    deleted. A link that is called ``path`` is replaced, never written through.

    Raises:
        InputError: ``path`` is a folder, or lies in none.
    """
    check_is_no_folder(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"{path}: cannot be written, for {path.parent} is no folder; name another file"
        ) from error
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    os.close(os.open(partial, _NEW, 0o666))
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def only_writer(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Holds a file or folder that is written for this process alone.

    The system frees it at the process's end, however it ends.

    Args:
        path: what is written.
        wait: for another process that holds it.

    Raises:
        InputError: another process holds it, and is not waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    while True:
        if lock.is_symlink():
            raise InputError(f"{lock}: is a link, which is never written through; remove it")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held, there = os.fstat(descriptor).st_ino, _inode(lock)
        except BlockingIOError as error:
            os.close(descriptor)
            raise InputError(
                f"{path}: another process is writing it; wait for that one, or name another --out"
            ) from error
        if held == there:  # and not a lock that its last owner has removed meanwhile
            break
        os.close(descriptor)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def not_through_a_link(path: str, flags: int) -> int:
    """The ``opener`` of a file of a fixed name, such as a log: a link there is refused."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _inode(path: Path) -> int | None:
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """As `replaced_folder`, and holds ``path`` for this process alone.

    Raises:
        InputError: another process is writing ``path``.
    """
    with only_writer(path), replaced_folder(path) as partial:
        yield partial


@contextlib.contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``, moved onto it when the block ends well, else removed.

    What stood there before stays until then. What killed processes left is swept away, so whoever
    calls this holds `only_writer` of ``path``.
    """
    retired = path.with_name(f".{path.name}.retired")
    if retired.is_symlink():  # not ours: what is retired was a folder
        retired.unlink()
    if retired.exists() and not path.exists():  # killed between the two moves
        retired.rename(path)
    for left in (retired, *path.parent.glob(f".{glob.escape(path.name)}.*.partial")):
        shutil.rmtree(left, ignore_errors=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir()
    try:
        yield partial
        if path.exists():
            path.rename(retired)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


def check_is_no_device(path: Path) -> None:
    """Whether reading a path comes to an end: a device such as ``/dev/zero`` has none.

    Files and pipes pass, and what is not there, of which whoever opens it will tell.

    Raises:
        InputError: it is a device or a socket.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise InputError(f"{path}: is a device, expected a file or a pipe; name a file")


def check_is_no_folder(path: Path) -> None:
    """Whether a file of this name can be written, as far as can be told beforehand.

    Raises:
        InputError: a folder is called so.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected the name of a file to write; name one")


def write_whole(path: Path, text: str) -> None:
    """Writes a text file, in UTF-8, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """As `write_whole`, of what JSON can hold."""
    write_whole(path, json.dumps(content, indent=1))


@contextlib.contextmanager
def telling_full_disk(folder: Path) -> Iterator[None]:
    """Lets a full disk end in the sentence for it; other errors pass as they are.

    Raises:
        InputError: the disk of ``folder`` is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{folder}: no space left on its disk; free some and run the same command again, "
            "it goes on where it stopped"
        ) from error
