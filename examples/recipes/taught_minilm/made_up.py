"""Utterances made of training utterances' words, for a teacher to label.

    python -m examples.recipes.taught_minilm.made_up manifest.tsv --splices 5 --label 0 --out FILE

They read oddly, yet they are the corpus's own phrases, which other corpora's utterances are not.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import run as run_command
from preprocess.tables.manifest import Row, read_manifest, write_manifest

PREFIX = "made_up_"  # of their ids

SHORTEST, LONGEST = 4, 40  # words


def made_up(
    rows: Sequence[Row], seed: int = 1, *, parts: int, splices: int, following: bool, label: str
) -> list[Row]:
    """Unscored training rows, each text once, none of them one of the given.

    Args:
        rows: with texts, groups (videos) and positions.
        seed: of the random cuts.
        parts: how many of each utterance are taken alone.
        splices: how often its beginning is joined to another's end, both cut anywhere.
        following: whether it is also joined to the one that follows it in its video.
        label: stands for the one that is to come.
    """
    rng = random.Random(seed)
    rows = sorted(rows, key=lambda row: (row.group or "", row.position or 0, row.id))
    words = [(row.text or "").split() for row in rows]
    spoken = [own for own in words if own]
    texts: set[str] = set()
    for place, own in enumerate(words):
        if not own:
            continue
        for _ in range(parts if len(own) > SHORTEST + 1 else 0):
            count = rng.randint(SHORTEST, len(own) - 1)
            start = rng.randint(0, len(own) - count)
            texts.add(" ".join(own[start : start + count]))
        for _ in range(splices):
            other = rng.choice(spoken)
            spliced = own[: rng.randint(1, len(own))] + other[rng.randint(0, len(other) - 1) :]
            if len(spliced) >= SHORTEST:
                texts.add(" ".join(spliced[:LONGEST]))
        after = rows[place + 1 : place + 2]
        if following and after and after[0].group == rows[place].group:
            texts.add(" ".join((own + words[place + 1])[:LONGEST]))
    ordered = sorted(texts - {" ".join(own) for own in words})
    return [
        Row(id=f"{PREFIX}{number}", split="train", label=label, text=text)
        for number, text in enumerate(ordered)
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Writes a manifest of made-up utterances."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--parts", type=int, default=0, help="of each utterance")
    parser.add_argument("--splices", type=int, default=1, help="of each utterance with others")
    parser.add_argument("--following", action="store_true", help="and with the one after it")
    parser.add_argument("--label", required=True, help="stands for the one that is to come")
    parser.add_argument(
        *("--with-spoken",), action="store_true", help="the training rows themselves come first"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    spoken = [row for row in read_manifest(args.manifest).rows if row.split == "train"]
    made = made_up(
        spoken,
        parts=args.parts,
        splices=args.splices,
        following=args.following,
        label=args.label,
    )
    write_manifest(args.out, [*spoken, *made] if args.with_spoken else made)


if __name__ == "__main__":
    run_command(main)
