"""Predictions for clips nobody prepared, or for a split of a DATA folder.

    python -m mia_fairseq.predict CKPT/checkpoint_best.pt clip.mp4 [more clips, folders, DATA]

The features are those that the checkpoint was trained on, made by the same extractors with the
same options: the checkpoint names them, and what its tokens were made with by its hash; files that
have moved since are named by ``--option text.folder=FOLDER``. Without ``--text``, the words come
from speech recognition. What a clip lacks (no face, no speech) is told, and its modality taken as
missing.
"""

import argparse
import csv
import io
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairseq.utils import import_user_module

from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.name_values import name_value
from mia_fairseq.predict.predictor import Prediction, Predictor

if TYPE_CHECKING:
    from preprocess.extractors.base import Clip

logger = logging.getLogger(__name__)

FORMATS = ("table", "json", "csv")


def find_clips(paths: Sequence[Path], text: str | None) -> list["Clip"]:
    """The media files that paths name, folders searched through, with their words.

    What a folder holds and is no clip is told.

    Raises:
        InputError: a path is not there, a folder holds no media, or one text is given for several.
    """
    from preprocess.extractors.base import Clip
    from preprocess.media.media_files import MEDIA_SUFFIXES, find_media

    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = find_media(path)
            for file, reason in inside.left_out:
                logger.warning("left out: %s: %s", file, reason)
            if not inside.clips:
                raise InputError(
                    f"{path}: holds no media file ({', '.join(sorted(MEDIA_SUFFIXES))}) and is no "
                    "DATA folder"
                )
            files += inside.clips
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    if text is not None and len(files) > 1:
        raise InputError(f"--text is given for {len(files)} clips; predict them one at a time")
    return [Clip(str(file), file, text) for file in files]


def listen(clips: Sequence["Clip"]) -> list["Clip"]:
    """The clips with the words that are spoken in them; '' where nobody speaks."""
    from dataclasses import replace

    from preprocess.media.speech import transcribe
    from preprocess.media.streams import read_audio

    heard = []
    for clip in clips:
        try:
            words = transcribe(read_audio(clip.path)) if clip.path is not None else ""
        except InputError as error:
            logger.warning("%s: no words: %s", clip.id, error)
            words = ""
        heard.append(replace(clip, text=words))
    return heard


def render(predictions: Sequence[Prediction], how: str) -> str:
    """Predictions as a table for people, as JSON, or as CSV."""
    if how == "json":
        return json.dumps([prediction.to_json() for prediction in predictions], indent=2)
    shares = list(predictions[0].probabilities)
    header = ["id", "prediction", *(f"p_{name}" for name in shares), "text", "missing"]
    lines = []
    for prediction in predictions:
        value = prediction.value
        cells = [prediction.id, value if isinstance(value, str) else f"{value:.3f}"]
        cells += [f"{prediction.probabilities[name]:.3f}" for name in shares]
        missing = "; ".join(f"{name}: {why}" for name, why in prediction.missing.items())
        lines.append([*cells, prediction.text or "", missing])
    if how == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *lines])
        return out.getvalue().rstrip("\n")
    rows = [header, *lines]
    widths = [max(len(row[place]) for row in rows) for place in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
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


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m mia_fairseq.predict",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("inputs", type=Path, nargs="+", metavar="CLIP", help="or folder, or DATA")
    parser.add_argument("--text", help="the words of the one clip, instead of recognised ones")
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
    parser.add_argument("--user-dir", metavar="FOLDER", help="of the checkpoint's own fusion")
    parser.add_argument("--split", default="test", help="of a DATA folder (default: test)")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--format", choices=FORMATS, default="table")
    shape.add_argument("--json", dest="format", action="store_const", const="json")
    args = parser.parse_args(argv)
    if args.user_dir is not None:
        import_user_module(args)
    predictor = Predictor(args.checkpoint, read_options(args.option), args.extractor)
    predictions: list[Prediction] = []
    media = []
    for path in args.inputs:
        if (path / "meta.json").is_file():
            predictions += predictor.predict_split(path, args.split)
        else:
            media.append(path)
    if media:
        clips = find_clips(media, args.text)
        if args.text is None and predictor.reads_words:
            clips = listen(clips)
        predictions += predictor.predict_clips(clips)
    sys.stdout.write(render(predictions, args.format) + "\n")
    for prediction in predictions:
        if set(predictor.inputs.made) <= set(prediction.missing):
            raise InputError(
                f"{prediction.id}: nothing could be made of it, so its prediction means nothing: "
                + "; ".join(prediction.missing.values())
            )


if __name__ == "__main__":
    run_command(main)
