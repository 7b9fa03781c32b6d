"""Clips that are read as dialogues.

They are those of a group that a table names, in the order of their positions, or those of a folder,
in the order of the numbers in their names.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preprocess.media.clip import Clip

ALONE = "a clip by itself, so nothing of a dialogue was read before or after it"
CONTEXT = "dialogue"  # what such a clip lacks, beside modalities


def dialogues_of(clips: Sequence["Clip"]) -> list[list[int]]:
    """The places of clips by their group, or else by the folder they lie in.

    They are in the order of their positions, of the numbers in their names, and of their times. A
    clip without a group and a file is a dialogue by itself.
    """
    talks: dict[str, list[int]] = {}
    for place, clip in enumerate(clips):
        folder = f"folder {clip.path.parent}" if clip.path is not None else f"{place} alone"
        talks.setdefault(folder if clip.group is None else f"group {clip.group}", []).append(place)
    return [sorted(places, key=lambda place: _order(clips[place])) for places in talks.values()]


def _order(clip: "Clip") -> tuple[float, list[tuple[int, str]], float]:
    position = float("inf") if clip.position is None else clip.position
    return position, _natural(clip.id), clip.start or 0.0


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts utt2 before utt10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
