"""A checkpoint of fairseq-train as a folder that needs no fairseq.

    python -m mia_fairseq.export CKPT/checkpoint_best.pt --out FOLDER

The folder holds the weights as safetensors, what they were built from as JSON, and a card;
``python -m mia_fairseq.predict FOLDER clip.mp4`` predicts with it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.command import command_parser
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError

ABOUT = {"optimization": ("lr", "max_epoch"), "common": ("seed",), "criterion": ("_name",)}


def export(checkpoint: Path, folder: Path, *, precision: str = "float32") -> None:
    """Writes the folder of a checkpoint.

    Args:
        checkpoint: of fairseq-train.
        folder: made if it is not there.
        precision: of the weights in the file, a key of `PRECISIONS`.

    Raises:
        InputError: the checkpoint cannot be read, or the folder's name is a file's.
    """
    from fairseq import checkpoint_utils
    from omegaconf import OmegaConf

    from mia_fairseq.export.card import write_card
    from mia_fairseq.export.exported_model import write_exported
    from mia_fairseq.modules.row_memory import resize_memories
    from mia_fairseq.plugin import register

    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is a file, expected a folder to write; name another")
    register()
    models, cfg, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(checkpoint)], arg_overrides={"data": ""}
    )
    model = models[0].eval()
    resize_memories(model, 0)  # of training rows
    told: Any = OmegaConf.to_container(cfg, enum_to_str=True)
    settings = told["model"]
    # Where training began is no part of what it ended with.
    settings |= {"init_from": None, "reset_head": False, "train_only": "all"}
    about = training_of(told)
    write_card(folder, settings["_name"], task.blueprint, about)
    write_exported(
        folder, model, task.state_dict(), settings, precision=precision, about={"training": about}
    )


def training_of(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a card tells of a training."""
    found = {}
    for group, names in ABOUT.items():
        told = settings.get(group)
        for name in names:
            value = told.get(name) if isinstance(told, Mapping) else None
            found[group if name == "_name" else name] = value
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser("mia_fairseq.export", __doc__)
    parser.add_argument("checkpoint", type=Path, metavar="CKPT")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "bfloat16"),
        default="float32",
        help="of the weights in the file (default: float32); 16 bits halve it",
    )
    parser.add_argument("--user-dir", metavar="FOLDER", help="of the checkpoint's own fusion")
    args = parser.parse_args(argv)
    if args.user_dir is not None:
        from fairseq.utils import import_user_module

        import_user_module(args)
    export(args.checkpoint, args.out, precision=args.precision)


if __name__ == "__main__":
    run_command(main)
