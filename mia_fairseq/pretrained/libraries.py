"""Libraries that only some extractors need: imported late, or asked for in one sentence."""

import importlib
import logging
import sys
from types import ModuleType

from mia_fairseq.errors import InputError

logger = logging.getLogger(__name__)


def require(module: str, package: str, user: str) -> ModuleType:
    """Imports a library that not every installation has.

    Args:
        module: to import.
        package: that pip installs it from.
        user: what needs it, for the error.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{user} needs {module.split('.')[0]} ({error}); run: pip install {package}"
        ) from error


def require_speech(module: str) -> ModuleType:
    """Imports a part of faster-whisper or of ctranslate2, which run Whisper.

    ctranslate2 imports torch and transformers where it finds them, for converting models, which is
    not done here; so they are out of its sight, as `require_transformers` has torchaudio.

    Raises:
        InputError: it is not installed.
    """
    hidden = [name for name in ("torch", "transformers") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        return require(module, "faster-whisper", "Whisper speech")
    finally:
        for name in hidden:
            del sys.modules[name]


def require_transformers(user: str) -> ModuleType:
    """Import transformers, quietly, also where fairseq's torchaudio does not fit torch.

    fairseq's wheel asks for torchaudio and never uses it here. A torchaudio built for another
    torch dies while it loads, and transformers 5 imports any that is installed; so such a one is
    declared absent first (``None`` in ``sys.modules`` is Python's own mark for that).
    """
    if "torchaudio" not in sys.modules:
        try:
            importlib.import_module("torchaudio")
        except (ImportError, OSError, RuntimeError) as error:
            logger.debug("torchaudio does not load (%s); transformers goes without it", error)
            for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
                del sys.modules[name]
            sys.modules["torchaudio"] = None  # type: ignore[assignment]
    transformers = require("transformers", "transformers", user)
    known = getattr(transformers.utils.import_utils.is_torchaudio_available, "cache_clear", None)
    if known is not None:  # whoever imported transformers before may have made it look already
        known()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers
