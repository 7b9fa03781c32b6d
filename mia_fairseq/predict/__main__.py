"""Predictions for clips nobody prepared, or for a split of a DATA folder.

    python -m mia_fairseq.predict clip.mp4 [more clips, folders] [--model NAME]
    python -m mia_fairseq.predict CKPT/checkpoint_best.pt clip.mp4 [more clips, folders, DATA]

Without a model of one's own, ready ones answer: how negative or positive a clip is, and which
emotion it carries. Of one's own checkpoint, the features are those that it was trained on, made by
the same extractors with the same options: the checkpoint names them, and what its tokens were made
with by its hash; files that have moved since are named by ``--option text.folder=FOLDER``. Without
``--text`` or a ``--table``, the words come from speech recognition. What a clip lacks (no face, no
speech) is told, and its modality taken as missing. A clip of which nothing can be made gets a
reason instead of a prediction, the others get theirs, and the command ends with status 2.
"""

import argparse
import sys
from collections.abc import Sequence

from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.export.folder_names import INT8
from mia_fairseq.fairseq_import import do_without_fairseq, import_user_dir
from mia_fairseq.plugin import has_plugins
from mia_fairseq.predict.predict_options import (
    Asked,
    predict_parser,
    read_asked,
    read_options,
)
from mia_fairseq.predict.writing.answer_files import check_name, write_answers
from mia_fairseq.predict.writing.answers import FAILED, ClipAnswer, render
from mia_fairseq.ready.catalog import is_ready, tell_terms
from preprocess.media.spoken_language import speech_of

NOT_ALL = 2  # the status where some clip has no prediction; the others' are printed


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = predict_parser(__doc__).parse_args(argv)
    if args.out is not None:
        check_name(args.out)
    asked = read_asked(args)
    tell_terms([folder for folder in asked.models.values() if is_ready(folder)])
    answers = _answers(args, asked)
    if args.out is None:
        sys.stdout.write(render(answers, args.format) + "\n")
    else:
        for file in write_answers(args.out, answers):
            sys.stdout.write(f"{file}\n")
    failed = [answer for answer in answers if answer.status == FAILED]
    if failed:
        sys.stdout.flush()
        sys.stderr.write(
            f"{len(failed)} of {len(answers)} have no prediction; the first, {failed[0].id}: "
            f"{failed[0].reason}\n"
        )
        raise SystemExit(NOT_ALL)


def _answers(args: argparse.Namespace, asked: Asked) -> Sequence[ClipAnswer]:
    stored = [path for path in asked.inputs if (path / "meta.json").is_file()]
    if args.user_dir is not None:
        import_user_dir(args.user_dir)
    elif not stored and not has_plugins():
        do_without_fairseq()
    # What takes seconds to import comes after --help and a wrong flag have been answered.
    from mia_fairseq.predict.asked_clips import clips_of
    from mia_fairseq.predict.several_models import answer_all, load_all

    if stored and len(asked.models) > 1:
        raise InputError(f"{stored[0]} is a DATA folder, which one model answers; name one --model")
    models = load_all(
        asked.models,
        read_options(args.option),
        args.extractor,
        int8=args.quantize == INT8,
        speech=speech_of(args),
    )
    answers: list[ClipAnswer] = []
    for path in stored:
        answers += models[""].predict_split(path, args.split)
    media = [path for path in asked.inputs if path not in stored]
    if stored and not media and args.table is None and args.text is not None:
        raise InputError(f"{stored[0]} is a DATA folder, whose features are made; leave --text out")
    if not stored or media or args.table is not None:
        clips = clips_of(media, args.text, args.table, windows=args.windows)
        answers += answer_all(models, clips, contributions=args.contributions, faces=args.faces)
    return answers


def command() -> None:
    """``mia-predict``."""
    run_command(main)


if __name__ == "__main__":
    command()
