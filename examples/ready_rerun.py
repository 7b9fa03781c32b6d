"""Makes a ready model again by its card's commands, and says whether it has the same bits.

    python -m examples.ready_rerun sentiment-small --input file=mosi_utterance_trimodal.npz
    python -m examples.ready_rerun emotion-small --input tables=FOLDER
    python -m examples.ready_rerun voice --input clips=CLIPS

The commands are those of the card's last part, "How it was made". They run in ``--out``, which ends
with the model in ``ready/NAME``; nothing of the shipped one is changed. One processor rounds sums
otherwise than another, so both processors are told. The status is 0 where the weights have the same
bits, else 2.
"""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from examples.ready_models import RESULTS
from mia_fairseq.command import command_parser, run
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.running.identity import ROOT
from mia_fairseq.export.folder_names import CARD, WEIGHTS
from mia_fairseq.files import sha256_of
from mia_fairseq.name_values import name_value
from mia_fairseq.ready.catalog import ready_folder

PART = "## How it was made"
PLUGIN = "mia_fairseq"  # a folder of this repository
RUN = "RUN"  # in a card: the folder of the one run
OTHER = 2


class Rerun(NamedTuple):
    """What became of a model that was made again.

    Attributes:
        same: whether its weights have the same bits.
        difference: the largest between two weights.
        figures: name -> as shipped, as made again.
        processors: the shipped model's, and this one.
    """

    same: bool
    difference: float
    figures: dict[str, tuple[float, float]]
    processors: tuple[str, str]

    def lines(self) -> list[str]:
        """It in words."""
        then, now = self.processors
        bits = "the same bits" if self.same else f"other bits, by up to {self.difference:.3g}"
        return [
            f"weights: {bits}",
            f"made on {then}, made again on {now}",
            *(f"{name}: {old:.6f} -> {new:.6f}" for name, (old, new) in self.figures.items()),
        ]


def commands_of(card: Path, inputs: Mapping[str, str], out: Path) -> list[list[str]]:
    """The commands of a card, with the inputs and this repository's paths filled in.

    Args:
        card: README.md of a ready model.
        inputs: as its recipe calls them.
        out: where the model is made.

    Raises:
        InputError: an input is not given, or the recipe has none of that name.
    """
    _, _, part = card.read_text(encoding="utf-8").partition(PART)
    block = "\n".join(line[4:] for line in part.splitlines() if line.startswith("    "))
    commands = [shlex.split(line) for line in block.replace("\\\n", " ").splitlines()]
    pairs = [pair for words in commands for pair in itertools.pairwise(words)]
    names = dict(name_value(word, flag) for flag, word in pairs if flag == "--input")
    if names.keys() != inputs.keys():
        raise InputError(
            f"--input gives {', '.join(inputs) or 'nothing'}, expected {', '.join(names)}"
        )
    filled = {f"{name}={value}": f"{name}={inputs[name]}" for name, value in names.items()}
    filled |= {value: inputs[name] for name, value in names.items()}
    for words in commands:
        words[:] = [filled.get(word, word) for word in words]
        words[:] = [str(ROOT / w) if w.split("/")[0] == PLUGIN else w for w in words]
        if words[2:3] == ["examples.ready_models"]:
            words += ["--out", str(out / "ready")]
    return commands


def make(name: str, inputs: Mapping[str, str], out: Path) -> Path:
    """The folder of a model made again.

    Raises:
        InputError: an input is wrong, or a command fails.
    """
    card = ready_folder(name) / CARD
    inputs = {key: str(Path(value).resolve()) for key, value in inputs.items()}
    commands = commands_of(card, inputs, out)
    (out / "ready" / name).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(card, out / "ready" / name / CARD)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words in commands:
        words = [_found(word, out) for word in words]
        tool = (
            [sys.executable] if words[0] == "python" else [Path(sys.executable).with_name(words[0])]
        )
        done = subprocess.run([*tool, *words[1:]], cwd=out, env=environment, check=False)
        if done.returncode:
            raise InputError(f"{shlex.join(words)} ended with status {done.returncode}; see above")
    return out / "ready" / name


def _found(word: str, out: Path) -> str:
    """A word of a command; one that goes through the folder of a run, with that run's name."""
    if RUN not in Path(word).parts:
        return word
    runs = sorted(out.glob(re.sub(rf"\b{RUN}\b", "*", word)))
    if len(runs) != 1:
        raise InputError(
            f"{out / word}: {len(runs)} runs are there, expected one; name a new --out"
        )
    return str(runs[0])


def compare(shipped: Path, again: Path) -> Rerun:
    """The shipped model beside the one that was made again."""
    from safetensors.numpy import load_file

    old, new = (load_file(folder / WEIGHTS) for folder in (shipped, again))
    told = [
        json.loads((folder / RESULTS).read_text(encoding="utf-8")) for folder in (shipped, again)
    ]
    alike = old.keys() == new.keys() and all(old[name].shape == new[name].shape for name in old)
    difference = float("inf")
    if alike:
        difference = max(float(np.abs(old[k].astype(float) - new[k]).max(initial=0)) for k in old)
    figures = [found["figures"] for found in told]
    return Rerun(
        sha256_of(shipped / WEIGHTS) == sha256_of(again / WEIGHTS),
        difference,
        {name: (figures[0][name], figures[1][name]) for name in figures[0]},
        (_processor(told[0]), _processor(told[1])),
    )


def _processor(found: Mapping[str, Any]) -> str:
    return str(found["made_by"]["machine"]["processor"])


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser("examples.ready_rerun", __doc__)
    parser.add_argument("name", metavar="NAME", help="of a ready model")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--out", type=Path, default=Path("rerun"), help="(default: %(default)s)")
    args = parser.parse_args(argv)
    inputs = dict(name_value(given, "--input") for given in args.input)
    found = compare(ready_folder(args.name), make(args.name, inputs, args.out.resolve()))
    sys.stdout.write("\n".join([args.name, *found.lines()]) + "\n")
    if not found.same:
        raise SystemExit(OTHER)


if __name__ == "__main__":
    run(main)
