"""The mean of the weights of several checkpoints of one training, as one checkpoint.

    fairseq-train ... --save-interval-updates 100 --keep-interval-updates 5
    python -m mia_fairseq.average CKPT/checkpoint_*_*.pt --out CKPT/average.pt

Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (2018). The
checkpoint keeps modalities, labels and encoders as they are, and is evaluated like any other; it
cannot be trained on, for it has no state of an optimizer.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mia_fairseq.command import command_parser
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.multilabel_metrics import mean_thresholds

THRESHOLDS = "thresholds"  # in a checkpoint's task_state


def average(states: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The last state with the mean of all weights in it; whole numbers are the last one's.

    Thresholds of several labels are means too; no validation has chosen them.

    Args:
        states: of checkpoints, at least two.
        names: of the files, for messages.

    Raises:
        InputError: they are not of one model.
    """
    import torch

    last = states[-1]
    told = [dict(state.get("task_state") or {}) for state in states]
    thresholds = mean_thresholds([one.pop(THRESHOLDS, {}) for one in told])  # of each epoch's own
    for state, task_state, name in zip(states, told, names, strict=True):
        shapes = {key: tensor.shape for key, tensor in state["model"].items()}
        if task_state != told[-1] or shapes != {
            key: tensor.shape for key, tensor in last["model"].items()
        }:
            raise InputError(
                f"{name} holds another model than {names[-1]}; average checkpoints of one training"
            )
    model = {}
    for key, tensor in last["model"].items():
        if tensor.is_floating_point():
            total = sum(state["model"][key].double() for state in states)
            tensor = (torch.as_tensor(total) / len(states)).to(tensor.dtype)
        model[key] = tensor
    if thresholds:
        told[-1][THRESHOLDS] = thresholds
    return {**last, "model": model, "task_state": told[-1], "last_optimizer_state": None}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser("mia_fairseq.average", __doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="CKPT")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write")
    args = parser.parse_args(argv)
    if len(args.checkpoints) < 2:
        raise InputError(f"one checkpoint is given ({args.checkpoints[0]}), expected two or more")
    from mia_fairseq.checkpoints.checkpoint_file import read_state, write_checkpoint
    from mia_fairseq.checkpoints.network_size import building
    from mia_fairseq.checkpoints.task_state import check_task_state

    states = [read_state(path) for path in args.checkpoints]
    for path, state in zip(args.checkpoints, states, strict=True):
        with building(str(path)):  # names the file
            check_task_state(state.get("task_state") or {})
    mean = average(states, [str(path) for path in args.checkpoints])
    write_checkpoint(args.out, mean)
    cuts = mean["task_state"].get(THRESHOLDS, {})
    means = ", ".join(f"{name} {cut:.3g}" for name, cut in cuts.items())
    told = f"; its thresholds are the means of theirs ({means})" if means else ""
    sys.stdout.write(f"{args.out}: the mean of {len(states)} checkpoints{told}\n")


if __name__ == "__main__":
    run_command(main)
