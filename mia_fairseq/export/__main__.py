"""A checkpoint of fairseq-train as a folder that needs no fairseq.

    python -m mia_fairseq.export CKPT/checkpoint_best.pt --out FOLDER

The folder holds the weights as safetensors, what they were built from as JSON, and a card;
``python -m mia_fairseq.predict FOLDER clip.mp4`` predicts with it. ``--onnx`` adds the model as
ONNX, which predict then runs without torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.command import command_parser
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.export.folder_names import GRAPH, INT8
from mia_fairseq.fairseq_import import import_user_dir

ABOUT = {"optimization": ("lr", "max_epoch"), "common": ("seed",), "criterion": ("_name",)}


def export(
    checkpoint: Path,
    folder: Path,
    *,
    precision: str = "float32",
    onnx: bool = False,
    int8: bool = False,
) -> None:
    """Writes the folder of a checkpoint.

    Args:
        checkpoint: of fairseq-train.
        folder: made if it is not there.
        precision: of the weights in the file, a key of `PRECISIONS`.
        onnx: whether to write the model as ONNX too.
        int8: whether its products are of 8 bits there.

    Raises:
        InputError: the checkpoint cannot be read, the folder's name is a file's, or the model
            cannot be written as ONNX.
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
    if onnx:
        from mia_fairseq.export.onnx_writing import write_onnx

        write_onnx(folder, int8=int8)


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
    parser.add_argument(
        "--onnx",
        action="store_true",
        help=f"also {GRAPH}, which onnxruntime runs without torch",
    )
    parser.add_argument(
        "--quantize", choices=(INT8,), help=f"{GRAPH} in 8 bits: faster, a little less exact"
    )
    args = parser.parse_args(argv)
    if args.user_dir is not None:
        import_user_dir(args.user_dir)
    int8 = args.quantize == INT8
    onnx = args.onnx or int8
    export(args.checkpoint, args.out, precision=args.precision, onnx=onnx, int8=int8)


if __name__ == "__main__":
    run_command(main)
