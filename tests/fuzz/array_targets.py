"""Features that users bring: .npz files, folders of .npy files, MMSA's pickles, .csd files."""

import pickle
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mutations import changed_value, damaged, odd_text, odd_value
from numpy.typing import NDArray
from outcomes import expect

from mia_fairseq.data.format.labels import one_line
from mia_fairseq.data.format.store import Store
from preprocess import binarize, import_arrays, import_mmsa
from preprocess.corpora import cmu
from preprocess.extractors.base import Clip, Failure, build_extractor

ROWS = 6
Arrays = dict[str, Any]


def arrays(scratch: Path) -> Arrays:
    """A valid .npz's arrays."""
    rng = np.random.default_rng(0)
    return {
        "text": rng.normal(size=(ROWS, 3)).astype(np.float32),
        "audio": rng.normal(size=(ROWS, 4, 2)),
        "lengths": np.arange(ROWS) % 5,
        "label": np.linspace(-3, 3, ROWS),
        "split": np.array(["train"] * 3 + ["valid"] * 2 + ["test"]),
        "video": np.array([f"v{row // 2}" for row in range(ROWS)]),
        "id": np.array([f"u{row}" for row in range(ROWS)]),
        "words": np.array(["good day"] * ROWS),
    }


def odd_array(rng: random.Random, array: NDArray[Any]) -> Any:
    """An array of another shape, type or content."""
    array = np.atleast_1d(array)
    action = rng.choice(("type", "shape", "cell", "cell", "order", "empty"))
    if action == "type":
        kinds = ["f2", "f8", "i4", "u1", "c8", "?", "S5", "U5", "O", "M8[s]", "m8[s]", ">f4"]
        try:
            return array.astype(rng.choice(kinds))
        except (ValueError, TypeError):
            return array.astype("U")
    if action == "shape":
        changes = [
            lambda a: a[:-1], lambda a: a[0], lambda a: a[None], lambda a: a[..., None],
            lambda a: a.ravel(), lambda a: a.T, lambda a: np.concatenate([a, a]), lambda a: a[::-1],
        ]  # fmt: skip
        return rng.choice(changes)(array)
    if action == "empty":
        return rng.choice((array[:0], np.zeros(()), np.zeros((len(array), 0)), np.array(None)))
    if action == "order":
        return np.asfortranarray(array)
    array = array.copy()
    place = tuple(rng.randrange(length) for length in array.shape)
    if array.dtype.kind == "U":
        array = array.astype("U400")
        array[place] = odd_text(rng)[:400].replace("\x00", "?")
    else:
        number = rng.choice((np.nan, np.inf, -np.inf, 1e300, -1, 0.5, 99, 3.0000001))
        with np.errstate(all="ignore"):
            array[place] = number if array.dtype.kind == "f" else int(np.nan_to_num(number) % 100)
    return array


def npz(base: Arrays, rng: random.Random, scratch: Path) -> None:
    """``preprocess.import_arrays``: DATA holds what the arrays hold, of every row."""
    content = dict(base)
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        name = rng.choice(list(content))
        if rng.random() < 0.05:
            del content[name]
        else:
            content[name] = odd_array(rng, content[name])
    path, out = scratch / "in.npz", scratch / "DATA"
    np.savez(path, **content)
    if rng.random() < 0.3:
        path.write_bytes(damaged(rng, path.read_bytes()))
    import_arrays.main(
        [str(path), "--modalities", "text", "audio", "--label", "label", "--split", "split",
         "--id", "id", "--group", "video", "--text", "words", "--lengths", "audio=lengths",
         "--out", str(out)]
    )  # fmt: skip
    with np.load(path) as file:  # the checksums say that it is what was written, or it is refused
        content = {name: _text(file[name]) for name in file.files}
    expected = {
        str(i): (label, a, t[: int(n)])
        for i, label, a, t, n in zip(
            content["id"], content["label"], np.atleast_2d(content["text"]), content["audio"],
            content["lengths"].tolist(), strict=True)
    }  # fmt: skip
    check_rows(out, expected, "text", "audio")


def _text(array: NDArray[Any]) -> NDArray[Any]:
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array


def check_rows(out: Path, expected: dict[str, tuple[Any, ...]], *modalities: str) -> None:
    """DATA's rows are these: label, then the vectors of each modality; not finite is 0."""
    store = Store(out)
    expected = {one_line(name): row for name, row in expected.items()}
    seen = 0
    for name in store.splits:
        split = store.split(name)
        for place, row in enumerate(split.rows):
            label, *vectors = expected[row.id]
            seen += 1
            if store.label.kind == "regression":
                number = float(np.asarray(label).item())
                expect(np.isclose(number, row.label, rtol=1e-5), f"{row.id}: {row.label}")
            else:
                expect(store.label.format(row.label) == " ".join(str(label).split()), f"{row.id}")
            for modality, given in zip(modalities, vectors, strict=True):
                with np.errstate(all="ignore"):
                    wanted = np.atleast_2d(np.asarray(given, np.float32))
                wanted = wanted.reshape(-1, store.modalities[modality].dim)
                got = np.asarray(split.features[modality][place])
                wanted = np.nan_to_num(wanted, nan=0.0, posinf=0.0, neginf=0.0)
                same = got.shape == wanted.shape and np.allclose(got, wanted, rtol=1e-6)
                expect(same, f"{row.id}, {modality}: {got.tolist()}, not {wanted.tolist()}")
    expect(seen == len(expected), f"{seen} rows of {len(expected)}")


def feature_folder(scratch: Path) -> tuple[str, dict[str, NDArray[Any]]]:
    """A manifest and the arrays of a modality."""
    rng = np.random.default_rng(1)
    names = [f"c{row}" for row in range(4)]
    lines = ["id\tsplit\tlabel\ttext"]
    lines += [f"{n}\t{'train' if n != 'c3' else 'valid'}\t{p}\thi" for p, n in enumerate(names)]
    return "\n".join(lines) + "\n", {
        name: rng.normal(size=(p + 1, 3)).astype(np.float32) for p, name in enumerate(names)
    }


def npy(base: tuple[str, dict[str, NDArray[Any]]], rng: random.Random, scratch: Path) -> None:
    """``preprocess.binarize``: a folder of features, one file of it changed."""
    import json

    manifest, vectors = base
    folder = scratch / "features" / "audio"
    folder.mkdir(parents=True)
    (scratch / "m.tsv").write_text(manifest)
    about: Any = {"extractor": "mine", "dim": 3, "dtype": "float32", "kind": "features"}
    if rng.random() < 0.2:
        about = changed_value(rng, about)
    described = json.dumps(about).encode()
    (folder / "extractor.json").write_bytes(
        damaged(rng, described) if rng.random() < 0.1 else described
    )
    for name, array in vectors.items():
        np.save(folder / f"{name}.npy", array)
    victim = folder / f"{rng.choice(list(vectors))}.npy"
    action = rng.choice(("bytes", "bytes", "array", "array", "gone", "zip", "link", "none"))
    if action == "bytes":
        victim.write_bytes(damaged(rng, victim.read_bytes()))
    elif action == "array":
        np.save(victim, odd_array(rng, np.load(victim)), allow_pickle=True)
    elif action == "gone":
        victim.unlink()
        (folder / "failures.tsv").write_text(f"id\treason\n{victim.stem}\t{odd_text(rng)}\n")
    elif action == "zip":
        with victim.open("wb") as file:
            np.savez(file, x=np.zeros((1, 3)))
    elif action == "link":
        victim.unlink()
        victim.symlink_to(rng.choice((victim, folder, Path("/nowhere"))))
    command = [str(scratch / "m.tsv"), "--features", str(scratch / "features")]
    binarize.main([*command, "--out", str(scratch / "DATA")])
    expected: dict[str, tuple[Any, ...]] = {}
    for place, name in enumerate(vectors):
        path = folder / f"{name}.npy"
        there = path.is_file()
        expected[name] = (place, np.load(path) if there else np.zeros((0, 3)))
    check_rows(scratch / "DATA", expected, "audio")


def mmsa(scratch: Path) -> dict[str, Any]:
    """A valid MMSA pickle's content."""
    rng = np.random.default_rng(2)
    splits = {}
    for place, split in enumerate(("train", "valid", "test")):
        splits[split] = {
            "raw_text": np.array([f"text {row}" for row in range(3)], dtype=object),
            "text": rng.normal(size=(3, 4, 5)).astype(np.float32),
            "audio": rng.normal(size=(3, 4, 3)),
            "vision": rng.normal(size=(3, 4, 2)),
            "id": [f"v{place}$_${row}" for row in range(3)],
            "regression_labels": np.linspace(-3, 3, 3, dtype=np.float32),
            "audio_lengths": [1, 2, 4],
            "vision_lengths": [4, 3, 0],
        }
    return splits


def pickles(base: dict[str, Any], rng: random.Random, scratch: Path) -> None:
    """``preprocess.import_mmsa``: DATA holds what the pickle's splits hold."""
    content: Any = {
        split: {name: _copied(field) for name, field in fields.items()}
        for split, fields in base.items()
    }
    action = rng.choice(("none", "field", "field", "field", "tree", "bytes", "bytes", "bytes"))
    if action == "field":
        fields = rng.choice(list(content.values()))
        name = rng.choice(list(fields))
        if isinstance(fields[name], np.ndarray) and fields[name].dtype.kind != "O":
            fields[name] = odd_array(rng, fields[name])
        else:
            fields[name] = changed_value(rng, list(fields[name]))
    elif action == "tree":
        content = changed_value(rng, content)
    try:
        whole = pickle.dumps(content, protocol=rng.randrange(6))
    except (RecursionError, OverflowError, UnicodeError):
        return
    if action == "bytes":
        whole = damaged(rng, whole)
    (scratch / "in.pkl").write_bytes(whole)
    import_mmsa.main([str(scratch / "in.pkl"), "--out", str(scratch / "DATA")])
    if action == "bytes":
        Store(scratch / "DATA").split("train")
        return
    expected = {}
    for fields in content.values():
        rows = zip(fields["id"], fields["regression_labels"], fields["text"], fields["audio"],
                   fields["vision"], strict=True)  # fmt: skip
        ends = fields.get("audio_lengths", [None] * 99), fields.get("vision_lengths", [None] * 99)
        for place, (row_id, label, text, audio, vision) in enumerate(rows):
            cut = [None if e[place] is None else int(np.asarray(e[place]).item()) for e in ends]
            expected[str(row_id)] = (label, text, audio[: cut[0]], vision[: cut[1]])
    check_rows(scratch / "DATA", expected, "text", "audio", "video")


def _copied(field: Any) -> Any:
    return field.copy() if isinstance(field, np.ndarray) else list(field)


def csd(scratch: Path) -> bytes:
    """A valid .csd."""
    path = scratch / "a.csd"
    with h5py.File(path, "w") as file:
        for number, video in enumerate(("a_b", "c")):
            group = file.create_group(f"COVAREP/data/{video}")
            rows = (10 * number + np.arange(8.0))[:, None].repeat(3, axis=1)
            group.create_dataset("features", data=rows, compression="gzip" if number else None)
            group["intervals"] = np.stack([np.arange(8) / 10, np.arange(1, 9) / 10], axis=1)
        file["COVAREP/metadata/contact"] = "someone"
    return path.read_bytes()


def _odd_csd(rng: random.Random, path: Path) -> None:
    """One object of the file replaced or added."""
    with h5py.File(path, "r+") as file:
        place = rng.choice(("COVAREP", "COVAREP/data", "COVAREP/data/c", "COVAREP/data/c/features",
                            "COVAREP/data/c/intervals", "COVAREP/data/a_b/features"))  # fmt: skip
        action = rng.choice(
            ("value", "value", "array", "gone", "soft", "external", "group", "huge")
        )
        if action == "array" and isinstance(file[place], h5py.Dataset):
            value = odd_array(rng, file[place][()])
            value = value.astype("S") if value.dtype.kind in "UOMm" else value
            del file[place]
            file[place] = value
            return
        del file[place]
        if action == "value":
            value = odd_value(rng)
            file[place] = value if isinstance(value, int | float | str) and value != 10**30 else 1.5
        elif action == "soft":
            file[place] = h5py.SoftLink("/COVAREP")
        elif action == "external":
            file[place] = h5py.ExternalLink("/etc/passwd", "/")
        elif action == "group":
            file.create_group(place)
        elif action == "huge":
            file.create_dataset(place, (2**40, 3), "f8", chunks=(64, 3))


def hdf5(base: bytes, rng: random.Random, scratch: Path) -> None:
    """``--modality audio=cmu_csd``, and the SDK's labels."""
    path = scratch / "Labels.csd"
    path.write_bytes(base)
    structured = rng.random() < 0.4
    if structured:
        _odd_csd(rng, path)
    else:
        path.write_bytes(damaged(rng, base))
    if rng.random() < 0.4:
        (scratch / "folds.json").write_text(
            '{"standard_train_fold": ["a_b"], "standard_valid_fold": ["c"], '
            '"standard_test_fold": []}'
        )
        corpus = cmu.read_cmu("x", scratch, path, scratch / "folds.json")
        expect(len({row.id for row in corpus.rows}) == len(corpus.rows), "ids twice")
        return
    extractor = build_extractor("cmu_csd", {"path": str(path)})
    found = extractor.extract([Clip("a_b_1", start=0.15, end=0.5), Clip("c")])
    for output in found:
        if not isinstance(output, Failure):
            expect(output.ndim == 2 and output.shape[1] == extractor.dim, f"{output.shape}")
            expect(np.isfinite(output).all(), "not finite")
