"""What a fuzzed case can end in, and who calls what an end is."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError, system_sentence

RIGHT, REFUSED = "right", "refused in a sentence"
TRACEBACK, CRASH, HANG, SILENT = "traceback", "crash", "hang", "silent change"
OUTCOMES = (RIGHT, REFUSED, TRACEBACK, CRASH, HANG, SILENT)
BAD = (TRACEBACK, CRASH, HANG, SILENT)
LONGEST = 3000  # characters of a sentence


class SilentChangeError(Exception):
    """What was read is not what the file says, and nobody was told."""


@dataclass(frozen=True)
class Target:
    """One format that users give.

    Attributes:
        name: of it.
        share: how many of a thousand cases it gets.
        prepare: makes valid files once a process, in a folder of its own.
        attempt: changes them within the given new folder and reads them; what it raises decides
            the outcome, and nothing is right.
    """

    name: str
    share: int
    prepare: Callable[[Path], Any]
    attempt: Callable[[Any, random.Random, Path], None]


def expect(condition: object, told: str) -> None:
    """What must hold of all that is accepted.

    Raises:
        SilentChangeError: it does not.
    """
    if not condition:
        raise SilentChangeError(told)


def attempted(target: Target, prepared: Any, rng: random.Random, folder: Path) -> tuple[str, str]:
    """An outcome that this process has lived to see, and what is to be known of it."""
    try:
        target.attempt(prepared, rng, folder)
    except InputError as error:
        return sentence(str(error))
    except SilentChangeError as error:
        return SILENT, str(error)
    except SystemExit as error:
        return TRACEBACK, f"SystemExit {error.code}"
    except Exception as error:
        if told := system_sentence(error):  # as every command ends
            return sentence(told)
        return TRACEBACK, f"{type(error).__name__}: {str(error)[:300]} at {_place(error)}"
    return RIGHT, ""


def sentence(told: str) -> tuple[str, str]:
    """Whether a refusal is short and of one line, as users are promised."""
    if "\n" in told or len(told) > LONGEST:
        return TRACEBACK, f"not a sentence, {len(told)} characters: {told[:300]}"
    return REFUSED, told


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "mia_fairseq" in code.co_filename or "preprocess" in code.co_filename:
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return place
