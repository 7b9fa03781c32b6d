"""What each auxiliary gave to chosen utterances: a MIA module's attention, gate and share.

    python -m mia_fairseq.report.attention_maps CKPT DATA --split test --ids ID ...

c channels, d_m main dim, d_a auxiliary dim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq import checkpoint_utils
from numpy.typing import NDArray
from torch import Tensor

from mia_fairseq.command import command_parser
from mia_fairseq.command import run as run_command
from mia_fairseq.errors import InputError
from mia_fairseq.modules.interactive_attention import attention_weights
from mia_fairseq.plugin import register

CELLS = 32  # rows and columns of a heat map at most


@dataclass(frozen=True)
class Module:
    """One MIA module on one utterance.

    Attributes:
        attention: Eq. 3, averaged down to at most (32, 32): auxiliary columns by main columns.
        columns: how many auxiliary columns a main column attends to: exp(entropy) of its
            attention, averaged; from 1 to d_a.
        of_columns: d_a.
        gate: Eq. 6, (c, at most 32): channels by main columns.
        change: the share of ‖M^{n+1} − M^n‖ in its sum over modules.
        without: the prediction with this auxiliary missing: a score, or the class's probability;
            None for a linear copy, which is missing only with its source.
    """

    attention: NDArray[np.float64]
    columns: float
    of_columns: int
    gate: NDArray[np.float64]
    change: float
    without: float | None


@dataclass(frozen=True)
class UtteranceMaps:
    """One utterance as the model saw it.

    Attributes:
        prediction: as `Module.without`.
        parts: what each channel is of the main modality: its words, or its share of the clip;
            none where the whole utterance is one vector.
    """

    id: str
    text: str
    label: str
    prediction: float
    answer: str
    modules: dict[str, Module]
    parts: tuple[str, ...] = ()


def look(checkpoint: Path, data: Path, split: str, ids: Sequence[str]) -> list[UtteranceMaps]:
    """Runs utterances through a trained mia_net, one by one.

    Args:
        checkpoint: of fairseq-train.
        data: the DATA folder.
        split: its split.
        ids: of the utterances.

    Raises:
        InputError: the checkpoint cannot be read, its model has no MIA modules, or an utterance
            is not in the split.
    """
    register()
    models, _, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(checkpoint)], arg_overrides={"data": str(data)}
    )
    model = models[0].eval()
    if not hasattr(getattr(model, "fusion", None), "stack"):
        raise InputError(f"{checkpoint}: its model has no MIA modules; give one of --arch mia_net")
    task.load_dataset(split)
    dataset = task.datasets[split]
    places = {row.id: place for place, row in enumerate(dataset.split.rows)}
    unknown = [name for name in ids if name not in places]
    if unknown:
        raise InputError(f"{data}: {split} has no utterance {unknown[0]!r}; its ids are in its tsv")
    return [_look_at(model, task, dataset, places[name]) for name in ids]


@torch.no_grad()
def _look_at(model: Any, task: Any, dataset: Any, place: int) -> UtteranceMaps:
    seen: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    def remember(name: str) -> Any:
        def hook(_module: Any, inputs: Any, output: Tensor) -> None:
            seen[name] = (inputs[0][0], inputs[1][0], output[0])

        return hook

    stack = model.fusion.stack
    hooks = [module.register_forward_hook(remember(name)) for name, module in stack.items()]
    net_input = dataset.collater([dataset[place]])["net_input"]
    try:
        output = model(**net_input).prediction
    finally:
        for hook in hooks:
            hook.remove()
    chosen = int(output.argmax()) if output.ndim == 2 else None
    total = sum(float((after - main).norm()) for main, _, after in seen.values())
    modules = {}
    for name, (main, aux, after) in seen.items():
        attention = attention_weights(main[None], aux[None], stack[name].kernel)[0]  # (d_a, d_m)
        gate = torch.sigmoid(stack[name].gate((aux @ attention)[None]))[0]  # (c, d_m)
        entropy = -(attention * attention.clamp_min(1e-30).log()).sum(0)
        modules[name] = Module(
            attention=reduced(attention, CELLS, CELLS),
            columns=float(entropy.exp().mean()),
            of_columns=aux.shape[1],
            gate=reduced(gate, len(gate), CELLS),
            change=float((after - main).norm()) / total if total else 0.0,
            without=_without(name, model, net_input, chosen),
        )
    row, label = dataset.split.rows[place], task.schema.label
    value = _answer(output, chosen)
    answer = f"{value:.2f}" if chosen is None else f"{label.format(chosen)} ({value:.0%})"
    true = f"{row.label:g}" if chosen is None else label.format(row.label)
    main_modality = task.schema.main
    length = int(net_input["lengths"][main_modality][0])
    channels = next((module.gate.shape[0] for module in modules.values()), 0)
    spoken = row.text if main_modality == "text" else None
    parts = channel_names(length, channels, spoken)
    return UtteranceMaps(row.id, row.text or "", true, value, answer, modules, parts)


def channel_names(length: int, channels: int, text: str | None) -> tuple[str, ...]:
    """What each channel covers: part k of a sequence goes from ⌊k·n/c⌋ to ⌈(k+1)·n/c⌉.

    Args:
        length: n, of the main modality's sequence; 1 for one vector an utterance.
        channels: c.
        text: the transcript, where the main modality is text: words are as evenly spread.

    Returns:
        One name a channel; none where the utterance is one vector.
    """
    if length < 2 or channels < 1:
        return ()
    words = (text or "").split()
    names = []
    for part in range(channels):
        if words:
            n = len(words)
            start, end = part * n // channels, -(-(part + 1) * n // channels)
            names.append(" ".join(words[start:end]))
        else:
            names.append(f"{part / channels:.0%} to {(part + 1) / channels:.0%} of the clip")
    return tuple(names)


def reduced(values: Tensor, rows: int, columns: int) -> NDArray[np.float64]:
    """Means over blocks.

    Args:
        values: (R, C).
        rows: how many are left at most.
        columns: how many are left at most.
    """
    found = values.detach().double().cpu().numpy()
    for axis, most in ((0, rows), (1, columns)):
        parts = np.array_split(found, min(most, found.shape[axis]), axis=axis)
        found = np.stack([part.mean(axis=axis) for part in parts], axis=axis)
    return found


def _without(
    name: str,
    model: Any,
    net_input: dict[str, Any],
    chosen: int | None,
) -> float | None:
    lengths = net_input["lengths"]
    if name not in lengths:
        return None
    missing = {**lengths, name: torch.zeros_like(lengths[name])}
    return _answer(model(**{**net_input, "lengths": missing}).prediction, chosen)


def _answer(output: Tensor, chosen: int | None) -> float:
    return float(output[0]) if chosen is None else float(output[0].softmax(0)[chosen])


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the figures of chosen utterances."""
    parser = command_parser("mia_fairseq.report.attention_maps", __doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--split", default="test")
    parser.add_argument("--ids", nargs="+", required=True)
    args = parser.parse_args(argv)
    for utterance in look(args.checkpoint, args.data, args.split, args.ids):
        print(f"{utterance.id}: true {utterance.label}, predicted {utterance.answer}")
        for name, module in utterance.modules.items():
            print(
                f"  {name}: gate {module.gate.mean():.3f}, attends to {module.columns:.1f} of "
                f"{module.of_columns} columns, {module.change:.0%} of the change"
                + ("" if module.without is None else f"; without it {module.without:.2f}")
            )


if __name__ == "__main__":
    run_command(main)
