"""How rows are read: each alone, or among all of its dialogue; and who is named in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mia_fairseq.data.views.speaker_tokens import SPEAKERS
from mia_fairseq.errors import InputError, quoted

READS = ("rows", "dialogue", "dialogue-past")


@dataclass(frozen=True)
class Reading:
    """How a model reads rows.

    Attributes:
        read: one of `READS`: what an encoder of tokens reads at once.
        speakers: one of `SPEAKERS`: what stands before the words of each row in a dialogue.
        talks: whether batches are whole dialogues for the sake of a model of dialogues.
        past: whether a row reads nothing that comes later.
    """

    read: str = "rows"
    speakers: str = "none"
    talks: bool = False
    past: bool = False

    @classmethod
    def parse(cls, read: str, speakers: str, *, talks: bool, past: bool) -> "Reading":
        """Reads the flags.

        Args:
            read: of ``--read``.
            speakers: of ``--speakers``.
            talks: whether ``--conversation`` or ``--crf`` is given.
            past: ``--conversation-past``.

        Raises:
            InputError: a value is unknown, or speaks of dialogues that are not read.
        """
        for flag, value, known in (("--read", read, READS), ("--speakers", speakers, SPEAKERS)):
            if value not in known:
                raise InputError(f"{flag} is {value!r}, expected one of {', '.join(known)}")
        if speakers != "none" and read == "rows":
            raise InputError(
                f"--speakers {speakers} names who speaks in a dialogue that is read at once, and "
                "--read is rows; add --read dialogue or --read dialogue-past"
            )
        if past and not talks:
            raise InputError(
                "--conversation-past is about a model of dialogues, and there is none; add "
                "--conversation NAME"
            )
        if past and read == "dialogue":
            raise InputError(
                "--conversation-past lets nothing later be seen, and --read dialogue reads it; "
                "use --read dialogue-past or --read rows"
            )
        return cls(read, speakers, talks, past or read == "dialogue-past")

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Reading":
        """What `to_json` gave, as checkpoints keep it.

        Raises:
            InputError: it is no reading.
        """
        known = {"read": READS, "speakers": SPEAKERS, "talks": (True, False), "past": (True, False)}
        for name, value in told.items():
            if value not in known.get(name, ()) or type(value) is not type(known[name][0]):
                raise InputError(
                    f"the checkpoint reads rows by {name} {quoted(value)}, which this version does "
                    f"not know; it knows {', '.join(known)}"
                )
        return cls(**told)

    @property
    def at_once(self) -> bool:
        """Whether encoders of tokens read whole dialogues."""
        return self.read != "rows"

    @property
    def whole_dialogues(self) -> bool:
        """Whether a batch must hold whole dialogues."""
        return self.at_once or self.talks

    @property
    def flag(self) -> str:
        """What asked for dialogues, for messages."""
        return f"--read {self.read}" if self.at_once else "--conversation"

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        default = Reading()
        return {name: own for name, own in vars(self).items() if own != getattr(default, name)}
