"""What one interactive attention with one channel costs, forward and backward, on one thread.

    python examples/benchmarks/attention.py [--batch-size 18] [--main-dim 1024]
        [--aux-dims 768 256] [--scales 1] [--repeats 15]

Three ways to compute Eq. 1-5, taken in turn in one run, medians of the wall-clock time: `written
out` (two einsums and a softmax under autograd), `exact` (the closed form at every column) and
`fast` (the default: a power series where sizes are moderate, else interpolated). The memory of a
step is how far the resident set of a fresh process rises above where it stood before its first
full-size step, as Linux counts it (VmHWM, reset before the step). Errors are against the written-
out form in float64: the largest over the output and the gradients of main and auxiliary, relative
to the largest value of each.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mia_fairseq.modules.interactive_attention import interactive_attention, written_out_attention

METHODS: dict[str, Callable[..., Tensor]] = {
    "written out": written_out_attention,
    "exact": partial(interactive_attention, method="exact"),
    "fast": interactive_attention,
}


def make_inputs(args: argparse.Namespace, aux_dim: int, scale: float) -> list[Tensor]:
    """Main, auxiliary, kernel and upstream gradient; main and auxiliary Gaussian."""
    generator = torch.Generator().manual_seed(args.seed)
    shapes = ((args.batch_size, 1, dim) for dim in (args.main_dim, aux_dim, args.main_dim))
    main, aux, upstream = (torch.randn(shape, generator=generator) for shape in shapes)
    return [scale * main, scale * aux, torch.ones(1, 1), upstream]


def step(method: str, inputs: list[Tensor]) -> list[Tensor]:
    """Forward and backward; the output and the gradients."""
    *tensors, upstream = inputs
    leaves = [tensor.detach().requires_grad_() for tensor in tensors]
    output = METHODS[method](*leaves)
    return [output.detach(), *torch.autograd.grad(output, leaves, upstream)]


def seconds(inputs: list[Tensor], repeats: int) -> dict[str, float]:
    """The median time of a step by each method, the methods taken in turn."""
    times: dict[str, list[float]] = {method: [] for method in METHODS}
    for turn in range(repeats + 2):
        for method, taken in times.items():
            start = time.perf_counter()
            step(method, inputs)
            if turn >= 2:
                taken.append(time.perf_counter() - start)
    return {method: statistics.median(taken) for method, taken in times.items()}


def worst_error(method: str, inputs: list[Tensor]) -> float:
    """The largest error of output and gradients beside float64, as a share of the largest entry."""
    exact = step("written out", [tensor.double() for tensor in inputs])[:3]
    found = step(method, inputs)[:3]
    pairs = zip(found, exact, strict=True)
    return max(((f - e).abs().max() / e.abs().max()).item() for f, e in pairs)


def resident_kib(field: str) -> int:
    """KiB of a field of this process's status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def probe_memory(args: argparse.Namespace) -> None:
    """Print how many MiB the first full-size step takes at its peak, in this process."""
    small = argparse.Namespace(**{**vars(args), "batch_size": 1, "main_dim": 300})
    step(args.probe, make_inputs(small, 200, 1.0))  # loads what the libraries load once
    inputs = make_inputs(args, args.aux_dims[0], args.scales[0])
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
    before = resident_kib("VmRSS")
    step(args.probe, inputs)
    print((resident_kib("VmHWM") - before) / 1024)


def mebibytes(args: argparse.Namespace, method: str, aux_dim: int, scale: float) -> float:
    """`probe_memory` in a fresh process."""
    words: list[object] = [sys.executable, __file__, "--probe", method]
    words += ["--batch-size", args.batch_size, "--main-dim", args.main_dim, "--seed", args.seed]
    words += ["--aux-dims", aux_dim, "--scales", scale]
    run = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)
    return float(run.stdout)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=18, help="samples (Sec. 4.3)")
    parser.add_argument("--main-dim", type=int, default=1024, help="d_m")
    parser.add_argument("--aux-dims", type=int, nargs="+", default=[768, 256], help="d_a")
    parser.add_argument(
        "--scales", type=float, nargs="+", default=[1.0], help="standard deviation of both inputs"
    )
    parser.add_argument("--repeats", type=int, default=15, help="steps timed of each method")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--probe", choices=tuple(METHODS), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """The command."""
    args = parse()
    torch.set_num_threads(1)
    if args.probe:
        probe_memory(args)
        return
    print(f"batch {args.batch_size}, d_m {args.main_dim}, one thread, torch {torch.__version__}\n")
    print("|  d_a | scale | method      | ms a step | of written out | peak MiB | worst error |")
    print("| ---: | ----: | ----------- | --------: | -------------: | -------: | ----------: |")
    for aux_dim in args.aux_dims:
        for scale in args.scales:
            inputs = make_inputs(args, aux_dim, scale)
            times = seconds(inputs, args.repeats)
            for method, taken in times.items():
                print(
                    f"| {aux_dim:4d} | {scale:5g} | {method:11s} | {1000 * taken:9.2f} "
                    f"| {taken / times['written out']:14.4f} "
                    f"| {mebibytes(args, method, aux_dim, scale):8.1f} "
                    f"| {worst_error(method, inputs):11.1e} |"
                )


if __name__ == "__main__":
    main()
