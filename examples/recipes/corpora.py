"""DATA folders of CMU-MOSI and MELD for the recipes: transcripts, and MOSI's audio vectors."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.runner import call, locked
from mia_fairseq.files import atomic_path, sha256_of, write_json
from preprocess.tables.labelling import split_name
from preprocess.tables.manifest import Row, write_manifest

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
    file: Path, folder: Path, extractors: Extractors, flags: Sequence[str] = (), *, jobs: int = 1
) -> Path:
    """MOSI's official split: audio vectors out of the .npz, the transcripts through an extractor.

    Args:
        file: the .npz with arrays id, video_id, split_official, label, transcript and audio.
        folder: what is made goes here; what is there already is not made again.
        extractors: of the transcripts.
        flags: of preprocess.extract.
        jobs: processes of the extraction.

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
    with made_once(folder / "features", {"file": sha256_of(file)}):
        for row, vector in zip(rows, audio, strict=True):
            path = folder / "features" / "audio" / f"{row.id}.npy"
            if not path.is_file():
                with atomic_path(path) as partial, partial.open("wb") as written:
                    np.save(written, vector[None].astype(np.float32))
    write_manifest(folder / "manifest.tsv", rows)
    return extract_and_binarize(folder, "CMU-MOSI", extractors, flags, jobs=jobs)


def add_sentences(file: Path, folder: Path, encoder: str = "minilm") -> Path:
    """The .npz with one more array, ``sentence``: a frozen encoder's vectors of the transcripts.

    Args:
        file: has arrays id and transcript.
        folder: what is made goes here; what is there already is not made again.
        encoder: name of the extractor.

    Returns:
        ``folder/sentences.npz``.
    """
    manifest, features, made = (
        folder / name for name in ("sentences.tsv", "sentences", "sentences.npz")
    )
    with made_once(folder / "sentences", {"file": sha256_of(file), "encoder": encoder}):
        if made.is_file():
            return made
        with np.load(file, allow_pickle=False) as opened:
            arrays = dict(opened)
        rows = [
            Row(id=str(name), split="train", label="0", text=str(transcript).lower())
            for name, transcript in zip(arrays["id"], arrays["transcript"], strict=True)
        ]
        write_manifest(manifest, rows)
        extract = (
            str(manifest),
            "--out",
            str(features),
            "--modality",
            f"sentence={encoder}",
            *MEAN,
        )
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
    jobs: int = 1,
) -> Path:
    """MELD's transcripts through an extractor; its clips are not needed.

    Args:
        tables: the folder of MELD's .csv files.
        folder: what is made goes here; what is there already is not made again.
        extractors: of the transcripts.
        flags: of preprocess.extract.
        partial: go on where rows are missing.
        jobs: processes of the extraction.

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
    return extract_and_binarize(folder, "MELD", extractors, flags, jobs=jobs)


def extract_and_binarize(
    folder: Path,
    corpus: str,
    extractors: Extractors,
    flags: Sequence[str],
    *,
    manifest: Path | None = None,
    jobs: int = 1,
) -> Path:
    """A manifest (``folder/manifest.tsv``) through extractors, then DATA; nothing is done twice.

    Raises:
        InputError: DATA is there, and was made of something else.
    """
    table = manifest or folder / "manifest.tsv"
    features, data = str(folder / "features"), folder / "DATA"
    made_of = {"corpus": corpus, "manifest": sha256_of(table), "flags": list(flags)}
    with made_once(data, {**made_of, "extractors": dict(extractors)}) as there:
        if not there:
            modalities = [f"--modality={name}={made_by}" for name, made_by in extractors.items()]
            extract = ("preprocess.extract", str(table), "--out", features, *modalities, *flags)
            binarize = ("preprocess.binarize", str(table), "--features", features)
            for step in (
                (*extract, "--jobs", str(jobs)),
                (*binarize, "--out", str(data), "--corpus", corpus),
            ):
                call(["python", "-m", *step], folder / f"{step[0]}.log")
    return data


@contextmanager
def made_once(data: Path, made_of: Mapping[str, Any]) -> Iterator[bool]:
    """Holds a DATA folder for the one process that makes it; yields whether it is made.

    Args:
        data: the folder, or one of features; what it is made of is kept beside it.
        made_of: in plain containers.

    Raises:
        InputError: it was made of something else.
    """
    record = data.with_name(f"{data.name}.made_of.json")
    with locked(data, wait=True):
        if record.is_file():
            then = json.loads(record.read_text())
            different = sorted(key for key in made_of if then.get(key) != made_of[key])
            if different:
                raise InputError(
                    f"{data} was made of another {' and '.join(different)} ({record.name} says "
                    "which); name another --out, or remove it with the records and features beside"
                )
        else:
            write_json(record, made_of)
        yield (data / "meta.json").is_file()
