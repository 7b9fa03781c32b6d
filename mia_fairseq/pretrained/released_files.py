"""Files that fairseq's authors released: found in the user's folder, or fetched into the cache."""

import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of, write_whole
from mia_fairseq.pretrained.model_store import cache_folder, fetch_url

FAIRSEQ_URL = "https://dl.fbaipublicfiles.com/fairseq"
RECORD = "released.sha256"  # of a fetched release's files


def released_folder(
    folder: str | None, name: str, urls: Sequence[str], needed: Sequence[str]
) -> Path:
    """The folder with the needed files of a release: the user's own, or fetched into the cache.

    Args:
        folder: the user's folder, searched at any depth; None: fetch.
        name: of the release, as a folder in the cache.
        urls: what to fetch; tar archives are unpacked, other files linked beside them.
        needed: file names, which all must be in one folder in the end.

    The sha256 of each file that is fetched is recorded beside it, and checked at every later use.

    Raises:
        InputError: naming the file that is missing and where it goes, or that has changed.
    """
    root = Path(folder) if folder is not None else cache_folder() / "releases" / name
    found = _holding(root, needed)
    if found is None and folder is None:
        _fetch_release(urls, root)
        found = _holding(root, needed)
    if found is None:
        missing = [file for file in needed if not list(root.rglob(file))] or list(needed)
        raise InputError(
            f"{root} has no {', '.join(missing)}; put it there (from {' and '.join(urls)})"
        )
    if folder is None:
        _check_recorded(root, [found / file for file in needed])
    return found


def _check_recorded(root: Path, files: Sequence[Path]) -> None:
    """Compares files of a fetched release with their recorded sha256; records those without."""
    record = root / RECORD
    lines = record.read_text(encoding="utf-8").splitlines() if record.is_file() else []
    known = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    made = dict(known)
    for file in files:
        name, got = str(file.relative_to(root)), sha256_of(file)
        if made.setdefault(name, got) != got:
            raise InputError(
                f"{file} has sha256 {got}, {record} recorded {made[name]} when it was fetched; "
                f"remove {root} to have it fetched again"
            )
    if made != known:
        write_whole(record, "".join(f"{made[name]}  {name}\n" for name in sorted(made)))


def _holding(root: Path, needed: Sequence[str]) -> Path | None:
    folders = sorted({path.parent for path in root.rglob(needed[0])})
    whole = (folder for folder in folders if all((folder / file).is_file() for file in needed))
    return next(whole, None)


def _fetch_release(urls: Sequence[str], root: Path) -> None:
    fetched = [fetch_url(url) for url in urls]
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=root.parent) as scratch:
        whole = Path(scratch) / "whole"
        whole.mkdir()
        for path in fetched:
            if tarfile.is_tarfile(path):
                with tarfile.open(path) as archive:
                    archive.extractall(whole, filter="data")
            else:
                (whole / path.name).symlink_to(path.resolve())
        if not root.exists():
            whole.replace(root)
