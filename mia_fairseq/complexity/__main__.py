"""Parameters and multiply-accumulates per sample of every fusion, beside the paper's Table 10.

    python -m mia_fairseq.complexity
    python -m mia_fairseq.complexity --modalities text=1024 audio=768 video=256 --json cost.json
    python -m mia_fairseq.complexity --arch mia_net --growth 16
    python -m mia_fairseq.complexity --set fusion_dim=1024 fusion_heads=16 fusion_layers=4

Everything is counted, by the rules of `operations.py`, of one utterance in evaluation,
with random features; a penalty that a fusion computes is part of the fusion. The model is split
into adapters, fusion, FFN (the dual residual of Eq. 11-12), head, and input (normalization and
pooling). Each fusion is measured a second time with one more modality, by default a copy of the
largest auxiliary, which is what costs MIA-Net most.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mia_fairseq.command import command_parser, run
from mia_fairseq.complexity.cost_table import TABLE_10_CLASSES, markdown
from mia_fairseq.errors import InputError
from mia_fairseq.files import write_whole
from mia_fairseq.name_values import name_value, name_values

if TYPE_CHECKING:
    from mia_fairseq.complexity.cost import SetUp

TABLE_10_DIMS = ("text=1024", "audio=768", "video=256")


def read_dims(words: Sequence[str], option: str) -> dict[str, int]:
    """{"text": 1024, …} from ``text=1024`` and so on."""
    form = "MODALITY=DIM with a dim of 1 or more, such as audio=768"
    return name_values(words, option, _dim, form)


def _dim(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(text)
    return int(text)


def one_more(dims: Mapping[str, int], extra: Sequence[str]) -> dict[str, int]:
    """The modalities and one more: the given one, or a copy of the largest auxiliary."""
    if not extra:
        _, *auxiliaries = dims
        largest = max(auxiliaries, key=dims.__getitem__)
        return {**dims, f"{largest}_copy": dims[largest]}
    added = read_dims(extra, "--extra")
    for name in added:
        if name in dims:
            raise InputError(f"--extra is {name!r}, which --modalities has; give another name")
    return {**dims, **added}


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    args = _arguments(argv)
    dims = read_dims(args.modalities, "--modalities")
    if len(dims) < 2:
        raise InputError(
            f"--modalities has {len(dims)}, expected two or more, the main one first, e.g. "
            "text=1024 audio=768"
        )
    if args.growth and args.growth < 2:
        raise InputError(f"--growth is {args.growth}, expected 2 modalities or more")
    if min(args.channels, args.steps, args.outputs) < 1:
        raise InputError("--channels, --steps and --outputs must be 1 or more; mend them")
    from mia_fairseq.complexity.cost import SetUp, architectures, grow  # which loads fairseq

    archs = args.arch or architectures()
    _check(archs, args.set)
    setup = SetUp(dims, args.channels, args.steps, args.outputs, tuple(args.set))
    larger = setup.with_dims(one_more(dims, args.extra))
    report: dict[str, Any] = {
        "modalities": dict(dims),
        "with_one_more": dict(larger.dims),
        "channels": args.channels,
        "steps": args.steps,
        "outputs": args.outputs,
        "settings": list(args.set),
        "fusions": {arch: _both(arch, setup, larger) for arch in archs},
    }
    if args.growth:
        report["growth"] = {arch: grow(arch, setup, args.growth) for arch in archs}
    sys.stdout.write(markdown(report))
    if args.json:
        write_whole(args.json, json.dumps(report, indent=2) + "\n")


def _both(arch: str, setup: "SetUp", larger: "SetUp") -> dict[str, Any]:
    """A fusion's costs in both set-ups, or the sentence with which it refuses one."""
    from mia_fairseq.complexity.cost import measure

    found: dict[str, Any] = {}
    for name, which in (("given", setup), ("with_one_more", larger)):
        try:
            found[name] = measure(arch, which).to_json()
        except InputError as refusal:
            found[name] = {"refused": str(refusal)}
    return found


def _check(archs: Sequence[str], settings: Sequence[str]) -> None:
    from fairseq.models import MODEL_DATACLASS_REGISTRY

    from mia_fairseq.complexity.cost import architectures

    known = architectures()
    for arch in archs:
        if arch not in known:
            raise InputError(f"--arch is {arch!r}, expected one of {', '.join(known)}")
    for setting in settings:
        name, _ = name_value(setting, "--set", "NAME=VALUE, such as ffn_dim=400", empty=True)
        if not any(hasattr(MODEL_DATACLASS_REGISTRY[a], name) for a in archs):
            raise InputError(
                f"--set has {setting!r}, expected a setting that one of {', '.join(archs)} has, "
                "such as ffn_dim=400"
            )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("mia_fairseq.complexity", __doc__)
    add = parser.add_argument
    add("--modalities", nargs="+", default=list(TABLE_10_DIMS), help="name=dim, main one first")
    add("--extra", nargs=1, default=[], metavar="NAME=DIM", help="the one more modality")
    add("--channels", type=int, default=1, help="c")
    add("--steps", type=int, default=1, help="vectors in each modality's sequence")
    add("--outputs", type=int, default=TABLE_10_CLASSES, help="k; default: MELD's 7 classes")
    add("--arch", nargs="+", help="only these fusions")
    add("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of the models")
    add("--growth", type=int, default=0, help="also with 2 up to this many modalities")
    add("--json", type=Path, help="write all figures here")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(main)
