"""What training the paper's encoders takes: memory and time, worked out, not measured.

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
    lengths      utterances' means, below; memory is of a batch of the longest that encoders see

Extraction (faces above all) comes before and is not in it.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from mia_fairseq.command import run as run_command
from mia_fairseq.encoders.encoder import Encoder
from mia_fairseq.encoders.fabnet_encoder import FabNetEncoder
from mia_fairseq.encoders.roberta_encoder import RobertaEncoder, settings_of
from mia_fairseq.pretrained.fabnet_network import SIDE

CODES_A_SECOND, FRAMES_A_SECOND, TOKENS_A_WORD = 100, 30, 1.3
LONGEST = {"text": 512, "audio": 2048}  # positions of the encoders
ADAM_BYTES, HALF = 20, 2
WORD = 5  # any token but padding
GIB = 2**30


@dataclass(frozen=True)
class CorpusSize:
    """What the estimate takes from a corpus; seconds and words are means of an utterance."""

    rows: int  # of training
    seconds: float
    words: float


# Rows: the official splits. Seconds: as the corpora's papers and MELD's page state them, MOSI 4.2,
# MOSEI 7.3, MELD 3.6. Words: of MOSI's and MELD's transcripts, counted; MOSEI's by its seconds.
CORPORA = {
    "CMU-MOSI": CorpusSize(1284, 4.2, 12.5),
    "CMU-MOSEI": CorpusSize(16326, 7.3, 19.0),
    "MELD": CorpusSize(9989, 3.6, 7.9),
}


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


def parts() -> dict[str, Part]:
    """The paper's three encoders."""
    large = {"encoder_layers": 24, "encoder_embed_dim": 1024, "encoder_ffn_embed_dim": 4096}
    large |= {"encoder_attention_heads": 16, "max_positions": 512}
    text = RobertaEncoder.untrained(settings_of(large, 50265))
    audio = RobertaEncoder.untrained(settings_of({"max_positions": 2048}, 13328))
    return {
        "text": Part(text, 24, 16),
        "audio": Part(audio, 12, 12),
        "video": Part(FabNetEncoder.untrained({})),
    }


def steps_of(corpus: CorpusSize) -> dict[str, int]:
    """Tokens, codes and keyframes of a mean utterance; keyframes are the mean count of frames."""
    return {
        "text": round(corpus.words * TOKENS_A_WORD) + 2,
        "audio": round(corpus.seconds * CODES_A_SECOND) + 2,
        "video": round(corpus.seconds * FRAMES_A_SECOND),
    }


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
            weights = ADAM_BYTES * sum(found[part].parameters for part in used)
            memory = {}
            for kind, steps in (("mean", mean), ("longest", {**mean, **LONGEST})):
                inside = sum(found[p].activation_bytes(batch_size, steps[p]) for p in used)
                memory[kind] = (weights + inside) / GIB
            forward = sum(found[part].forward_flops(mean[part]) for part in used)
            update = 4 * batch_size * forward / 1e12
            updates = -(-corpus.rows // batch_size)
            minutes = update * updates / tflops / 60
            cells = [f"{memory['mean']:.1f}", f"{memory['longest']:.1f}", f"{update:.1f}"]
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
