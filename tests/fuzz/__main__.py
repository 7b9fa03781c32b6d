"""Changed files of every format, read by this project: each is read rightly or refused.

make fuzz
PYTHONPATH=.:tests python tests/fuzz --cases 2000 --formats npz media --seed 7
PYTHONPATH=.:tests python tests/fuzz --formats npz --only 1234 --keep folder  # one case again
"""

import argparse
import os
import random
import sys
from pathlib import Path

from fuzzing import cases, run_watched
from outcomes import attempted
from targets import TARGETS


def main() -> None:
    """Runs the cases and prints the table; status 1 where any outcome is bad."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--formats", nargs="+", default=[], choices=[t.name for t in TARGETS])
    parser.add_argument("--only", type=int, help="the number of one case of one format")
    parser.add_argument("--keep", type=Path, help="where that case's files stay")
    args = parser.parse_args()
    if args.only is not None:
        _one(args)
        return
    tally = run_watched(cases(args.cases, args.formats), args.seed, args.processes)
    for name, number, outcome, told in sorted(tally.found):
        sys.stdout.write(f"{outcome}: {name} {number}: {told}\n")
    sys.stdout.write(f"\n{tally.table()}\n\n{tally.seconds:.0f} s, seed {args.seed}\n")
    sys.exit(1 if tally.found else 0)


def _one(args: argparse.Namespace) -> None:
    (target,) = (target for target in TARGETS if target.name in args.formats)
    folder = args.keep or Path("fuzzed")
    (folder / "base").mkdir(parents=True)
    (folder / "case").mkdir()
    rng = random.Random(f"{args.seed} {target.name} {args.only}")
    found = attempted(target, target.prepare(folder / "base"), rng, folder / "case")
    sys.stdout.write(": ".join(found) + "\n")


if __name__ == "__main__":
    main()
