"""What the page's buttons do: from what a visitor or a program sends to HTML and JSON."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mia_fairseq.errors import InputError
from mia_fairseq.serve.answer_html import html_of_error
from mia_fairseq.serve.clip_visits import ClipVisits
from mia_fairseq.serve.told_html import html_of_faces, html_of_told

Sent = str | Sequence[str] | None  # a file, several, or none


class PageAnswer(NamedTuple):
    """Words as heard or written, the answer as HTML, and the same for programs."""

    words: str
    html: str
    data: list[dict[str, Any]]


class PageHandlers:
    """What the page's buttons do.

    Args:
        visits: which answers.
    """

    def __init__(self, visits: ClipVisits) -> None:
        self.visits = visits

    def answer(self, visit: str, sent: Sequence[Sent], words: str | None) -> PageAnswer:
        """The answer on what was sent, or the sentence that tells why there is none.

        Args:
            visit: whose it is.
            sent: of each place of the page, what lies there.
            words: that are spoken, a line a clip; None: as heard.
        """
        try:
            told = self.visits.answer(visit, _files(sent), words)
        except InputError as error:
            reason = str(error)
            return PageAnswer(words or "", html_of_error(reason), [{"reason": reason}])
        lines = [" ".join((one.answer.text or "").split()) for one in told]
        return PageAnswer("\n".join(lines), html_of_told(told), [one.to_json() for one in told])

    def faces(self, visit: str, sent: Sequence[Sent]) -> str:
        """The face in the keyframes of what was sent, as HTML; likewise."""
        try:
            return html_of_faces(self.visits.faces(visit, _files(sent)))
        except InputError as error:
            return html_of_error(str(error))

    def hold(self, visit: str, sent: Sent) -> None:
        """Notes whose an upload is, so that it goes with the visit."""
        for file in _files([sent]):
            try:
                self.visits.uploads.hold(visit, file)
            except InputError:  # it is told when an answer is asked for
                return

    def leave(self, visit: str) -> None:
        """Removes the files of a visit that has ended."""
        self.visits.uploads.leave(visit)


def _files(sent: Sequence[Sent]) -> list[str]:
    """The files of the one place that has any.

    Raises:
        InputError: several places have.
    """
    given = [[one] if isinstance(one, str) else list(one) for one in sent if one]
    if len(given) > 1:
        raise InputError("clips are given in several places; leave one of video, sound, dialogue")
    return given[0] if given else []
