"""What several models say of one clip."""

from dataclasses import dataclass
from typing import Any

from mia_fairseq.predict.writing.answers import PARTIAL, Prediction

OF_THE_CLIP = ("id", "start", "end", "text", "faces")


@dataclass
class ClipAnswers:
    """What several models say of one clip.

    Attributes:
        by_model: what each tells (sentiment, emotion) -> its prediction.
    """

    by_model: dict[str, Prediction]

    @property
    def first(self) -> Prediction:
        """Of the first model."""
        return next(iter(self.by_model.values()))

    @property
    def id(self) -> str:
        """Of the clip."""
        return self.first.id

    @property
    def text(self) -> str | None:
        """The words that were used; None where no model reads any."""
        return next((one.text for one in self.by_model.values() if one.text is not None), None)

    @property
    def start(self) -> float | None:
        """Seconds within the file."""
        return self.first.start

    @property
    def end(self) -> float | None:
        """Seconds within the file."""
        return self.first.end

    @property
    def faces(self) -> float | None:
        """Of the first model that looked for any, or of `add_faces`."""
        return next((one.faces for one in self.by_model.values() if one.faces is not None), None)

    @property
    def status(self) -> str:
        """`FAILED` where no model has a prediction, `OK` where all have all they read."""
        found = {one.status for one in self.by_model.values()}
        return found.pop() if len(found) == 1 else PARTIAL

    @property
    def reason(self) -> str:
        """Why there is no prediction; '' where all models have one."""
        return "; ".join(dict.fromkeys(one.reason for one in self.by_model.values() if one.reason))

    @property
    def lacks(self) -> str:
        """As `Prediction.lacks`."""
        return "; ".join(dict.fromkeys(one.lacks for one in self.by_model.values() if one.lacks))

    def to_json(self) -> dict[str, Any]:
        """Of the clip once, and what each model says under what it tells."""
        shared = {key: getattr(self, key) for key in OF_THE_CLIP}
        content = {key: told for key, told in shared.items() if told is not None}
        content |= {"status": self.status}
        for name, one in self.by_model.items():
            content[name] = {k: v for k, v in one.to_json().items() if k not in OF_THE_CLIP}
        return {**content, **({"reason": self.reason} if self.reason else {})}
