"""The ids of ``text_bert`` in MMSA's pickles as a token modality.

A row is (3, T): ids, mask and types. MMSA made them by ``bert-base-uncased``, CH-SIMS's by
``bert-base-chinese``; the file does not say, so the words of the rows tell whether a tokenizer is
the right one.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.errors import InputError, quoted
from preprocess.extractors.base import build_extractor
from preprocess.extractors.text_tokens import TransformersTokens

logger = logging.getLogger(__name__)

BERT = "text_bert"
LIKE = 0.5  # share of the rows whose ids the right tokenizer gives at least


def tokenizer_of(name: str) -> TransformersTokens:
    """The tokenizer of a folder, or of an extractor of tokens.

    Raises:
        InputError: it is neither.
    """
    if Path(name).is_dir():
        found = build_extractor("hf_tokens", {"folder": name})
    elif name.endswith("_tokens"):
        found = build_extractor(name)
    else:
        found = None
    if not isinstance(found, TransformersTokens):
        raise InputError(
            f"--text-tokens is {quoted(name)}, expected the folder of a tokenizer of transformers, "
            "or minilm_tokens"
        )
    return found


def spec_of_tokens(tokenizer: TransformersTokens, name: str) -> ModalitySpec:
    """What a DATA folder says of the modality; ``name`` is what `tokenizer_of` was given."""
    options = {"folder": name} if Path(name).is_dir() else {}
    how = {"options": options, "pool": "none", "dtype": "int32"}
    return ModalitySpec.from_json({**tokenizer.describe(), **how}, "--text-tokens")


def token_rows(
    rows: Sequence[Any],
    ids: Sequence[str],
    texts: Sequence[object],
    tokenizer: TransformersTokens,
    where: str,
) -> list[NDArray[np.int32]]:
    """Each row's tokens (T,), those that its mask shows.

    Args:
        rows: of ``text_bert``.
        ids: of the rows.
        texts: their words; empty where the file has none.
        tokenizer: of the ids.
        where: the split, for messages.

    Raises:
        InputError: a row is no (3, T) of whole numbers below the vocabulary's size, or the
            tokenizer gives most rows other ids.
    """
    found = [
        _tokens(row, tokenizer.dim, f"{where}, {BERT}, row {row_id!r}")
        for row_id, row in zip(ids, rows, strict=True)
    ]
    if texts:
        alike = sum(_like(row, text, tokenizer) for row, text in zip(found, texts, strict=True))
        if alike < LIKE * len(found):
            raise InputError(
                f"{where}: the tokenizer of --text-tokens gives the ids of {BERT} in {alike} of "
                f"{len(found)} rows; give the one that made them (bert-base-uncased's, or of "
                "CH-SIMS bert-base-chinese's)"
            )
        logger.info("%s: %d of %d rows have the tokenizer's own ids", where, alike, len(found))
    return found


def _tokens(row: Any, size: int, where: str) -> NDArray[np.int32]:
    try:
        table = np.asarray(row, np.float64)
    except (TypeError, ValueError):
        table = np.empty(0)
    if table.ndim != 2 or len(table) != 3 or not (table == np.floor(table)).all():
        raise InputError(f"{where}: expected (3, T) whole numbers, of ids, mask and types")
    shown = table[0, table[1] == 1]
    if not ((shown >= 0) & (shown < size)).all():
        raise InputError(
            f"{where}: has id {int(shown.max())}, and the tokenizer of --text-tokens has {size:,} "
            "ids; give the one that made them"
        )
    return shown.astype(np.int32)


def _like(found: NDArray[np.int32], text: object, tokenizer: TransformersTokens) -> bool:
    """Whether a row's ids are the tokenizer's as far as they go; the end symbol is not read."""
    expected = tokenizer.encode(str(text))
    return len(found) > 1 and expected[: len(found) - 1] == found[:-1].tolist()
