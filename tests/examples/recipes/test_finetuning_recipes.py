"""The recipes whose encoders learn along, in short: real tables cut to a few rows, generated clips
with small checkpoints of the released formats."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from released import fabnet_state, small_roberta, small_vq_wav2vec

from examples.demo_corpus.__main__ import make_corpus
from examples.recipes import meld_text, mosi_text_audio
from examples.recipes.corpora import add_sentences, made_once, prepare_mosi
from examples.recipes.paper_encoders import estimate
from examples.recipes.paper_encoders import recipe as paper_encoders
from examples.recipes.taught_minilm import meld as taught_meld
from examples.recipes.taught_minilm import recipe as taught_minilm
from examples.recipes.taught_minilm.made_up import made_up
from mia_fairseq.criterions.ce_distilled import read_probabilities
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.files import sha256_of
from preprocess.corpora import folder as folder_corpus
from preprocess.extractors.base import Clip, build_extractor
from preprocess.tables.manifest import Row

SHORT = ("--seeds", "1", "--max-epoch", "1")


def rows_of(file: Path) -> dict[str, int]:
    """Rows of a table, and on how many utterances each was tested."""
    return {name: seeds[0]["n"] for name, seeds in json.loads(file.read_text()).items()}


@pytest.fixture
def few_mosi(shared_data: Path, tmp_path: Path) -> Path:
    """The first rows of each split."""
    with np.load(shared_data / "mosi" / "mosi_utterance_trimodal.npz") as arrays:
        splits = arrays["split_official"]
        kept = np.concatenate([np.flatnonzero(splits == s)[:20] for s in ("train", "val", "test")])
        np.savez(tmp_path / "few.npz", **{name: arrays[name][kept] for name in arrays})
    return tmp_path / "few.npz"


@pytest.fixture
def few_meld(shared_data: Path, tmp_path: Path) -> Path:
    """The first rows of each table."""
    meld = tmp_path / "meld"
    meld.mkdir()
    for table in (shared_data / "meld").glob("*.csv"):
        lines = table.read_text(encoding="utf-8").splitlines()[:40]
        (meld / table.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return meld


def test_mosi_with_neighbours(
    few_mosi: Path, stored_model: Callable[[str], Path], tmp_path: Path
) -> None:
    stored_model("minilm")
    chosen = ["text, minilm frozen", "text, audio and neighbours, minilm fine-tuned"]
    flags = ["--out", str(tmp_path / "out"), *SHORT, "--rows"]
    with pytest.raises(InputError, match=r"--rows names 'text', expected some of 'text, minilm f"):
        mosi_text_audio.main([str(few_mosi), *flags, "text"])
    mosi_text_audio.main([str(few_mosi), *flags, *chosen])
    folder, names = tmp_path / "out" / "minilm", {"constant", *chosen}
    assert rows_of(folder / "MOSI.json") == dict.fromkeys(names, 20)
    row = Store(folder / "DATA").split("train", ()).rows[0]
    assert row.id == f"{row.group}_{row.position}"


def test_sentences_stand_beside_the_arrays_they_belong_to(
    stored_model: Callable[[str], Path], tmp_path: Path
) -> None:
    stored_model("minilm")
    words = ["a long one, for once, about this and that", "SHORT", "a"]
    np.savez(tmp_path / "few.npz", id=np.array(["c", "a", "b"]), transcript=np.array(words))
    with np.load(add_sentences(tmp_path / "few.npz", tmp_path)) as made:
        alone = build_extractor("minilm").extract([Clip("a", text="short")])[0]
        assert made["sentence"].shape == (3, 384) and list(made["id"]) == ["c", "a", "b"]
        np.testing.assert_allclose(made["sentence"][1], alone.mean(axis=0), atol=1e-5)
    np.savez(tmp_path / "few.npz", id=np.array(["c", "a", "b"]), transcript=np.array(words[::-1]))
    with pytest.raises(InputError, match=r"sentences was made of another file .* another --out"):
        add_sentences(tmp_path / "few.npz", tmp_path)


def test_audio_of_another_file_is_not_mixed_in(few_mosi: Path, tmp_path: Path) -> None:
    with np.load(few_mosi) as arrays:
        changed = {**arrays, "audio": arrays["audio"] + 1}
    (tmp_path / "out" / "features" / "audio").mkdir(parents=True)
    with made_once(tmp_path / "out" / "features", {"file": sha256_of(few_mosi)}):
        pass  # made, as far as it got, of this file
    np.savez(few_mosi, **changed)
    with pytest.raises(InputError, match="features was made of another file"):
        prepare_mosi(few_mosi, tmp_path / "out", {"text": "minilm_tokens"})


def test_data_is_made_once_and_of_one_thing(tmp_path: Path) -> None:
    data = tmp_path / "DATA"
    with made_once(data, {"file": "a", "flags": []}) as there:
        assert not there
    data.mkdir()
    (data / "meta.json").write_text("{}")
    with made_once(data, {"file": "a", "flags": []}) as there:
        assert there
    with pytest.raises(InputError, match=r"DATA was made of another file .* name another --out"):
        made_once(data, {"file": "b", "flags": []}).__enter__()


def test_meld_with_what_was_said_before(
    few_meld: Path, stored_model: Callable[[str], Path], tmp_path: Path
) -> None:
    stored_model("minilm")
    meld_text.main([str(few_meld), "--out", str(tmp_path / "out"), "--partial", *SHORT])
    found = rows_of(tmp_path / "out" / "minilm" / "MELD.json")
    assert set(found) == {"constant", *meld_text.models("minilm")} and len(set(found.values())) == 1


def test_made_up_utterances_are_new_and_of_the_corpus() -> None:
    texts = {"a": ["one two three four five six seven", "eight"], "b": ["nine ten eleven twelve"]}
    rows = [
        Row(f"{video}{place}", "train", "1.5", text=text, group=video, position=place)
        for video, spoken in texts.items()
        for place, text in enumerate(spoken)
    ]
    how = {"parts": 2, "splices": 5, "following": True, "label": "0"}
    found = made_up(rows, **how)
    assert found == made_up(rows[::-1], **how) != made_up(rows, seed=2, **how)
    said = [row.text for row in found]
    assert len(said) == len(set(said)) > 8 and not {row.text for row in rows} & set(said)
    assert "one two three four five six seven eight" in said  # with the next one of its video
    known = {word for row in rows for word in (row.text or "").split()}
    assert all(set(text.split()) <= known for text in said)
    assert {(row.split, row.label) for row in found} == {("train", "0")}
    fewer = made_up(rows, **(how | {"parts": 0, "splices": 1, "following": False}))
    assert 0 < len(fewer) <= len(rows)


def test_a_pupil_learns_its_teachers_scores(
    few_mosi: Path,
    stored_model: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored_model("minilm")
    monkeypatch.setattr(taught_minilm, "TEACHERS", 2)
    out, teachers = tmp_path / "out", tmp_path / "teachers"
    flags = ["--out", str(out), "--teachers", str(teachers), "--teacher", "minilm", *SHORT]
    row = "text and audio, minilm taught by minilm"
    taught_minilm.main([str(few_mosi), *flags, "--rows", row])
    assert rows_of(out / "MOSI.json") == dict.fromkeys(("constant", row), 20)
    taught = {row.id: row for row in Store(out / "taught" / "DATA").split("train", ()).rows}
    unscored = Store(out / "unscored" / "DATA").split("train", ()).rows
    said = [json.loads((out / f"said{seed}.json").read_text())["said"] for seed in (1, 2)]
    for made in unscored:
        mean = np.clip(np.mean([one[made.id]["score"] for one in said]), -3, 3)
        assert taught.pop(made.id).label == pytest.approx(mean, abs=1e-4)
    spoken = Store(out / "mosi" / "DATA").split("train", ()).rows
    assert {row.id: row.label for row in spoken} == {r.id: r.label for r in taught.values()}
    begun = json.loads((out / "pupil" / "seed1" / "run.json").read_text())
    assert begun["data"] == str(out / "taught" / "DATA")


def test_a_pupil_learns_its_teachers_probabilities(
    few_meld: Path, stored_model: Callable[[str], Path], tmp_path: Path
) -> None:
    stored_model("minilm")
    out = tmp_path / "out"
    flags = ["--out", str(out), "--teachers", str(tmp_path / "teachers"), "--partial"]
    taught_meld.main([str(few_meld), *flags, "--teacher", "minilm", *SHORT])
    row = "text, minilm taught by minilm"
    store = Store(out / "taught" / "DATA")
    tested = len(store.split("test", ()).rows)
    assert rows_of(out / "MELD.json") == dict.fromkeys(("constant", row), tested)
    begun = json.loads(next(out.glob("*/seed1/run.json")).read_text())
    table = Path(begun["flags"][begun["flags"].index("--teacher") + 1])
    names, rows = store.label.names, store.split("train", ()).rows
    told = read_probabilities(table, [row.id for row in rows], names).numpy()
    said = [json.loads((out / f"said{seed}.json").read_text())["said"] for seed in (1, 2)]
    made = 0
    for utterance, shares in zip(rows, told, strict=True):
        for name, share in zip(names, shares, strict=True):
            mean = np.mean([one[utterance.id][name] for one in said])
            assert share == pytest.approx(mean, abs=1e-5)
        if utterance.id.startswith("made_up"):
            made += 1
            assert utterance.label == shares.argmax()
    spoken = Store(tmp_path / "teachers" / "minilm" / "DATA").split("train", ()).rows
    assert made > 10 and len(rows) == made + len(spoken)
    assert {row.id: row.label for row in spoken}.items() <= {
        row.id: row.label for row in rows
    }.items()


def test_the_papers_encoders_from_clips_to_the_table(
    stored_model: Callable[[str], Path], tmp_path: Path
) -> None:
    for name in ("retinaface", "gpt2_bpe"):
        stored_model(name)
    table = make_corpus(tmp_path, clips=12, seed=1, size=96)
    manifest = tmp_path / "manifest.tsv"
    folder_corpus.main([str(tmp_path), "--table", str(table), "--out", str(manifest)])
    for name in ("text", "audio"):
        (tmp_path / name).mkdir()
    small_roberta(tmp_path / "text", "model.pt", ["40", "262"], 64)
    codes = [f"{one}-{other}" for one in range(5) for other in range(5)]
    small_roberta(tmp_path / "audio", "bert_kmeans.pt", codes, 400)
    small_vq_wav2vec(tmp_path / "audio")
    torch.save({"state_dict_model": fabnet_state()}, tmp_path / "affectnet_4views.pth")
    sources = [f"--{name}={tmp_path / name}" for name in ("text", "audio")]
    sources += [f"--video={tmp_path / 'affectnet_4views.pth'}", "--detector=mobilenet"]
    flags = (
        "--keyframes",
        "2",
        "--floats",
        "fp32",
        "--corpus",
        "toy",
        "--out",
        str(tmp_path / "o"),
    )
    paper_encoders.main([str(manifest), *sources, *flags, *SHORT])
    tested = len(Store(tmp_path / "o" / "DATA").split("test", ()).rows)
    names = {"constant", *paper_encoders.ROWS}
    assert rows_of(tmp_path / "o" / "toy.json") == dict.fromkeys(names, tested)


def test_estimates_count_what_they_say() -> None:
    """A layer's operations by hand: 24 d² and 4 T d for each token and layer."""
    from mia_fairseq.encoders.roberta_encoder import RobertaEncoder, settings_of

    small = {"encoder_layers": 2, "encoder_embed_dim": 32, "encoder_ffn_embed_dim": 128}
    small |= {"encoder_attention_heads": 4, "max_positions": 64}
    part = estimate.Part(RobertaEncoder.untrained(settings_of(small, 100)), 2, 4)
    assert part.forward_flops(10) == 2 * 10 * (24 * 32**2 + 4 * 10 * 32)
    assert part.activation_bytes(3, 10) == 2 * 3 * 10 * 32 * 2 + 3 * 10 * (34 * 32 + 5 * 4 * 10)
    steps = estimate.steps_of(estimate.CORPORA["CMU-MOSI"])
    assert steps == {"text": 18, "audio": 422, "video": 126}
