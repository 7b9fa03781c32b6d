"""Utterances made of other utterances' words, for a teacher to score.

They read oddly, yet they are the corpus's own phrases, which other corpora's utterances are not.
"""

import random
from collections.abc import Sequence

from preprocess.tables.manifest import Row

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
        Row(id=f"made_up_{number}", split="train", label=label, text=text)
        for number, text in enumerate(ordered)
    ]
