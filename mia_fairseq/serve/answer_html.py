"""Answers as HTML: a scale for scores, bars for classes, what each modality and word gave.

All that comes from a clip or a model is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mia_fairseq.data.format.labels import SENTIMENT_RANGE, SIMS_RANGE
from mia_fairseq.predict.writing.answers import ClipAnswer, Prediction

SENTIMENT = (SENTIMENT_RANGE, SIMS_RANGE)  # whose ends and middle have names
NAMES = (" negative", " neutral", " positive")
CHANGE = "(the answer less that without it)"


def html_of_error(sentence: str) -> str:
    """A sentence that tells why there is no answer."""
    return f'<p class="mia-error" role="alert">{escape(sentence)}</p>'


def html_of_answer(answer: ClipAnswer) -> str:
    """What every model says of a clip, or why it says nothing."""
    parts = [_one(name, told) for name, told in answer.by_model.items()]
    return "".join(parts)


def share_of_scale(value: float, scale: tuple[float, float]) -> float:
    """Where a score stands between the ends of its scale, 0 to 1."""
    low, high = scale
    return (min(max(value, low), high) - low) / (high - low)


def score_text(value: float, scale: tuple[float, float]) -> str:
    """A score, with its sign where the scale has both."""
    return f"{value:+.2f}" if scale[0] < 0 else f"{value:.2f}"


def _one(name: str, told: Prediction) -> str:
    head = f"<h3>{escape(name.capitalize())}</h3>" if name else ""
    if told.value is None:
        return f'<section class="mia-part">{head}{html_of_error(told.reason)}</section>'
    if isinstance(told.value, str):
        body = f'<div class="mia-value">{escape(told.value)}</div>' + _shares(told.probabilities)
    else:
        score = score_text(told.value, told.scale)
        body = f'<div class="mia-value">{score}</div>' + _scale(told.value, told.scale)
    notes = [f"{modality} is missing: {why}" for modality, why in told.missing.items()]
    body += "".join(f'<p class="mia-note">{escape(note)}</p>' for note in notes)
    return f'<section class="mia-part">{head}{body}{_contributions(told.contributions)}</section>'


def _scale(value: float, scale: tuple[float, float]) -> str:
    low, high = scale
    names = NAMES if scale in SENTIMENT else ("", "", "")
    ends = zip((low, (low + high) / 2, high), names, strict=True)
    return (
        f'<div class="mia-scale" role="img" aria-label="{value:.2f} from {low:g} to {high:g}">'
        f'<i style="left:{100 * share_of_scale(value, scale):.1f}%"></i></div>'
        f'<div class="mia-ends">{"".join(f"<span>{at:g}{name}</span>" for at, name in ends)}</div>'
    )


def _shares(shares: Mapping[str, float]) -> str:
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])
    return "".join(_bar(name, share, f"{share:.0%}") for name, share in ordered)


def _bar(name: str, share: float, told: str) -> str:
    width, less = 100 * min(abs(share), 1.0), ' class="less"' if share < 0 else ""
    return (
        f'<div class="mia-bar"><span>{escape(name)}</span>'
        f'<b{less} style="width:{width:.1f}%"></b><span>{escape(told)}</span></div>'
    )


def _contributions(found: Mapping[str, Any]) -> str:
    modalities: Mapping[str, float] = found.get("modalities") or {}
    words: Sequence[Mapping[str, Any]] = found.get("words") or ()
    told = ""
    if modalities:
        told += f'<p class="mia-note">What each modality changed {CHANGE}:</p>'
        told += _changes(list(modalities.items()))
    if words:
        told += f'<p class="mia-note">The words that changed it most {CHANGE}:</p>'
        told += _changes([(str(one["word"]), float(one["change"])) for one in words])
    return told


def _changes(changes: Sequence[tuple[str, float]]) -> str:
    most = max(abs(change) for _, change in changes) or 1.0
    return "".join(_bar(name, change / most, f"{change:+.2f}") for name, change in changes)
