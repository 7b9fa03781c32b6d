"""The options of ``python -m mia_fairseq.predict``, and which models they ask for."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mia_fairseq.command import command_parser
from mia_fairseq.errors import InputError
from mia_fairseq.export.folder_names import INT8, is_exported
from mia_fairseq.name_values import name_value
from mia_fairseq.predict.writing.answers import FORMATS
from mia_fairseq.ready.catalog import asked_models, default_models, named_models, ready_models
from preprocess.media.spoken_language import add_speech_options

CHECKPOINT = ".pt"


class Asked(NamedTuple):
    """What a command line asks for.

    Attributes:
        models: what each tells -> its checkpoint or folder; one of the user's own is under ''.
        inputs: clips, folders of clips, or DATA folders.
    """

    models: dict[str, Path]
    inputs: list[Path]


def predict_parser(description: str | None) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = command_parser("mia_fairseq.predict", description)
    parser.epilog = f"ready models: {', '.join(ready_models())}"
    parser.add_argument(
        *("inputs",),
        type=Path,
        nargs="*",
        metavar="CLIP",
        help="or a folder of clips, or DATA; a first one that is a .pt file, or a folder of "
        "mia_fairseq.export, is the model",
    )
    parser.add_argument(
        *("--model",),
        action="append",
        default=[],
        metavar="NAME",
        help=f"a ready model, or several by commas (default: {','.join(default_models())})",
    )
    parser.add_argument(
        "--text", help="the words of the one clip, instead of recognised ones; or these words alone"
    )
    parser.add_argument(
        *("--table",),
        type=Path,
        metavar="clips.csv",
        help="clips with what is known of them: path or id, text, group, position, start, end",
    )
    parser.add_argument(
        "--windows", action="store_true", help="an answer for each stretch of speech between pauses"
    )
    parser.add_argument(
        *("--contributions",),
        action="store_true",
        help="also what each modality changed (columns change_MODALITY), and which words most "
        "(change_words)",
    )
    parser.add_argument(
        "--faces", action="store_true", help="also the share of the pictures that show a face"
    )
    add_speech_options(parser)
    _add_own_models(parser)
    _add_shapes(parser)
    return parser


def _add_own_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="MODALITY.KEY=VALUE",
        help="of a modality's extractor, say text.folder=FOLDER for a tokenizer that has moved",
    )
    parser.add_argument(
        *("--extractor",),
        action="append",
        default=[],
        metavar="MODULE:CLASS",
        help="an extractor of your own that the checkpoint names and may import",
    )
    parser.add_argument(
        "--quantize", choices=(INT8,), help="ready models in 8 bits: faster, a little less exact"
    )
    parser.add_argument("--user-dir", metavar="FOLDER", help="of the checkpoint's own fusion")
    parser.add_argument("--split", default="test", help="of a DATA folder (default: test)")


def _add_shapes(parser: argparse.ArgumentParser) -> None:
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--format", choices=FORMATS, default="table", help="of what is printed")
    shape.add_argument("--json", dest="format", action="store_const", const="json")
    shape.add_argument(
        *("--out",),
        type=Path,
        metavar="FILE",
        help="answers.xlsx or answers.csv, with a picture beside it, or answers.json",
    )


def read_options(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """Options of extractors by modality, of arguments ``MODALITY.KEY=VALUE``."""
    options: dict[str, dict[str, str]] = {}
    for item in given:
        name, value = name_value(item, "--option", "MODALITY.KEY=VALUE", empty=True)
        modality, _, key = name.partition(".")
        if not (modality and key):
            raise InputError(f"--option is {item!r}, expected the form MODALITY.KEY=VALUE")
        options.setdefault(modality, {})[key] = value
    return options


def read_asked(arguments: argparse.Namespace) -> Asked:
    """The models and inputs of a command line.

    Raises:
        InputError: nothing is to be answered, no such model is there, or both a checkpoint and
            ready models are named.
    """
    inputs: list[Path] = list(arguments.inputs)
    named = named_models(arguments.model)
    own = [path for path in inputs[:1] if path.suffix == CHECKPOINT or is_exported(path)]
    if own and named:
        raise InputError(
            f"{own[0]} is a model, and --model names {', '.join(named)}; name one or the other"
        )
    inputs = inputs[len(own) :]
    if not inputs and arguments.table is None and arguments.text is None:
        raise InputError(
            "no clip is named; give clips, folders of clips, a --table of them, or --text alone"
        )
    if own:
        return Asked({"": own[0]}, inputs)
    return Asked(asked_models(named), inputs)
