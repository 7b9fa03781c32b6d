"""Utterances made of other utterances' words, for a teacher to score.

They read oddly, yet they are the corpus's own phrases, which other corpora's utterances are not.
"""

import random
from collections.abc import Sequence

from preprocess.manifest import Row

PARTS, SPLICES = 2, 5  # of each utterance
SHORTEST, LONGEST = 4, 40  # words


def made_up(rows: Sequence[Row], seed: int = 1) -> list[Row]:
    """Unscored training rows, each text once, none of them one of the given.

    Of every utterance: parts of it; its beginning with another's end, both cut anywhere; and itself
    with the one that follows it in its video.

    Args:
        rows: with texts, groups (videos) and positions.
        seed: of the random cuts.
    """
    rng = random.Random(seed)
    rows = sorted(rows, key=lambda row: (row.group or "", row.position or 0, row.id))
    words = [(row.text or "").split() for row in rows]
    spoken = [own for own in words if own]
    texts: set[str] = set()
    for place, own in enumerate(words):
        if not own:
            continue
        for _ in range(PARTS if len(own) > SHORTEST + 1 else 0):
            count = rng.randint(SHORTEST, len(own) - 1)
            start = rng.randint(0, len(own) - count)
            texts.add(" ".join(own[start : start + count]))
        for _ in range(SPLICES):
            other = rng.choice(spoken)
            spliced = own[: rng.randint(1, len(own))] + other[rng.randint(0, len(other) - 1) :]
            if len(spliced) >= SHORTEST:
                texts.add(" ".join(spliced[:LONGEST]))
        if place + 1 < len(rows) and rows[place + 1].group == rows[place].group:
            texts.add(" ".join((own + words[place + 1])[:LONGEST]))
    ordered = sorted(texts - {" ".join(own) for own in words})
    return [
        Row(id=f"made_up_{number}", split="train", label="0", text=text)
        for number, text in enumerate(ordered)
    ]
