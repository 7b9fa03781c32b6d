"""Answers as HTML: a scale for scores, bars for classes, what each modality gave.

All that comes from a clip or a model is escaped.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from mia_fairseq.predict.writing.answers import ClipAnswer, Prediction

LIMIT = 3.0  # scores of sentiment lie in [-3, 3]
CSS = """
.mia-part {margin: 0 0 1.1rem}
.mia-part h3 {margin: 0 0 .3rem; font-size: 1.05rem}
.mia-value {font-size: 1.5rem; font-weight: 600}
.mia-scale {position: relative; height: 1.1rem; border-radius: .55rem; margin: .6rem 0 0;
 background: linear-gradient(90deg, #b2182b, #d8d8d8 50%, #2166ac)}
.mia-scale i {position: absolute; top: -.3rem; width: .35rem; height: 1.7rem; margin-left: -.175rem;
 background: currentColor; border-radius: .2rem; outline: 2px solid white}
.mia-ends {display: flex; justify-content: space-between; font-size: .8rem; margin: .4rem 0 1.2rem}
.mia-bar {display: grid; grid-template-columns: minmax(5rem, 9rem) 1fr 3.5rem; gap: .5rem;
 align-items: center; margin: .2rem 0; overflow-wrap: anywhere}
.mia-bar b {height: .8rem; background: #2166ac; border-radius: .2rem; min-width: 1px}
.mia-bar b.less {background: #b2182b}
.mia-note {margin: .3rem 0; font-size: .9rem}
.mia-error {padding: .7rem; border-left: .3rem solid #b2182b}
"""


def html_of_error(sentence: str) -> str:
    """A sentence that tells why there is no answer."""
    return f'<p class="mia-error" role="alert">{escape(sentence)}</p>'


def html_of_answer(answer: ClipAnswer) -> str:
    """What every model says of a clip, or why it says nothing."""
    parts = [_one(name, told) for name, told in answer.by_model.items()]
    return "".join(parts)


def _one(name: str, told: Prediction) -> str:
    head = f"<h3>{escape(name.capitalize())}</h3>" if name else ""
    if told.value is None:
        return f'<section class="mia-part">{head}{html_of_error(told.reason)}</section>'
    if isinstance(told.value, str):
        body = f'<div class="mia-value">{escape(told.value)}</div>' + _shares(told.probabilities)
    else:
        body = f'<div class="mia-value">{told.value:+.2f}</div>' + _scale(told.value)
    notes = [f"{modality} is missing: {why}" for modality, why in told.missing.items()]
    body += "".join(f'<p class="mia-note">{escape(note)}</p>' for note in notes)
    return f'<section class="mia-part">{head}{body}{_contributions(told.contributions)}</section>'


def _scale(value: float) -> str:
    place = 100 * (min(max(value, -LIMIT), LIMIT) + LIMIT) / (2 * LIMIT)
    return (
        f'<div class="mia-scale" role="img" aria-label="{value:.2f} from -3 to 3">'
        f'<i style="left:{place:.1f}%"></i></div><div class="mia-ends"><span>negative</span>'
        "<span>neutral</span><span>positive</span></div>"
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
    if not modalities:
        return ""
    most = max(map(abs, modalities.values())) or 1.0
    bars = "".join(_bar(name, gave / most, f"{gave:+.2f}") for name, gave in modalities.items())
    return f'<p class="mia-note">What each modality changed (with it, less without):</p>{bars}'
