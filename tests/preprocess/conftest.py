"""What the preprocessing tests share: media files they make, and real small models."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from small_clips import (
    grey_levels,
    level,
    set_matrix,
    tone,
    turn,
    write_clip,
    write_cover,
)


@pytest.fixture
def media() -> SimpleNamespace:
    """The functions above, for tests in this folder and below."""
    return SimpleNamespace(
        tone=tone,
        grey_levels=grey_levels,
        level=level,
        write_clip=write_clip,
        write_cover=write_cover,
        turn=turn,
        set_matrix=set_matrix,
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three seconds, 30 frames at 10 a second, with a 440 Hz tone at 16 kHz."""
    return write_clip(tmp_path / "clip.mp4", grey_levels(30), tone(3.0, 16_000))
