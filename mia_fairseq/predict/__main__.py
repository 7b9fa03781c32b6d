"""Predictions for clips nobody prepared, or for a split of a DATA folder.

    python -m mia_fairseq.predict CKPT/checkpoint_best.pt clip.mp4 [more clips, folders, DATA]

The features are those that the checkpoint was trained on, made by the same extractors with the
same options: the checkpoint names them, and what its tokens were made with by its hash; files that
have moved since are named by ``--option text.folder=FOLDER``. Without ``--text``, the words come
from speech recognition. What a clip lacks (no face, no speech) is told, and its modality taken as
missing. A clip of which nothing can be made gets a reason instead of a prediction, the others get
theirs, and the command ends with status 2.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import command_parser
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.name_values import name_value
from mia_fairseq.plugin import do_without_fairseq
from mia_fairseq.predict.answers import FAILED, FORMATS, Prediction, render

NOT_ALL = 2  # the status where some clip has no prediction; the others' are printed


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
    parser = command_parser("mia_fairseq.predict", __doc__)
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
    stored = [path for path in args.inputs if (path / "meta.json").is_file()]
    if args.user_dir is not None:
        from fairseq.utils import import_user_module

        import_user_module(args)
    elif args.checkpoint.is_dir() and not stored:
        do_without_fairseq()
    # What takes seconds to import comes after --help and a wrong flag have been answered.
    from mia_fairseq.predict.predictor import Predictor

    predictor = Predictor(args.checkpoint, read_options(args.option), args.extractor)
    predictions: list[Prediction] = []
    media = []
    for path in args.inputs:
        if path in stored:
            predictions += predictor.predict_split(path, args.split)
        else:
            media.append(path)
    if media:
        predictions += predictor.predict(media, args.text)
    sys.stdout.write(render(predictions, args.format) + "\n")
    failed = [prediction for prediction in predictions if prediction.status == FAILED]
    if failed:
        sys.stdout.flush()
        sys.stderr.write(
            f"{len(failed)} of {len(predictions)} have no prediction; the first, {failed[0].id}: "
            f"{failed[0].reason}\n"
        )
        raise SystemExit(NOT_ALL)


def command() -> None:
    """``mia-predict``."""
    run_command(main)


if __name__ == "__main__":
    command()
