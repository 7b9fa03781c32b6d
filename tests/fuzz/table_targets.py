"""Tables that users write: labels of a folder of clips, manifests, CMU's labels and transcripts."""

import random
from collections import Counter
from pathlib import Path

from mutations import Grid, damaged
from outcomes import expect

from preprocess.corpora import cmu, cmu_folds, folder
from preprocess.tables.manifest import read_manifest

HEADER = ["id", "label", "text", "split", "group", "position", "speaker", "start", "end"]
MANIFEST = ["id", "split", "label", "path", "text", "start", "end", "group", "position", "fold"]
ROWS = 6


def clips(scratch: Path) -> Path:
    """A folder of files that are named like clips."""
    for row in range(ROWS):
        (scratch / f"c{row}.wav").write_bytes(b"x")
    return scratch


def _labels(rng: random.Random) -> Grid:
    rows = [
        [f"c{row}", str(row % 3 - 1), f"words {row}", ("train", "valid", "test")[row % 3],
         f"g{row // 2}", str(row), "ann", "0.5", "1.5"]
        for row in range(ROWS)
    ]  # fmt: skip
    return Grid([HEADER, *rows])


def _encoded(rng: random.Random, text: str) -> bytes:
    codec = rng.choice(("utf-8",) * 6 + ("utf-8-sig", "utf-16", "cp1252", "latin-1"))
    return text.encode(codec, errors="replace")


def _cells(grid: Grid, separator: str) -> str:
    def cell(text: str) -> str:
        odd = any(part in text for part in (separator, '"', "\n", "\r"))
        return '"' + text.replace('"', '""') + '"' if odd and separator != "\t" else text

    return "".join(separator.join(map(cell, row)) + "\n" for row in grid.rows)


def labels(base: Path, rng: random.Random, scratch: Path) -> None:
    """``preprocess.corpora.folder``: what is accepted has every row, and untouched ones whole."""
    grid = _labels(rng)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        grid.change(rng)
    separator = rng.choice(",,,;\t")
    text = _cells(grid, separator)
    ends = rng.choice(("\n", "\n", "\r\n", "\r"))
    content = _encoded(rng, text.replace("\n", ends))
    raw = rng.random() < 0.25
    content = damaged(rng, content) if raw else content
    table = scratch / ("t.tsv" if separator == "\t" else "t.csv")
    table.write_bytes(content)
    folder.main([str(base), "--table", str(table), "--out", str(scratch / "m.tsv")])
    if raw:
        return
    found = {row.id: row for row in read_manifest(scratch / "m.tsv").rows}
    faults = (scratch / "m.faults.tsv").read_text().splitlines()[1:]
    twice = sum("left out" in line for line in faults)
    full = grid.full_rows()
    expect(len(found) + twice >= len(full), f"{len(full)} rows, {len(found)} read")
    if not grid.header_touched:
        _untouched(grid, {i: [r.id, r.label, r.text, r.split, r.group] for i, r in found.items()})


def _untouched(grid: Grid, found: dict[str, list[str | None]]) -> None:
    times = Counter(row[0] for row in grid.rows[1:] if row)
    for row in grid.untouched():
        if times[row[0]] == 1:
            expect(row[0] in found, f"row {row[0]} is gone")
            expect(found[row[0]] == row[:5], f"row {row[:5]} became {found[row[0]]}")


def manifests(base: Path, rng: random.Random, scratch: Path) -> None:
    """``read_manifest``: every line is a row or a fault; untouched ones are rows as they were."""
    rows = [
        [f"c{row}", ("train", "valid", "test")[row % 3], str(row - 3), f"c{row}.wav",
         f"words {row}", "0", "2.5", f"g{row // 2}", str(row), str(row % 2)]
        for row in range(ROWS)
    ]  # fmt: skip
    grid = Grid([MANIFEST, *rows])
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        grid.change(rng)
    text = "".join("\t".join(row) + "\n" for row in grid.rows)
    raw = rng.random() < 0.25
    content = damaged(rng, text.encode()) if raw else text.encode()
    (scratch / "m.tsv").write_bytes(content)
    manifest = read_manifest(scratch / "m.tsv")
    if raw:
        return
    lines = [row for row in grid.rows[1:] if any(row)]
    expect(len(manifest.rows) + len(manifest.faults) >= len(lines), "fewer rows than lines")
    found = {row.id: row for row in manifest.rows}
    for row in grid.untouched() if not grid.header_touched else ():
        if [other[0] for other in grid.rows if other].count(row[0]) == 1:
            expect(row[0] in found, f"row {row[0]} is gone")
            got = found[row[0]]
            cells = [got.id, got.split, got.label, got.text, got.group, str(got.position)]
            expect(cells == [*row[:3], row[4], row[7], row[8]], f"{row} became {got}")


def cmu_labels(base: Path, rng: random.Random, scratch: Path) -> None:
    """CMU-MOSI's table, transcripts and folds."""
    grid = Grid(
        [
            ["video_id", "clip_id", "text", "label", "annotation", "mode"],
            ["v", "1", "WELL YES", "2.4", "Positive", "train"],
            ["v", "10", "NO", "-3", "Negative", "valid"],
            ["w", "2", "MAYBE", "0", "Neutral", "test"],
        ]
    )
    for _ in range(rng.choice((0, 1, 1, 2))):
        grid.change(rng)
    raw = rng.random() < 0.25
    content = _encoded(rng, _cells(grid, ","))
    (scratch / "label.csv").write_bytes(damaged(rng, content) if raw else content)
    spoken = b"1_DELIM_WELL YES\n10_DELIM_NO\n"
    timed = b"w___2___0.5___2.0___MAYBE\n"
    if rng.random() < 0.3:
        spoken, timed = damaged(rng, spoken), damaged(rng, timed)
    (scratch / "v.annotprocessed").write_bytes(spoken)
    (scratch / "w.txt").write_bytes(timed)
    corpus = cmu.read_cmu("CMU-MOSI", scratch, None, None)
    if raw:
        return
    full, gone = grid.full_rows(), sum("left out" in fault for _, fault in corpus.faults)
    expect(len(corpus.rows) + gone >= len(full), f"{len(full)} rows, {len(corpus.rows)} read")
    if not grid.header_touched:
        found = {row.id: row for row in corpus.rows}
        for row in grid.untouched():
            got = found.get(f"{row[0]}_{row[1]}")
            expect(got is not None, f"row {row} is gone")
            same = got is not None and [got.text, got.label, got.split] == [row[2], row[3], row[5]]
            expect(same or sum(row[:2] == other[:2] for other in grid.rows) > 1, f"{row}: {got}")


def folds(base: Path, rng: random.Random, scratch: Path) -> None:
    """The SDK's folds, a Python file that is never run, or JSON."""
    python = b"standard_train_fold=['v','a']\nstandard_valid_fold=['w']\nstandard_test_fold=[]\n"
    json = b'{"standard_train_fold": ["v"], "standard_valid_fold": ["w"], "standard_test_fold": []}'
    suffix, content = rng.choice((("py", python), ("json", json)))
    if rng.random() < 0.1:
        canary = scratch / "ran"
        content += f"open({str(canary)!r}, 'w')\n".encode()
    nested = b"x = " + rng.choice((b"(", b"[", b"-", b"not ")) * rng.choice((10, 300, 100_000))
    how = rng.random()
    content = content + nested if how < 0.1 else damaged(rng, content) if how < 0.8 else content
    path = scratch / f"std_folds.{suffix}"
    path.write_bytes(content)
    found = cmu_folds.read_folds(path)
    expect(not (scratch / "ran").exists(), "the file was run")
    kinds = all(isinstance(k, str) and v in ("train", "valid", "test") for k, v in found.items())
    expect(kinds, f"folds {str(found)[:100]}")
