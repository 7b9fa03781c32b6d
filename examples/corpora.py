"""DATA folders of CMU-MOSI and MELD for the recipes: transcripts, and MOSI's audio vectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from examples.runner import call
from preprocess.files import atomic_path
from preprocess.labelling import split_name
from preprocess.manifest import Row, write_manifest

MEAN = ("--pool", "mean")  # one vector a transcript

Extractors = Mapping[str, str]  # modality -> name of the extractor


def tokens_and_sentences(encoder: str) -> Extractors:
    """``text``, an encoder's tokens; ``sentence``, the same encoder's vectors, frozen.

    The neighbours' sentences are auxiliaries that cost next to nothing, while the encoder that
    learns along reads the utterance alone.
    """
    return {"text": f"{encoder}_tokens", "sentence": encoder}


POOL_SENTENCES = ("--pool", "sentence=mean")


def prepare_mosi(
    file: Path, folder: Path, extractors: Extractors, flags: Sequence[str] = ()
) -> Path:
    """MOSI's official split: audio vectors out of the .npz, the transcripts through an extractor.

    Args:
        file: the .npz with arrays id, video_id, split_official, label, transcript and audio.
        folder: what is made goes here; what is there already is not made again.
        extractors: of the transcripts.
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
                position=int(str(arrays["id"][place]).rpartition("_")[2]),
            )
            for place in range(len(audio))
        ]
    for row, vector in zip(rows, audio, strict=True):
        path = folder / "features" / "audio" / f"{row.id}.npy"
        if not path.is_file():
            with atomic_path(path) as partial, partial.open("wb") as written:
                np.save(written, vector[None].astype(np.float32))
    write_manifest(folder / "manifest.tsv", rows)
    return extract_and_binarize(folder, "CMU-MOSI", extractors, flags)


def add_sentences(file: Path, folder: Path, encoder: str = "minilm") -> Path:
    """The .npz with one more array, ``sentence``: a frozen encoder's vectors of the transcripts.

    Args:
        file: has arrays id and transcript.
        folder: what is made goes here.
        encoder: name of the extractor.

    Returns:
        ``folder/sentences.npz``.
    """
    with np.load(file, allow_pickle=False) as opened:
        arrays = dict(opened)
    rows = [
        Row(id=str(name), split="train", label="0", text=str(transcript).lower())
        for name, transcript in zip(arrays["id"], arrays["transcript"], strict=True)
    ]
    manifest, features, made = (
        folder / name for name in ("sentences.tsv", "sentences", "sentences.npz")
    )
    write_manifest(manifest, rows)
    extract = (str(manifest), "--out", str(features), "--modality", f"sentence={encoder}", *MEAN)
    call(["python", "-m", "preprocess.extract", *extract], folder / "sentences.log")
    vectors = [np.load(features / "sentence" / f"{row.id}.npy") for row in rows]
    arrays["sentence"] = np.concatenate(vectors)
    with atomic_path(made) as partial, partial.open("wb") as written:
        np.savez(written, **arrays)
    return made


def prepare_meld(
    tables: Path,
    folder: Path,
    extractors: Extractors,
    flags: Sequence[str] = (),
    *,
    partial: bool = False,
) -> Path:
    """MELD's transcripts through an extractor; its clips are not needed.

    Args:
        tables: the folder of MELD's .csv files.
        folder: what is made goes here; what is there already is not made again.
        extractors: of the transcripts.
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
    return extract_and_binarize(folder, "MELD", extractors, flags)


def extract_and_binarize(
    folder: Path,
    corpus: str,
    extractors: Extractors,
    flags: Sequence[str],
    *,
    manifest: Path | None = None,
) -> Path:
    """A manifest (``folder/manifest.tsv``) through extractors, then DATA; nothing is done twice."""
    table = str(manifest or folder / "manifest.tsv")
    features, data = str(folder / "features"), str(folder / "DATA")
    if not (folder / "DATA" / "meta.json").is_file():
        modalities = [f"--modality={name}={made_by}" for name, made_by in extractors.items()]
        extract = ("preprocess.extract", table, "--out", features, *modalities)
        binarize = ("preprocess.binarize", table, "--features", features, "--out", data)
        for step in ((*extract, *flags), (*binarize, "--corpus", corpus)):
            call(["python", "-m", *step], folder / f"{step[0]}.log")
    return folder / "DATA"
