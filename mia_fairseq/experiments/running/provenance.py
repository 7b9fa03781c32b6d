"""Where a run was made: by which version of this project, with what, on which machine."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mia_fairseq.experiments.running.identity import ROOT

FILE = "made_by.json"  # in a run's folder
PACKAGES = ("torch", "numpy", "ve-fairseq", "fairseq", "transformers")


def made_by() -> dict[str, Any]:
    """The commit (None outside a checkout), whether files differ from it, versions, machine."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": len((_git("status", "--porcelain", "-uno") or "").splitlines()),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "machine": {"system": platform.platform(), "processor": _processor()},
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def _git(*words: str) -> str | None:
    if not (ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
