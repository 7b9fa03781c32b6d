"""The demo from end to end, twice: the second run finds everything finished."""

from pathlib import Path

from harness import run_cli


def test_the_demo_shows_what_fusion_adds(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run_cli("python", "-m", "examples.demo", "--out", out).stdout
    assert "GENERATED" in first
    table = (out / "metrics.md").read_text()
    assert table in first
    maes = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 3 and cells[2] == "240":
            maes[cells[0]] = float(cells[3].split()[0])
    assert maes["MIA-Net"] < maes["text only"] < maes["mean of the training labels"]
    wrote = first[first.index("Wrote:") :].split("\n")[1:]
    paths = [Path(line.strip()) for line in wrote if line.strip()]
    assert paths and all(path.exists() for path in paths)
    assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"
    checkpoint = out / "runs" / "MIA-Net" / "seed1" / "checkpoint_best.pt"
    before = checkpoint.stat().st_mtime_ns
    second = run_cli("python", "-m", "examples.demo", "--out", out).stdout
    assert table in second and checkpoint.stat().st_mtime_ns == before
