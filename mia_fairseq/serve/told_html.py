"""What is told of clips as HTML: answers, the course over time with its player, faces."""

import base64
import mimetypes
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import cv2

from mia_fairseq.predict.writing.answers import ClipAnswer, Prediction
from mia_fairseq.serve.answer_html import html_of_answer, score_text, share_of_scale
from mia_fairseq.serve.clip_visits import Told
from preprocess.faces.boxed_keyframes import BoxedKeyframe

QUALITY = 85  # of JPEG
NEGATIVE, NEUTRAL, POSITIVE = (178, 24, 43), (170, 170, 170), (33, 102, 172)  # red, green, blue
NO_ANSWER = "no answer"


def html_of_told(told: Sequence[Told]) -> str:
    """All that is told: of one clip in full, of several one after another with their players."""
    if len(told) == 1:
        (one,) = told
        faces = "" if one.faces is None else html_of_faces(one.faces)
        return html_of_answer(one.answer) + _course(one) + faces
    return "".join(
        f'<section class="mia-clip"><h3>{place}. {escape(one.path.name)}</h3>{_player(one.path)}'
        f'<p class="mia-note">{escape(one.answer.text or "")}</p>{html_of_answer(one.answer)}'
        "</section>"
        for place, one in enumerate(told, start=1)
    )


def html_of_faces(faces: Sequence[BoxedKeyframe]) -> str:
    """Keyframes with their times; the pictures are part of the page, no file is left."""
    figures = "".join(
        f'<figure><img alt="the face at {one.time:.1f} s" src="{_picture(one)}">'
        f"<figcaption>{one.time:.1f} s</figcaption></figure>"
        for one in faces
    )
    body = figures or '<p class="mia-note">no keyframe shows one</p>'
    return (
        '<section class="mia-faces"><h3>The face in keyframes</h3>'
        f'<div class="mia-pictures">{body}</div></section>'
    )


def _picture(keyframe: BoxedKeyframe) -> str:
    bgr = cv2.cvtColor(keyframe.picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _player(path: Path) -> str:
    """A player of an upload, which its page may read."""
    kind = (mimetypes.guess_type(path.name)[0] or "").partition("/")[0]
    tag = "audio" if kind == "audio" else "video"
    source = escape(f"gradio_api/file={quote(str(path))}")
    return f'<{tag} controls preload="metadata" src="{source}"></{tag}>'


def _course(told: Told) -> str:
    """Answers over time; a click on one of them moves the player."""
    if not told.course:
        return ""
    whole = max(one.end or 0.0 for one in told.course) or 1.0
    line = "".join(_mark(one, whole) for one in told.course)
    rows = "".join(map(_row, told.course))
    return (
        f'<section class="mia-course"><h3>Over time</h3>{_player(told.path)}'
        f'<div class="mia-line">{line}</div><ul class="mia-rows">{rows}</ul></section>'
    )


def _times(answer: ClipAnswer) -> str:
    return f'data-mia-start="{answer.start or 0.0:.2f}" data-mia-end="{answer.end or 0.0:.2f}"'


def _mark(answer: ClipAnswer, whole: float) -> str:
    start, end = answer.start or 0.0, answer.end or 0.0
    place = f"left:{100 * start / whole:.2f}%;width:{100 * (end - start) / whole:.2f}%"
    label = escape(f"{_clock(start)} {_in_short(answer)}")
    return (
        f'<button {_times(answer)} style="{place};background:{_colour(answer)}" '
        f'title="{label}" aria-label="{label}"></button>'
    )


def _row(answer: ClipAnswer) -> str:
    return (
        f"<li {_times(answer)}><button {_times(answer)}>{_clock(answer.start or 0.0)}</button>"
        f"<span>{escape(_in_short(answer))}</span><span>{escape(answer.text or '')}</span></li>"
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _in_short(answer: ClipAnswer) -> str:
    return ", ".join(map(_value, answer.by_model.values()))


def _value(told: Prediction) -> str:
    if told.value is None:
        return NO_ANSWER
    return told.value if isinstance(told.value, str) else score_text(told.value, told.scale)


def _colour(answer: ClipAnswer) -> str:
    """From red to blue by the first score; grey where there is none."""
    shares = [
        share_of_scale(one.value, one.scale)
        for one in answer.by_model.values()
        if isinstance(one.value, float)
    ]
    share = shares[0] if shares else 0.5
    end = POSITIVE if share > 0.5 else NEGATIVE
    weight = abs(2 * share - 1)
    mixed = [round(n + weight * (e - n)) for n, e in zip(NEUTRAL, end, strict=True)]
    return f"rgb({mixed[0]} {mixed[1]} {mixed[2]})"
