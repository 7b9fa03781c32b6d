"""Modalities computed from others: their definitions, and how the command line writes them.

``--derive audio2=linear(audio)``: a learned linear map of a modality (Table 7).
``--context "text[-3:-1],text[+1:+3],text[group]"``: the mean of neighbouring utterances.
``--surroundings "text[-2:+2]"``: no modality, but what an encoder reads around an utterance.
"""

import re
from dataclasses import dataclass

from mia_fairseq.errors import InputError
from mia_fairseq.name_values import comma_separated

LINEAR = re.compile(r"(?P<name>\w+)=linear\((?P<source>\w+)\)")
CONTEXT = re.compile(r"(?P<source>\w+)\[(?:group|(?P<first>[+-]?\d+):(?P<last>[+-]?\d+))\]")


@dataclass(frozen=True)
class LinearCopy:
    """A learned linear map of another modality, d → d; the model holds it.

    Attributes:
        source: the modality that is mapped.
    """

    source: str

    def __str__(self) -> str:
        return f"linear({self.source})"


@dataclass(frozen=True)
class Context:
    """Neighbouring utterances of the same group, by the modality that is read of them.

    As a modality (``--context``) their features are averaged, their tokens joined.

    Attributes:
        source: the modality.
        window: first and last neighbour, counted in the order of positions from the utterance
            itself (-1 is the one before); None for the whole group, the utterance included.
    """

    source: str
    window: tuple[int, int] | None = None

    def __str__(self) -> str:
        where = "group" if self.window is None else "{:+d}:{:+d}".format(*self.window)
        return f"{self.source}[{where}]"


Derived = LinearCopy | Context


def parse_derived(derive: str, context: str) -> dict[str, Derived]:
    """Reads ``--derive`` and ``--context``: definitions by name, in the order given.

    A context is named by its definition; numbers are written with their sign.

    Raises:
        InputError: a definition cannot be read, is empty, or stands there twice.
    """
    named = [_linear(text) for text in comma_separated(derive)]
    named += [(str(found), found) for found in map(_context, comma_separated(context))]
    names = [name for name, _ in named]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(
            f"modality {twice[0]!r} is given twice by --derive and --context; name each once"
        )
    return dict(named)


def parse_surroundings(text: str) -> dict[str, Context]:
    """Reads ``--surroundings``: which utterances an encoder reads together, by modality.

    Raises:
        InputError: a window cannot be read, leaves the utterance itself out or is nothing else,
            or a modality stands there twice.
    """
    found: dict[str, Context] = {}
    for part in comma_separated(text):
        window = _window(part, "--surroundings", "text[-2:+2]")
        if window.window is not None and not window.window[0] <= 0 <= window.window[1]:
            raise InputError(
                f"--surroundings {part!r} leaves out 0, the utterance itself, which is read among "
                f"its neighbours; write such as {window.source}[-2:+2] or {window.source}[-2:0]"
            )
        if window.window == (0, 0):
            raise InputError(
                f"--surroundings {part!r} has no neighbour in it; leave it out, or write such as "
                f"{window.source}[-2:+2]"
            )
        if window.source in found:
            raise InputError(
                f"--surroundings names {window.source!r} twice; give each modality one window"
            )
        found[window.source] = window
    return found


def parse_definition(text: str) -> Derived:
    """Reads back what ``str`` made of a definition, as a checkpoint keeps it."""
    return _linear(f"name={text}")[1] if text.startswith("linear(") else _context(text)


def _linear(text: str) -> tuple[str, Derived]:
    match = LINEAR.fullmatch(text)
    if match is None or not match["name"].isidentifier():
        raise InputError(
            f"--derive {text!r} cannot be read, expected NAME=linear(MODALITY), "
            "for instance audio2=linear(audio)"
        )
    return match["name"], LinearCopy(match["source"])


def _window(text: str, flag: str, example: str) -> Context:
    match = CONTEXT.fullmatch(text)
    if match is None:
        raise InputError(
            f"{flag} {text!r} cannot be read, expected MODALITY[FIRST:LAST] or "
            f"MODALITY[group], for instance {example} or text[group]"
        )
    if match["first"] is None:
        return Context(match["source"])
    first, last = int(match["first"]), int(match["last"])
    if first > last:
        raise InputError(
            f"{flag} {text!r} is an empty range, since {first:+d} comes after {last:+d}; "
            f"write {match['source']}[{last:+d}:{first:+d}]"
        )
    return Context(match["source"], (first, last))


def _context(text: str) -> Context:
    found = _window(text, "--context", "text[-3:-1], text[+1:+3]")
    if found.window is not None and found.window[0] <= 0 <= found.window[1]:
        raise InputError(
            f"--context {text!r} includes 0, the utterance itself, which is no neighbour of its "
            "own; give what lies before and after as two ranges, or use [group]; --surroundings "
            "lets an encoder read it together with them"
        )
    return found
