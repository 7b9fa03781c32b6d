"""A page in the browser: a clip in, the models' answers out.

    python -m mia_fairseq.serve                               # the ready models
    python -m mia_fairseq.serve CKPT/checkpoint_best.pt       # one of your own

The page is on http://127.0.0.1:7860, for this machine alone; ``--host 0.0.0.0`` opens it to the
network, without any password. Clips are dropped or recorded, and lie in a temporary folder until
the page is closed. Programs may ask it as well: its footer has the way.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import command_parser
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_import import do_without_fairseq
from mia_fairseq.plugin import has_plugins
from mia_fairseq.ready.catalog import asked_models, default_models, named_models, tell_terms
from preprocess.media.spoken_language import IN_THE_BOX, add_speech_options, speech_of


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser("mia_fairseq.serve", __doc__)
    parser.add_argument(
        *("checkpoint",), type=Path, nargs="?", help="of fairseq-train, or a folder of the export"
    )
    parser.add_argument(
        *("--model",),
        action="append",
        default=[],
        metavar="NAME",
        help=f"a ready model, or several by commas (default: {','.join(default_models())})",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="(default: %(default)s)")
    parser.add_argument(
        *("--max-seconds",), type=float, default=300.0, help="of a clip (default: %(default)s)"
    )
    parser.add_argument(
        *("--max-megabytes",), type=float, default=100.0, help="of a clip (default: %(default)s)"
    )
    add_speech_options(parser)
    args = parser.parse_args(argv)
    if args.checkpoint is not None and args.model:
        raise InputError(f"{args.checkpoint} is a model, and --model names another; leave one out")
    if not (args.max_seconds > 0 and args.max_megabytes > 0):
        raise InputError("--max-seconds and --max-megabytes must be above 0")
    paths = _models(args.checkpoint, args.model)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # clips go, too
    with tempfile.TemporaryDirectory(prefix="mia_fairseq-page-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        # Gradio is asked for before the models are read: both take seconds.
        from mia_fairseq.serve.web_page import gradio, open_page

        gradio()
        if not has_plugins():
            do_without_fairseq()
        from mia_fairseq.predict.several_models import load_all
        from mia_fairseq.serve.clip_visits import ClipVisits
        from mia_fairseq.serve.limits import Limits
        from mia_fairseq.serve.uploads import Uploads

        limits = Limits(args.max_seconds, args.max_megabytes)
        speech = speech_of(args)
        if speech != IN_THE_BOX:  # what is wrong with it is told before a visitor comes
            from preprocess.media.speech_words import speech_model

            speech_model(speech)
        models = load_all(paths, {}, (), speech=speech)
        visits = ClipVisits(models, Uploads(Path(folder)), limits)
        sys.stdout.write(f"http://{args.host}:{args.port}\n")
        sys.stdout.flush()
        open_page(visits, args.host, args.port)


def _models(checkpoint: Path | None, named: Sequence[str]) -> dict[str, Path]:
    if checkpoint is not None:
        return {"": checkpoint}
    folders = asked_models(named_models(named))
    tell_terms(list(folders.values()))
    return folders


if __name__ == "__main__":
    run_command(main)
