"""The notebooks in examples/notebooks run from their first cell to their last."""

from pathlib import Path

import pytest
from harness import ROOT
from warm import warm_commands

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed; make docs brings it")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed; make docs brings it")
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, with all it writes below it; its commands start warm."""
    startup = tmp_path / "profile_default" / "startup" / "warm.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(
        f"import sys\nsys.path.append({str(ROOT / 'tests' / 'warm')!r})\nimport warm_commands\n"
        f"warm_commands.start_warm_too({warm_commands.addresses()})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()


def test_notebooks_are_kept_without_what_a_run_left() -> None:
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.cell_type == "markdown" or not (cell.outputs or cell.execution_count), path
