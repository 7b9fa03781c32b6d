"""DATA folders of CMU-MOSI and MELD for the recipes: transcripts, and MOSI's audio vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from examples.runner import call
from preprocess.files import atomic_path
from preprocess.labelling import split_name
from preprocess.manifest import Row, write_manifest

MEAN = ("--pool", "mean")  # one vector a transcript


def prepare_mosi(file: Path, folder: Path, text: str, flags: Sequence[str] = ()) -> Path:
    """MOSI's official split: audio vectors out of the .npz, the transcripts through an extractor.

    Args:
        file: the .npz with arrays id, video_id, split_official, label, transcript and audio.
        folder: what is made goes here; what is there already is not made again.
        text: name of the extractor.
        flags: of preprocess.extract.

    Returns:
        The DATA folder.
    """
    with np.load(file, allow_pickle=False) as arrays:
        audio = arrays["audio"]
        rows = [
            Row(
                id=str(arrays["id"][place]),
                split=split_name(arrays["split_official"][place]),
                label=f"{arrays['label'][place]:.9g}",
                text=str(arrays["transcript"][place]).lower(),  # MOSI's is upper case
                group=str(arrays["video_id"][place]),
            )
            for place in range(len(audio))
        ]
    for row, vector in zip(rows, audio, strict=True):
        path = folder / "features" / "audio" / f"{row.id}.npy"
        if not path.is_file():
            with atomic_path(path) as partial, partial.open("wb") as written:
                np.save(written, vector[None].astype(np.float32))
    write_manifest(folder / "manifest.tsv", rows)
    return extract_and_binarize(folder, "CMU-MOSI", text, flags)


def prepare_meld(
    tables: Path, folder: Path, text: str, flags: Sequence[str] = (), *, partial: bool = False
) -> Path:
    """MELD's transcripts through an extractor; its clips are not needed.

    Args:
        tables: the folder of MELD's .csv files.
        folder: what is made goes here; what is there already is not made again.
        text: name of the extractor.
        flags: of preprocess.extract.
        partial: go on where rows are missing.

    Returns:
        The DATA folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = str(folder / "manifest.tsv")
    call(
        [
            *("python", "-m", "preprocess.corpora.meld", str(tables), "--out", manifest),
            *(("--partial",) if partial else ()),
        ],
        folder / "manifest.log",
    )
    return extract_and_binarize(folder, "MELD", text, flags)


def extract_and_binarize(folder: Path, corpus: str, text: str, flags: Sequence[str]) -> Path:
    """A manifest's transcripts through an extractor, then DATA; nothing is done twice."""
    manifest, features, data = (str(folder / n) for n in ("manifest.tsv", "features", "DATA"))
    if not (folder / "DATA" / "meta.json").is_file():
        extract = ("preprocess.extract", manifest, "--out", features, "--modality", f"text={text}")
        binarize = ("preprocess.binarize", manifest, "--features", features, "--out", data)
        for step in ((*extract, *flags), (*binarize, "--corpus", corpus)):
            call(["python", "-m", *step], folder / f"{step[0]}.log")
    return folder / "DATA"
