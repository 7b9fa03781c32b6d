"""What a release is made of agrees with itself, and the wheel leaves out no file that is read."""

import ast
import fnmatch
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml
from harness import ROOT


def setup_arguments() -> dict[str, ast.expr]:
    """The arguments of setup() in setup.py, unevaluated."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"
    )
    return {str(keyword.arg): keyword.value for keyword in call.keywords}


def citation() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return content


def test_version_is_the_same_everywhere() -> None:
    version = ast.literal_eval(setup_arguments()["version"])
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) \((\S+)\)", changelog, flags=re.MULTILINE)
    assert newest is not None
    told = citation()
    assert newest.groups() == (version, str(told["date-released"]))
    assert str(told["version"]) == version


def test_the_citation_names_the_paper() -> None:
    told = citation()
    assert told["cff-version"] == "1.2.0" and told["authors"] and told["message"]
    paper = told["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == [
        "Li",
        "Zhang",
        "Chen",
        "Chen",
    ]
    assert paper["title"].startswith("MIA-Net: ") and re.fullmatch(r"10\.\d+/\S+", paper["doi"])


def test_every_file_of_the_packages_is_in_the_wheel() -> None:
    """Modules are found by folder; all else needs a pattern of package_data."""
    patterns = ast.literal_eval(setup_arguments()["package_data"])
    listed = subprocess.run(
        [
            "git",
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            *("mia_fairseq", "preprocess"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    files = [Path(line) for line in listed.stdout.splitlines()]
    if listed.returncode:  # not a clone
        files = [
            path.relative_to(ROOT)
            for package in ("mia_fairseq", "preprocess")
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
    assert len(files) > 100
    for path in files:
        if path.suffix == ".py":
            assert (ROOT / path.parent / "__init__.py").is_file(), path
        else:
            within = str(path.relative_to(path.parts[0]))
            assert any(fnmatch.fnmatch(within, each) for each in patterns[path.parts[0]]), path


def test_the_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
