"""What a page takes: the size, the length and the pictures of clips, and how many."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mia_fairseq.errors import InputError
from preprocess.media.decoding import file_origin, first_track, open_media, packets
from preprocess.media.streams import probe

MEGABYTE = 1 << 20
LARGEST_PICTURE = 7680 * 4320  # pixels


@dataclass(frozen=True)
class Limits:
    """Limits of what is asked at once.

    Attributes:
        seconds: of a clip.
        megabytes: of a clip.
        clips: of a dialogue.
        letters: of words that are typed in.
    """

    seconds: float = 300.0
    megabytes: float = 100.0
    clips: int = 32
    letters: int = 5000

    def check(self, path: Path) -> float:
        """How many seconds a clip lasts.

        Raises:
            InputError: it is too long, too large, or cannot be read.
        """
        size = path.stat().st_size / MEGABYTE
        if size > self.megabytes:
            raise InputError(
                f"{path.name}: has {size:.0f} MB, this page takes {self.megabytes:g}; cut it"
            )
        told = probe(path)
        if (told.width or 0) * (told.height or 0) > LARGEST_PICTURE:
            raise InputError(
                f"{path.name}: its pictures have {told.width} x {told.height} points, this page "
                "takes 7680 x 4320; make them smaller"
            )
        seconds = max(told.duration, self._last_sound(path))
        if seconds > self.seconds:
            raise InputError(
                f"{path.name}: lasts {seconds:.0f} s, this page takes {self.seconds:g}; cut it"
            )
        return seconds

    def _last_sound(self, path: Path) -> float:
        """Seconds at which the last packet of sound ends: headers may promise less, or nothing."""
        last = 0.0
        with open_media(path) as container:
            track = first_track(container.streams.audio)
            if track is None:
                return last
            for packet in packets(container, track, path):
                if packet.pts is None or packet.time_base is None:
                    continue
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                last = max(last, end - file_origin(container))
                if last > self.seconds:
                    break
        return last

    def check_words(self, words: str) -> None:
        """Raises `InputError` where words are too long."""
        if len(words) > self.letters:
            raise InputError(
                f"the words have {len(words)} letters, this page takes {self.letters}; cut them"
            )

    def check_number(self, files: Sequence[str]) -> None:
        """Raises `InputError` where there are too many clips."""
        if len(files) > self.clips:
            raise InputError(
                f"{len(files)} clips are given, this page takes {self.clips} at once; "
                "leave some out"
            )
