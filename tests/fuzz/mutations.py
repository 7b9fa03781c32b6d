"""Changes to bytes, texts, tables and plain values; each is drawn from the given generator."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ODD_TEXTS = (
    *("", " ", "nan", "NaN", "inf", "-inf", "1e400", "-1e-400", "0x1", "１", "-0", "+1", "1_000"),
    *("1,5", "1.5.2", "train ", "TRAIN", "\x00", "\x85", "\x1f", "\u2028", '"', '""', "'", "=1+1"),
    *("../x", "/etc/passwd", ".hidden", "con", "x" * 300, "x" * 70_000, "😀", "e\u0301", "\ufeff"),
    *("None", "null", "True", "[]", "{}", "9" * 400, "-1", "1e9", "3.5", "happy+sad", "a b  c"),
    *("%s", "{x}", "${HOME}", "\\", "a/b", "99999999999", "-5", "0", "4", "é", "\x9c"),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e300, 1e-320),
    *(float("nan"), float("inf"), "", "x", "0", "nan", "x" * 5000, [], {}, [[]], [None], {"x": 1}),
    *([1, 2, 3], ["text"], {"": ""}, "../../x", "/etc/passwd", "text", "features", -7, 65536),
)


def odd_text(rng: random.Random) -> str:
    """One of the cells that break readers."""
    return rng.choice(ODD_TEXTS)


def odd_value(rng: random.Random) -> Any:
    """A value of another type or size than expected."""
    value = rng.choice(ODD_VALUES)
    return value.copy() if isinstance(value, list | dict) else value


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bytes with one to three changes."""
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(_BYTES)(rng, content)
    return bytes(content)


def _flip(rng: random.Random, content: bytearray) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


def _flip_early(rng: random.Random, content: bytearray) -> bytearray:
    if content:
        content[rng.randrange(min(len(content), 200))] = rng.randrange(256)
    return content


def _cut(rng: random.Random, content: bytearray) -> bytearray:
    return content[: rng.randrange(len(content) + 1)]


def _delete(rng: random.Random, content: bytearray) -> bytearray:
    begin, end = _part(rng, content)
    return content[:begin] + content[end:]


def _repeat(rng: random.Random, content: bytearray) -> bytearray:
    begin, end = _part(rng, content)
    return content[:end] + content[begin:]


def _insert(rng: random.Random, content: bytearray) -> bytearray:
    begin, _ = _part(rng, content)
    return content[:begin] + bytearray(rng.randbytes(rng.randrange(1, 40))) + content[begin:]


def _zeros(rng: random.Random, content: bytearray) -> bytearray:
    begin, end = _part(rng, content)
    content[begin:end] = bytes([rng.choice((0, 255))]) * (end - begin)
    return content


def _number(rng: random.Random, content: bytearray) -> bytearray:
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice((0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1))
    if len(content) >= size:
        begin = rng.randrange(len(content) - size + 1)
        content[begin : begin + size] = value.to_bytes(size, rng.choice(("little", "big")))
    return content


def _part(rng: random.Random, content: bytearray) -> tuple[int, int]:
    begin = rng.randrange(len(content) + 1)
    return begin, min(len(content), begin + rng.choice((1, 4, 16, 100, 1000)))


_BYTES: tuple[Callable[[random.Random, bytearray], bytearray], ...] = (
    *(_flip, _flip_early, _cut, _delete, _repeat, _insert, _zeros, _number),
)


def changed_value(rng: random.Random, value: Any) -> Any:
    """Plain containers with one node replaced, removed, renamed, repeated or nested; in place."""
    holder = [value]
    places = list(_places(holder))
    parent, key = rng.choice(places)
    action = rng.choice(("replace", "replace", "replace", "remove", "rename", "add", "nest", "odd"))
    if action == "remove" and parent is not holder:
        del parent[key]
    elif action == "rename" and isinstance(parent, dict):
        parent[odd_text(rng)[:300]] = parent.pop(key)
    elif action == "add" and isinstance(parent[key], dict):
        parent[key][odd_text(rng)[:300]] = odd_value(rng)
    elif action == "add" and isinstance(parent[key], list):
        parent[key].insert(rng.randrange(len(parent[key]) + 1), odd_value(rng))
    elif action == "nest":
        for _ in range(rng.choice((1, 1, 50, 400))):
            parent[key] = [parent[key]]
    elif action == "odd":
        parent[key] = odd_text(rng)
    else:
        parent[key] = odd_value(rng)
    return holder[0]


def _places(holder: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [holder]
    while waiting:
        parent = waiting.pop()
        keys: Sequence[Any] = list(parent) if isinstance(parent, dict) else range(len(parent))
        for key in keys:
            found.append((parent, key))
            if isinstance(parent[key], dict | list):
                waiting.append(parent[key])
    return found


def change_file(rng: random.Random, path: Path) -> None:
    """One change in place: of a value of JSON, of a cell of a TSV, or of bytes of any file."""
    content = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.7:
        path.write_text(json.dumps(changed_value(rng, json.loads(content))), errors="replace")
    elif path.suffix == ".tsv" and rng.random() < 0.6:
        cells = [line.split("\t") for line in content.decode().split("\n")]
        row = rng.choice(cells)
        row[rng.randrange(len(row))] = odd_text(rng)
        path.write_text("\n".join("\t".join(row) for row in cells))
    else:
        path.write_bytes(damaged(rng, content))


class Grid:
    """A table as rows of cells, and which data rows are still as they were."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self.rows = [list(row) for row in rows]
        self.touched: set[int] = set()  # by identity of the row's list
        self.header_touched = False

    def full_rows(self) -> list[list[str]]:
        """Rows with any text below the first such row, which is the header."""
        return [row for row in self.rows if any(cell.strip() for cell in row)][1:]

    def untouched(self) -> list[list[str]]:
        """Data rows that no change has reached."""
        return [row for row in self.rows[1:] if id(row) not in self.touched]

    def touch(self, row: list[str]) -> None:
        """Marks a row as changed."""
        if self.rows and row is self.rows[0]:
            self.header_touched = True
        self.touched.add(id(row))

    def change(self, rng: random.Random) -> None:
        """One change of a cell, a row or a column."""
        action = rng.choice(("cell", "cell", "cell", "cell", "row", "row", "column", "header"))
        row = rng.choice(self.rows)
        if action == "cell" and row:
            row[rng.randrange(len(row))] = odd_text(rng)
            self.touch(row)
        elif action == "row":
            self._change_row(rng, row)
        elif action == "column":
            self._change_column(rng)
        elif action == "header" and self.rows[0]:
            self.rows[0][rng.randrange(len(self.rows[0]))] = rng.choice(
                (odd_text(rng), "id", "label", "ID", " id ", "text", "label.", "label.x")
            )
            self.header_touched = True

    def _change_row(self, rng: random.Random, row: list[str]) -> None:
        action = rng.choice(("double", "less", "more", "remove", "blank", "swap"))
        if action == "double":
            again = list(row)
            self.rows.insert(rng.randrange(1, len(self.rows) + 1), again)
            self.touch(again)
            self.touch(row)
        elif action == "less" and row:
            row.pop(rng.randrange(len(row)))
            self.touch(row)
        elif action == "more":
            row.insert(rng.randrange(len(row) + 1), odd_text(rng))
            self.touch(row)
        elif action == "remove" and len(self.rows) > 1:
            self.rows.remove(row)
        elif action == "blank":
            empty = [""] * rng.choice((1, len(row)))
            self.rows.insert(rng.randrange(len(self.rows) + 1), empty)
            self.touch(empty)
            self.header_touched |= self.rows[0] is empty
        else:
            rng.shuffle(rest := self.rows[1:])
            self.rows[1:] = rest

    def _change_column(self, rng: random.Random) -> None:
        self.header_touched = True
        place = rng.randrange(max(1, min(map(len, self.rows), default=1)))
        action = rng.choice(("remove", "double", "odd"))
        for row in self.rows:
            self.touch(row)
            if action == "remove" and place < len(row):
                row.pop(place)
            elif action == "double" and place < len(row):
                row.append(row[place])
            elif action == "odd" and place < len(row):
                row[place] = odd_text(rng)
