"""Imports MMSA's feature pickles, ``aligned_50.pkl`` or ``unaligned_50.pkl``, into ``DATA/``.

    python -m preprocess.import_mmsa unaligned_50.pkl --out DATA

The pickle is read by an unpickler that admits NumPy arrays and plain containers, nothing else.
Text, audio and vision become the modalities text, audio and video. NaN and infinities, which
occur in these files, become 0 and are counted.
"""

import argparse
import logging
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mia_fairseq.command import run
from mia_fairseq.data.format.store import DTYPES, ModalitySpec, Utterance
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from preprocess.tables.labelling import add_label_options, read_labels, split_name

logger = logging.getLogger(__name__)

FIELDS = {"text": "text", "audio": "audio", "video": "vision"}  # ours: MMSA's
_NUMPY_MODULES = ("numpy.core", "numpy._core")  # NumPy 1 and NumPy 2 write different paths
ADMITTED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),  # how protocol 2 writes bytes
    *((f"{module}.multiarray", "_reconstruct") for module in _NUMPY_MODULES),
    *((f"{module}.multiarray", "scalar") for module in _NUMPY_MODULES),
    *((f"{module}.numeric", "_frombuffer") for module in _NUMPY_MODULES),
}


class ArraysOnlyUnpickler(pickle.Unpickler):
    """Reads arrays, numbers, strings and containers; refuses every other class or function."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ADMITTED:
            return super().find_class(module, name)
        raise InputError(
            f"the pickle asks for {module}.{name}, but only NumPy arrays and plain containers are "
            "admitted, since a pickle can run any code; save it again without that object"
        )


def load_pickle(path: Path) -> Any:
    """Reads a pickle of arrays and plain containers.

    Raises:
        InputError: no such file, no pickle, a truncated one, or one that holds anything else.
    """
    try:
        with path.open("rb") as file:
            return ArraysOnlyUnpickler(file).load()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"{path}: cannot be read as a pickle ({error}); it may be truncated, fetch it again"
        ) from error


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m preprocess.import_mmsa", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE.pkl")
    parser.add_argument("--modalities", nargs="+", choices=list(FIELDS), default=list(FIELDS))
    parser.add_argument("--out", required=True, type=Path, metavar="DATA")
    parser.add_argument("--corpus", help="name of the corpus (default: the file's)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    add_label_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = parse_args(argv)
    splits = load_pickle(args.file)
    if not isinstance(splits, Mapping) or not all(isinstance(s, Mapping) for s in splits.values()):
        raise InputError(f"{args.file}: expected splits of named arrays, as MMSA writes them")
    names, labels, owners = _labels(splits, args)
    spec, values = read_labels(labels, names, args, f"{args.file}, regression_labels")
    first = next(iter(splits.values()))
    modalities = {
        ours: ModalitySpec(np.shape(_field(first, FIELDS[ours], args.file))[-1], "MMSA")
        for ours in args.modalities
    }
    label_of = dict(zip(zip(owners, names, strict=True), values, strict=True))
    replaced = dict.fromkeys(args.modalities, 0)
    with StoreWriter(
        args.out,
        corpus=args.corpus or args.file.stem,
        label=spec,
        modalities=modalities,
        dtype=args.dtype,
    ) as store:
        for split, content in splits.items():
            ids = [str(value) for value in content["id"]]
            arrays = {m: np.asarray(_field(content, FIELDS[m], args.file)) for m in args.modalities}
            lengths = {m: _lengths(content, m, len(arrays[m]), args.file) for m in args.modalities}
            texts = content.get("raw_text")
            for row, row_id in enumerate(tqdm(ids, desc=f"importing {split}", unit="row")):
                features = {}
                for m in args.modalities:
                    row_lengths = lengths[m]
                    count = None if row_lengths is None else int(row_lengths[row])
                    features[m], bad = _finite(arrays[m][row][:count])
                    replaced[m] += bad
                group, _, clip = row_id.partition("$_$")
                utterance = Utterance(
                    id=row_id,
                    label=label_of[split, row_id],
                    text=None if texts is None else str(texts[row]),
                    group=group if clip else None,
                    position=int(clip) if clip.isdigit() else None,
                )
                store.add(split_name(split), utterance, features)
    for m, count in replaced.items():
        if count:
            logger.warning("%s: %d numbers were NaN or infinite and became 0", m, count)
    logger.info("wrote %s: %d rows", args.out, len(names))


def _labels(
    splits: Mapping[str, Any], args: argparse.Namespace
) -> tuple[list[str], list[object], list[str]]:
    names: list[str] = []
    labels: list[object] = []
    owners: list[str] = []
    for split, content in splits.items():
        ids = [str(value) for value in _field(content, "id", args.file)]
        values = np.asarray(_field(content, "regression_labels", args.file)).reshape(-1).tolist()
        if len(ids) != len(values):
            raise InputError(f"{args.file}: {split} has {len(ids)} ids for {len(values)} labels")
        names += ids
        labels += values
        owners += [split] * len(ids)
    return names, labels, owners


def _field(content: Mapping[str, Any], name: str, path: Path) -> Any:
    if name not in content:
        raise InputError(
            f"{path}: has no field {name!r}, it has {', '.join(content)}; is it an MMSA pickle?"
        )
    return content[name]


def _lengths(
    content: Mapping[str, Any], modality: str, rows: int, path: Path
) -> NDArray[np.int64] | None:
    """Each row's number of vectors; None where the file does not tell."""
    own = content.get(f"{FIELDS[modality]}_lengths")
    if own is None and "text_bert" in content:
        # Aligned files have one vector a token; text_bert is (rows, 3, tokens): ids, mask, types.
        own = np.asarray(content["text_bert"])[:, 1].sum(axis=1)
    if own is None:
        return None
    lengths = np.asarray(own, dtype=np.int64).reshape(-1)
    if len(lengths) != rows:
        raise InputError(f"{path}: {modality} has {len(lengths)} lengths for {rows} rows")
    return lengths


def _finite(vectors: NDArray[Any]) -> tuple[NDArray[Any], int]:
    bad = ~np.isfinite(vectors)
    return np.where(bad, 0, vectors), int(bad.sum())


if __name__ == "__main__":
    run(main)
