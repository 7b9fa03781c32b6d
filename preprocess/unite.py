"""Joins DATA folders into one, whose rows may lack each other's modalities.

    python -m preprocess.unite MELD RAVDESS --fold 0 --out UNITED \\
        --map calm=neutral --map happy=joy --map sad=sadness

The modalities are those of all folders; a row lacks (length 0) what its own folder does not have.
The column ``corpus`` says where a row comes from, and its id and group bear that name in front. A
folder whose rows have folds is divided by them where ``--fold`` is given, as fairseq-train would;
others keep their splits. Train on it with ``--balance corpus``; fairseq-validate tells the metrics
of each corpus's own rows besides. ``meta.json`` tells what the whole is made of, whatever its name,
so that no model is tested on a part's rows that it has learnt.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from mia_fairseq.checkpoints.rows_seen import divisions
from mia_fairseq.command import command_parser, run
from mia_fairseq.data.format.dictionary import dictionary_path
from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.data.format.kinds import DTYPES
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.data.format.rows import Utterance
from mia_fairseq.data.format.store import FURTHER_COLUMNS, Store
from mia_fairseq.data.format.store_writer import StoreWriter
from mia_fairseq.errors import InputError
from mia_fairseq.name_values import name_values
from preprocess.tables.table_text import read_text

logger = logging.getLogger(__name__)

RUNNING = ("device", "batch_size")  # options of extractors that say how fast
PLACES = ("path", "folder", "weights", "words")  # those that name files


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_parser("preprocess.unite", __doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DATA")
    parser.add_argument("--out", type=Path, required=True, metavar="DATA")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="CLASS=CLASS",
        help="a class becomes another, in every folder; or a file with one such line each",
    )
    parser.add_argument("--fold", type=int, help="divides the folders whose rows have folds")
    parser.add_argument("--corpus", help="name of the whole (default: the corpora's, by +)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the features")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command."""
    args = parse_args(argv)
    stores = [open_part(folder, args.fold) for folder in args.folders]
    corpora = [store.corpus for store in stores]
    if len(set(corpora)) < len(corpora):
        raise InputError(
            f"{args.out}: the folders' corpora are {', '.join(corpora)}, expected different "
            "names; import one of them again with --corpus"
        )
    united = united_parts(stores, args.corpus)
    classes = class_map(args.map)
    label = united_label(stores, classes)
    specs = united_modalities(stores)
    tokens = [name for name, spec in specs.items() if spec.kind == "tokens"]
    with StoreWriter(
        args.out,
        corpus=args.corpus or "+".join(corpora),
        label=label,
        modalities=specs,
        dtype=args.dtype,
        dictionaries={name: united_dictionary(stores, name) for name in tokens},
        further=FURTHER_COLUMNS,
        further_labels=united_further_labels(stores),
        united=united,
    ) as writer:
        for store in stores:
            add_rows(writer, store, label, classes)
    logger.info("wrote %s: %s", args.out, ", ".join(label.names) or "scores")


def open_part(folder: Path, fold: int | None) -> Store:
    """A folder, divided by its folds where it has some and one is named."""
    store = Store(folder)
    first = next(iter(store.splits))
    if fold is None or store.split(first, ()).rows[0].fold is None:
        return store
    return FoldedStore(folder, fold)


def united_parts(stores: Sequence[Store], corpus: str | None) -> dict[str, int | None]:
    """{part: the fold that divides its rows here, or None}; of a folder that is a whole, its parts.

    Args:
        stores: of the folders.
        corpus: the name that was given to the whole.

    Raises:
        InputError: two folders hold one part, or the whole is called as a part is.
    """
    found: dict[str, int | None] = {}
    for store in stores:
        fold = store.fold if isinstance(store, FoldedStore) else None
        whole, *parts = divisions(store.corpus, store.united, fold)
        for part in parts or [whole]:
            if part.corpus in found:
                raise InputError(
                    f"{store.path}: the corpus {part.corpus!r} is in two of them, so its rows "
                    "would be there twice; leave one out"
                )
            found[part.corpus] = part.fold
    if corpus in found:
        raise InputError(f"--corpus {corpus} is the name of a part; give the whole another")
    return found


def class_map(given: Sequence[str]) -> dict[str, str]:
    """{class: what it becomes} of CLASS=CLASS arguments, and of files with such lines.

    Raises:
        InputError: neither a file nor of that form, or a class twice.
    """
    lines: list[str] = []
    for item in given:
        if "=" not in item and Path(item).is_file():
            text = read_text(Path(item), logger.warning)
            lines += [line for line in text.splitlines() if line.strip()]
        else:
            lines.append(item)
    return name_values(lines, "--map", str, "CLASS=CLASS, or a file with one such line each")


def united_further_labels(stores: Sequence[Store]) -> dict[str, LabelSpec]:
    """The further labels of any folder; rows of folders that lack one have none.

    Raises:
        InputError: two folders have different labels of one name.
    """
    found: dict[str, LabelSpec] = {}
    for store in stores:
        for name, spec in store.further_labels.items():
            if found.setdefault(name, spec) != spec:
                raise InputError(
                    f"{store.path}: its further label {name!r} is {spec.to_json()}, another "
                    f"folder's is {found[name].to_json()}; import one under another name"
                )
    return found


def united_label(stores: Sequence[Store], classes: Mapping[str, str]) -> LabelSpec:
    """One kind of label for all: all classes in the order they come in, or what all share.

    Raises:
        InputError: some folders have scores and some classes, ranges differ, or a class that is
            mapped is nobody's.
    """
    first = stores[0].label
    for store in stores:
        alike = store.label.kind == first.kind == "classes" or store.label == first
        if not alike:
            raise InputError(
                f"{store.path}: labels are {store.label.to_json()}, those of {stores[0].path} "
                f"{first.to_json()}; import one again with --classes or --label-range"
            )
    if first.kind != "classes":
        if classes:
            raise InputError(f"--map is for classes, {stores[0].path} has {first.kind} labels")
        return first
    known = [name for store in stores for name in store.label.names]
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise InputError(
            f"--map names the class {unknown[0]!r}, expected some of "
            f"{', '.join(dict.fromkeys(known))}"
        )
    return replace(first, names=tuple(dict.fromkeys(classes.get(name, name) for name in known)))


def united_modalities(stores: Sequence[Store]) -> dict[str, ModalitySpec]:
    """All modalities, in the order they come in.

    Raises:
        InputError: two folders call features of different makers or sizes by one name.
    """
    found: dict[str, tuple[Store, ModalitySpec]] = {}
    for store in stores:
        for name, spec in store.modalities.items():
            other, known = found.setdefault(name, (store, spec))
            made, before = _make(spec), _make(known)
            key = next((k for k in (*made, *before) if made.get(k) != before.get(k)), None)
            if key is not None:
                here, there = (
                    f"{make['extractor']} {make['dim']}"
                    + ("" if key in ("extractor", "dim") else f" with {key} {make.get(key)!r}")
                    for make in (made, before)
                )
                raise InputError(
                    f"{store.path}: {name} is {here}, in {other.path} it is {there}; give one of "
                    "them another name, or extract both alike"
                )
    return {name: spec for name, (_, spec) in found.items()}


def _make(spec: ModalitySpec) -> dict[str, object]:
    """How features were made, without what leaves their numbers as they are.

    Where a file lies is no matter if its hash is known.
    """
    hashes = {
        key: value
        for key, value in spec.extra.items()
        if value is not None and (key == "tokenizer" or key.endswith("_sha256"))
    }
    left_out = (*RUNNING, *(PLACES if hashes else ()))
    options = spec.extra.get("options")
    if isinstance(options, Mapping):
        options = {key: value for key, value in options.items() if key not in left_out}
    return {
        "extractor": spec.extractor,
        "dim": spec.dim,
        "kind": spec.kind,
        "pool": spec.extra.get("pool"),
        "options": options or {},
        **hashes,
    }


def united_dictionary(stores: Sequence[Store], name: str) -> str:
    """The dictionary of a token modality, which all folders that have it share."""
    having = [store for store in stores if name in store.modalities]
    texts = [dictionary_path(store.path, name).read_text(encoding="utf-8") for store in having]
    if len(set(texts)) > 1:
        raise InputError(
            f"{having[1].path}: the dictionary of {name} is not that of {having[0].path}; make the "
            "tokens of both with one tokenizer"
        )
    return texts[0]


def add_rows(
    writer: StoreWriter, store: Store, label: LabelSpec, classes: Mapping[str, str]
) -> None:
    """Adds all rows of one folder, their labels as the whole has them.

    Args:
        writer: of the whole.
        store: the folder.
        label: of the whole.
        classes: name in the folder -> name in the whole.
    """
    for name in store.splits:
        split = store.split(name)
        for number, row in enumerate(tqdm(split.rows, desc=f"{store.corpus} {name}", unit="row")):
            word = store.label.format(row.label)
            value = label.parse(classes.get(word, word), f"{store.path}, row {row.id!r}")
            features = {modality: table[number] for modality, table in split.features.items()}
            writer.add(name, _united_row(row, value, store), features)


def _united_row(row: Utterance, label: float, store: Store) -> Utterance:
    corpus = row.corpus or store.corpus
    return replace(
        row,
        id=f"{store.corpus}:{row.id}",
        label=label,
        group=row.group and f"{store.corpus}:{row.group}",
        fold=None if isinstance(store, FoldedStore) else row.fold,
        corpus=corpus,
    )


if __name__ == "__main__":
    run(main)
