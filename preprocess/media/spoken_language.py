"""Which speech model hears words, and in which language: one choice for training and prediction."""

import argparse
from dataclasses import dataclass
from pathlib import Path

ENGLISH = "en"


@dataclass(frozen=True)
class Speech:
    """The choice of a speech model and a language.

    Attributes:
        folder: of a Whisper in CTranslate2's format; None: Whisper tiny.en, the one in the box,
            which hears English only.
        language: a code such as de; None: English of a model that hears no other, else what the
            model finds out, clip by clip.
    """

    folder: Path | None = None
    language: str | None = None

    @property
    def named(self) -> str:
        """The model, for messages."""
        return "the speech model in the box" if self.folder is None else str(self.folder)


IN_THE_BOX = Speech()


def add_speech_options(parser: argparse.ArgumentParser) -> None:
    """``--speech-model`` and ``--language``, the same of every command that hears words."""
    parser.add_argument(
        "--speech-model",
        metavar="FOLDER",
        help="base: Whisper base, of 99 languages, 150 MB to fetch; or a folder of a Whisper in "
        "CTranslate2's format (default: tiny.en, English only)",
    )
    parser.add_argument(
        "--language",
        metavar="CODE",
        help="what is spoken, such as de (default: found out, by a model of several languages)",
    )


def speech_of(arguments: argparse.Namespace) -> Speech:
    """The choice of a command line.

    Raises:
        InputError: Whisper base was named and cannot be fetched.
    """
    from preprocess.media.speech import speech_folder  # needs numpy and more

    return Speech(speech_folder(arguments.speech_model), arguments.language)
