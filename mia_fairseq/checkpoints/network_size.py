"""Networks built from a file's description, none larger than the weights in it.

Every fault names the file. Otherwise a changed number in the description, such as a width, would
ask for all memory there is.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from mia_fairseq.errors import InputError, shortened

TIMES = 4  # a parameter may be registered again, under another name or in another's place
ROOM = 1_000_000  # what is built beside the file's weights and dropped, such as a pooler

_limit: ContextVar[int | None] = ContextVar("limit", default=None)


@contextlib.contextmanager
def building(where: str) -> Iterator[None]:
    """Turns whatever building makes of a changed description into one sentence.

    Args:
        where: the file, for messages.

    Raises:
        InputError: something inside failed, but for the system's own errors.
    """
    try:
        yield
    except InputError as error:
        raise InputError(str(error) if where in str(error) else f"{where}: {error}") from error
    except OSError:
        raise
    except RuntimeError as error:
        raise InputError(
            f"{where}: its weights are not those of the model that its settings describe "
            f"({shortened(error)}); give it as it was written"
        ) from error
    except Exception as error:
        raise InputError(
            f"{where}: no model can be built from its settings ({type(error).__name__}: "
            f"{shortened(error)}); give it as it was written"
        ) from error


@contextlib.contextmanager
def no_larger_than(numbers: int, where: str) -> Iterator[None]:
    """Ends the building of modules that have more numbers than a file.

    Args:
        numbers: in the file's weights.
        where: the file, for messages.

    Raises:
        InputError: a parameter has more, or all together have several times as many.
    """
    built = 0

    def count(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal built
        limit = _limit.get()
        if limit is None or parameter is None:
            return
        built += parameter.numel()
        if parameter.numel() > limit + ROOM or built > TIMES * (limit + ROOM):
            raise InputError(
                f"{where}: its settings describe a network of more than {limit} numbers, which is "
                "what it holds; its settings were changed: give the checkpoint as it was written"
            )

    token = _limit.set(numbers)
    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
        _limit.reset(token)


@contextlib.contextmanager
def of_any_size() -> Iterator[None]:
    """Inside `no_larger_than`: pretrained files have their own sizes."""
    token = _limit.set(None)
    try:
        yield
    finally:
        _limit.reset(token)
