"""A training step of MIA-Net: the attention written out, the fast one, and the floor.

    python -m examples.benchmarks.training_step [--device cuda] [--quick] [--json FILE]

Text 1024, audio 768, video 256, one channel, FFN 4096, batch 18, float32, one thread. A step is
forward, joint loss, backward and Adam (torch's fused one; its default in a second table) of the
whole model, from features of one vector a modality to new weights.

- `written out`: S and P of Eq. 1-5 as they stand, under autograd.
- `fast`: the default.
- `floor`: FFN of Eq. 12, its residual, dropout, the head, the mean absolute error, backward (down
  to the FFN's input) and Adam on these weights; no fusion, no normalisation of features, no
  pooling. With adapters, the adapters of all modalities are in the floor too (their outputs enter
  its loss).

Both without adapters (fusion + FFN + head, what the acceptance is for) and with them (the
plugin's default). Memory is how far the resident set of a fresh process rises during one step,
weights and Adam's means being there before it; gradients rise with every step. On a GPU it is what
torch allocates there. Shares are of what the device was measured to do at most (device_limits.py).
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from examples.benchmarks.device_limits import (
    DeviceLimits,
    add_device_option,
    rise_of_memory,
    work_of,
)
from examples.benchmarks.steps import (
    BARE,
    PAPER_BATCH,
    PAPER_DIMS,
    Floor,
    adam,
    floor_step,
    make_batch,
    mia_net,
    training_step,
)
from examples.benchmarks.timing import (
    Ratio,
    TimingReport,
    alternate,
    arguments,
    machine,
    milliseconds,
    start,
)
from mia_fairseq.complexity.cost import SetUp

KINDS = ("written out", "fast", "floor")
SMALL = {"text": 64, "audio": 48, "video": 16}


def prepare(
    kind: str,
    setup: SetUp,
    size: int,
    seed: int,
    fused: bool,
    warm: bool = False,
    device: str = "cpu",
) -> Callable[[], Any]:
    """A step ready to be taken; `warm` takes one of two rows first, so that Adam has its means."""
    model = mia_net(setup, seed, written_out=kind == "written out").to(device)

    def step_on(rows: int) -> Callable[[], Any]:
        batch = make_batch(setup.dims, rows, seed, setup.steps).to(device)
        if kind == "floor":
            return floor_step(floor, batch, optimizer)
        return training_step(model, batch, optimizer)

    floor = Floor(model, adapted=bool(model.adapters))
    optimizer = adam((floor if kind == "floor" else model).parameters(), fused)
    if warm:
        step_on(2)()
        optimizer.zero_grad(set_to_none=True)
    return step_on(size)


def measure(args: argparse.Namespace) -> TimingReport:
    """Times and memory of all three, without and with adapters, fused and default Adam."""
    dims, size = (SMALL, 4) if args.quick else (PAPER_DIMS, PAPER_BATCH)
    turns = 2 if args.quick else args.turns
    device = args.device
    report = TimingReport("A training step of MIA-Net", {**machine(device), **dims, "batch": size})
    limits = DeviceLimits.of(device, quick=args.quick)
    report.notes.append(limits.told())
    kinds = {"no adapters": BARE} if args.quick else {"no adapters": BARE, "adapters": ()}
    for label, settings in kinds.items():
        setup = SetUp(dims, outputs=1, settings=settings)
        given = (setup, size, args.seed, True, True, device)
        memory = {k: rise_of_memory(device, prepare, k, *given) for k in KINDS}
        for optimizer, fused in (("fused Adam", True), ("torch's default Adam", False)):
            own = (setup, size, args.seed, fused, False, device)
            actions = {k: prepare(k, *own) for k in KINDS}
            taken = alternate(actions, turns, device=device)
            name = f"{label}, {optimizer}"
            report.tables[name] = [
                {
                    "step": k,
                    "ms": milliseconds(taken[k]),
                    "peak MiB": memory[k],
                    **work_of(actions[k]).shares(float(np.median(taken[k])), limits),
                }
                for k in KINDS
            ]
            fast = taken["fast"]
            report.ratios[f"{name}: fast / written out"] = Ratio.of(fast, taken["written out"])
            report.ratios[f"{name}: fast / floor"] = Ratio.of(fast, taken["floor"])
        report.ratios[f"{label}: peak memory, fast / written out"] = (
            memory["fast"] / memory["written out"]
        )
    return report


if __name__ == "__main__":
    start(measure, add_device_option(arguments(__doc__)))
