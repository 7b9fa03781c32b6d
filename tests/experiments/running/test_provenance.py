"""What is written of where a run was made."""

import json
import subprocess
from pathlib import Path

import pytest
from harness import ROOT

from mia_fairseq.experiments.running import provenance


def test_it_tells_commit_versions_and_machine() -> None:
    found = provenance.made_by()
    json.dumps(found)
    assert set(found["packages"]) >= {"torch", "numpy"} and found["machine"]["processor"]
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        head = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert found["commit"] == head


def test_outside_a_checkout_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    found = provenance.made_by()
    assert found["commit"] is None and found["changed_files"] == 0
