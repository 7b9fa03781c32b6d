"""How much memory this process may still take, so that what is too large is refused beforehand."""

import resource
from pathlib import Path

from mia_fairseq.errors import InputError

_CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Free memory of the machine, of the container around it and of this process's own limit."""
    bounds = [_of_machine(), _of_container(), _of_process()]
    return max(0, min(bound for bound in bounds if bound is not None))


def check_fits(size: int, what: str, mend: str) -> None:
    """Refuses what memory cannot hold.

    Args:
        size: bytes that would be taken.
        what: names it at the beginning of the sentence.
        mend: what to do instead, at its end.

    Raises:
        InputError: more than is free.
    """
    free = available_bytes()
    if size > free:
        raise InputError(f"{what} takes {in_gib(size)} of memory, {in_gib(free)} is free; {mend}")


def in_gib(size: int) -> str:
    """Bytes as text."""
    return f"{size / 2**30:.3g} GiB"


def _of_machine() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/meminfo has no MemAvailable")


def _of_container() -> int | None:
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        return None if limit == "max" else int(limit) - used
    except (OSError, ValueError):
        return None


def _of_process() -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return limit - pages * resource.getpagesize()
