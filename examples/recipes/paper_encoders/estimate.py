"""What training the paper's encoders takes: memory and time, worked out, not measured.

``examples/benchmarks/dry_run.py`` measures some of it; docs/speed.md has both side by side.

    python -m examples.recipes.paper_encoders.estimate [--tflops 60] [--batch-size 18]

How the figures come about
    parameters   counted on the very modules, with random weights
    operations   of a forward pass, counted by torch's FlopCounterMode on these modules, two for a
                 multiply-accumulate; backward twice as many, and one more forward for gradient
                 checkpointing
    weights      20 bytes a parameter: a 16-bit weight and gradient, fairseq's float32 copies of
                 both, and Adam's two means (training in float32: 16)
    activations  with gradient checkpointing: the 16-bit input of each Transformer layer, and one
                 layer's inside, B·T·(34·d + 5·heads·T) bytes (Korthikanti et al., "Reducing
                 Activation Recomputation in Large Transformer Models", 2022, Eq. 1)
    time         operations over --tflops, the rate that is reached; a GPU reaches about a third of
                 its dense bfloat16 peak on sequences as short as these, so 60 is cautious for an
                 A100 (312) and for an H100 (989)
    lengths      utterances' means (released_shapes.py); memory is of a batch of the longest that
                 encoders see

Extraction (faces above all) comes before and is not in it.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from examples.recipes.paper_encoders.released_shapes import (
    CORPORA,
    LONGEST,
    ROBERTAS,
    RobertaShape,
    steps_of,
)
from mia_fairseq.command import run as run_command
from mia_fairseq.encoders.encoder import Encoder
from mia_fairseq.encoders.fabnet_encoder import FabNetEncoder
from mia_fairseq.encoders.roberta_encoder import RobertaEncoder
from mia_fairseq.pretrained.fabnet_network import SIDE

ADAM_BYTES, HALF = 20, 2
FULL_ADAM_BYTES, FULL = 16, 4  # in float32
WORD = 5  # any token but padding
GIB = 2**30


@dataclass(frozen=True)
class Part:
    """One encoder."""

    encoder: Encoder
    layers: int = 0
    heads: int = 0

    @property
    def parameters(self) -> int:
        """All numbers that are trained."""
        return sum(p.numel() for p in self.encoder.parameters())

    def forward_flops(self, steps: int) -> int:
        """Of one utterance of so many tokens or faces, which cost the same each."""
        faces = self.encoder.kind == "frames"
        inputs = torch.zeros(1, 3, SIDE, SIDE) if faces else torch.full((1, steps), WORD)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.encoder.network(inputs)
        return int(counter.get_total_flops()) * (steps if faces else 1)

    def activation_bytes(self, rows: int, steps: int) -> float:
        """With gradient checkpointing; of convolutions, one chunk of faces is small beside it."""
        d = self.encoder.output_dim
        inside = rows * steps * (34 * d + 5 * self.heads * steps)
        return HALF * rows * steps * d * self.layers + (inside if self.layers else 0)


def parts(shapes: Mapping[str, RobertaShape] = ROBERTAS) -> dict[str, Part]:
    """The paper's three encoders, or such of other sizes."""
    found = {
        name: Part(RobertaEncoder.untrained(shape.settings()), shape.layers, shape.heads)
        for name, shape in shapes.items()
    }
    return {**found, "video": Part(FabNetEncoder.untrained({}))}


def memory(
    found: Mapping[str, Part], steps: Mapping[str, int], rows: int, *, half: bool = True
) -> float:
    """GiB of training some encoders on a batch of so many rows of so many items each."""
    bytes_each, share = (ADAM_BYTES, 1.0) if half else (FULL_ADAM_BYTES, FULL / HALF)
    weights = bytes_each * sum(part.parameters for part in found.values())
    inside = sum(part.activation_bytes(rows, steps[name]) for name, part in found.items())
    return (weights + share * inside) / GIB


def table(batch_size: int, tflops: float) -> str:
    """The estimates in Markdown, a line for each corpus and choice of modalities."""
    found = parts()
    lines = [
        *(f"{name}: {part.parameters / 1e6:.0f} M parameters" for name, part in found.items()),
        "",
        "| corpus | modalities | GiB, mean batch | GiB, longest batch | TFLOP an update "
        "| updates an epoch | minutes an epoch |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, corpus in CORPORA.items():
        mean = steps_of(corpus)
        for used in (("text",), ("text", "audio"), ("text", "audio", "video")):
            chosen = {part: found[part] for part in used}
            likely = memory(chosen, mean, batch_size)
            most = memory(chosen, {**mean, **LONGEST}, batch_size)
            forward = sum(found[part].forward_flops(mean[part]) for part in used)
            update = 4 * batch_size * forward / 1e12
            updates = -(-corpus.rows // batch_size)
            minutes = update * updates / tflops / 60
            cells = [f"{likely:.1f}", f"{most:.1f}", f"{update:.1f}"]
            cells += [str(updates), f"{minutes:.1f}"]
            lines.append(f"| {name} | {', '.join(used)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tflops", type=float, default=60.0)
    parser.add_argument("--batch-size", type=int, default=18)
    args = parser.parse_args(argv)
    print(table(args.batch_size, args.tflops))


if __name__ == "__main__":
    run_command(main)
