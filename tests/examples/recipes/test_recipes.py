"""The recipes: every file loads with real flags, and each runs from its inputs to its table."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq import options
from harness import ROOT
from released import fabnet_state, small_roberta, small_vq_wav2vec

from examples.demo_corpus.__main__ import make_corpus
from examples.recipes.paper_encoders import estimate, released_shapes
from examples.recipes.taught_minilm.made_up import made_up
from mia_fairseq.criterions.ce_distilled import read_probabilities
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments.specification.experiment import load
from mia_fairseq.experiments.specification.run_flags import train_flags
from preprocess.corpora import folder as folder_corpus
from preprocess.tables.manifest import Row

RECIPES = sorted((ROOT / "examples" / "recipes").rglob("*.yaml"))
Run = Callable[..., Path]


def rows_of(file: Path) -> dict[str, int]:
    """Rows of a table, and on how many utterances each was tested."""
    return {name: seeds[0]["n"] for name, seeds in json.loads(file.read_text()).items()}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_with_flags_of_the_real_parser(recipe: Path) -> None:
    loaded = load(str(recipe))
    assert loaded.claim.endswith(".") and loaded.needs and loaded.status
    assert loaded.about.keys() >= {"time"} and (loaded.data or loaded.tune)
    for row in loaded.rows:
        assert "{" not in row.name
        of_classes = "meld" in recipe.stem or "ravdess" in recipe.stem
        kind = "classes" if of_classes or row.data in ("DATA7", "MELD") else "regression"
        parser = options.get_training_parser("multimodal_affect")
        arguments = ["DATA", "--task", "multimodal_affect", *train_flags(row, kind)]
        options.parse_args_and_arch(parser, arguments)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_step_names_a_module_and_known_places(recipe: Path) -> None:
    loaded = load(str(recipe))
    known = {*loaded.inputs, "data", "work", "out", "here", "jobs"}
    for step in [step for steps in loaded.data.values() for step in steps]:
        python, m, module, *_ = shlex.split(step)
        path = ROOT.joinpath(*module.split("."))
        assert (python, m) == ("python", "-m")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
        for part in step.split("{")[1:]:
            assert part.partition("}")[0] in known, step


def test_published_features_from_import_to_tables(shared_data: Path, run_recipe: Run) -> None:
    features = shared_data / "mosi" / "mosi_utterance_trimodal.npz"
    folder = run_recipe("mosi_utterance", "--max-epoch", "2", file=features)
    scores, classes = (json.loads((folder / f"{n}.json").read_text()) for n in ("DATA", "DATA7"))
    assert {name: seeds[0]["n"] for name, seeds in scores.items()} == dict.fromkeys(scores, 752)
    assert scores["constant"][0]["mae"] > 1.3 > scores["MIA-Net, text main"][0]["mae"]
    learnt = classes["MIA-Net, text main, ce_krl"][0]["accuracy"]
    assert classes["constant"][0]["accuracy"] < 0.27 < learnt


def test_frozen_vectors_of_both_corpora_or_of_one(
    few_mosi: Path,
    few_meld: Path,
    stored_model: Callable[[str], Path],
    run_recipe: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stored_model("minilm")
    folder = run_recipe("frozen_minilm", "--rows", "text only", mosi=few_mosi)
    assert "MELD is left out: --input meld=..." in capsys.readouterr().out
    assert rows_of(folder / "MOSI.json") == {"constant": 12, "text only": 12}
    folder = run_recipe("frozen_minilm", mosi=few_mosi, meld=few_meld)
    assert set(rows_of(folder / "MOSI.json")) == {
        "constant",
        "text only",
        "MIA-Net, text and audio",
    }
    assert set(rows_of(folder / "MELD.json")) == {"constant", "text only"}


def test_sentences_stand_beside_the_features_of_their_rows(
    few_mosi: Path, stored_model: Callable[[str], Path], run_recipe: Run
) -> None:
    stored_model("minilm")
    folder = run_recipe("mosi_sentences", "--rows", "sentence only", file=few_mosi)
    store = Store(folder / "DATA_S")
    assert store.modalities["sentence"].dim == 384
    with np.load(few_mosi) as arrays:
        texts = dict(zip(arrays["id"], arrays["text"], strict=True))
    split = store.split("test", ("text", "sentence"))
    for place, row in enumerate(split.rows):
        vector = np.load(folder / "DATA_S_work" / "features" / "sentence" / f"{row.id}.npy")
        np.testing.assert_array_equal(split.features["sentence"][place], vector)
        np.testing.assert_allclose(split.features["text"][place], texts[row.id][None], rtol=1e-6)


def test_mosi_with_neighbours(
    few_mosi: Path, stored_model: Callable[[str], Path], run_recipe: Run
) -> None:
    stored_model("minilm")
    chosen = ["text, minilm frozen", "text, audio and neighbours, minilm fine-tuned"]
    with pytest.raises(InputError, match=r"no such row; expected some of 'text, minilm f"):
        run_recipe("mosi_text_audio", "--rows", "text", file=few_mosi)
    folder = run_recipe("mosi_text_audio", "--rows", *chosen, file=few_mosi)
    assert rows_of(folder / "MOSI.json") == dict.fromkeys(("constant", *chosen), 12)
    row = Store(folder / "MOSI").split("train", ()).rows[0]
    assert row.id == f"{row.group}_{row.position}" and row.text == (row.text or "").lower()


def test_mpnet_differs_in_its_encoder_and_its_epochs() -> None:
    small, large = (load(str(f)) for f in RECIPES if f.stem.startswith("mosi_text_audio"))
    for one, other in zip(small.rows, large.rows, strict=True):
        assert other.name == one.name.replace("minilm", "mpnet")
    flags = train_flags(large.rows[2], "regression")
    assert flags[flags.index("--encoder") + 1] == "text=hf:mpnet"
    assert flags[flags.index("--max-epoch") + 1] == "5" and "--bf16" in flags
    assert flags[flags.index("--unfreeze-from") + 1] == "text=1"


def test_meld_with_what_was_said_before(
    few_meld: Path, stored_model: Callable[[str], Path], run_recipe: Run
) -> None:
    stored_model("minilm")
    found = rows_of(run_recipe("meld_text", tables=few_meld) / "MELD.json")
    assert len(found) == 5 and len(set(found.values())) == 1


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


def answers(work: Path) -> list[dict[str, dict[str, float]]]:
    """What the two teachers said."""
    return [json.loads((work / f"answers{n}.json").read_text())["answers"] for n in (1, 2)]


@pytest.fixture
def self_taught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run_recipe: Run) -> None:
    """Recipes in which MiniLM teaches MiniLM, which is quick."""
    for name, teacher in (("", "mosi_text_audio"), ("_meld", "meld_text")):
        file = tmp_path / "recipes" / "taught_minilm" / f"taught_minilm{name}.yaml"
        file.write_text(file.read_text().replace("{teacher: mpnet}", "{teacher: minilm}"))
        source = f"{teacher}_minilm.yaml"
        (tmp_path / "recipes" / source).write_text(f"inherits: {teacher}.yaml\n")


@pytest.mark.usefixtures("self_taught")
def test_a_pupil_learns_its_teachers_scores(
    few_mosi: Path, stored_model: Callable[[str], Path], run_recipe: Run
) -> None:
    stored_model("minilm")
    row = "text and audio, minilm taught by minilm"
    folder = run_recipe("taught_minilm", "--rows", row, file=few_mosi)
    assert rows_of(folder / "MOSI.json") == dict.fromkeys(("constant", row), 12)
    work = folder / "TAUGHT_work"
    taught = {row.id: row for row in Store(folder / "TAUGHT").split("train", ()).rows}
    for made in Store(work / "UNSCORED").split("train", ()).rows:
        mean = np.clip(np.mean([one[made.id]["score"] for one in answers(work)]), -3, 3)
        assert taught.pop(made.id).label == pytest.approx(mean, abs=1e-4)
    spoken = Store(folder / "MOSI").split("train", ()).rows
    assert {row.id: row.label for row in spoken} == {r.id: r.label for r in taught.values()}
    pupil, tuned = (
        json.loads(next((folder.parent / "all").glob(f"{name}/seed1/run.json")).read_text())
        for name in ("unimodal-TAUGHT-*", "mia_net-MOSI-*")
    )
    assert pupil["data"] == str(folder / "TAUGHT")
    assert any("unimodal-TAUGHT" in flag and "trained:" in flag for flag in tuned["flags"])


@pytest.mark.usefixtures("self_taught")
def test_a_pupil_learns_its_teachers_probabilities(
    few_meld: Path, stored_model: Callable[[str], Path], run_recipe: Run
) -> None:
    stored_model("minilm")
    folder = run_recipe("taught_minilm_meld", tables=few_meld)
    store = Store(folder / "MELD")
    tested = len(store.split("test", ()).rows)
    row = "text, minilm taught by minilm"
    assert rows_of(folder / "MELD.json") == dict.fromkeys(("constant", row), tested)
    begun = json.loads(next((folder.parent / "all").glob("*-MELD-*/seed1/run.json")).read_text())
    table = folder / "MELD_work" / "teachers.tsv"
    taught = [
        json.loads(file.read_text())["flags"]
        for file in (folder.parent / "all").glob("*-MELD-*/seed1/run.json")
    ]
    assert begun and any(str(table) in flags for flags in taught)
    names, rows = store.label.names, store.split("train", ()).rows
    told = read_probabilities(table, [row.id for row in rows], names).numpy()
    said, made = answers(folder / "MELD_work"), 0
    for utterance, shares in zip(rows, told, strict=True):
        for name, share in zip(names, shares, strict=True):
            mean = np.mean([one[utterance.id][name] for one in said])
            assert share == pytest.approx(mean, abs=1e-5)
        if utterance.id.startswith("made_up"):
            made += 1
            assert utterance.label == shares.argmax()
    assert made > 10 and len(rows) > made


def test_the_papers_encoders_from_clips_to_the_table(
    stored_model: Callable[[str], Path], tmp_path: Path, run_recipe: Run
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
    weights = tmp_path / "affectnet_4views.pth"
    torch.save({"state_dict_model": fabnet_state()}, weights)
    own = {"text": tmp_path / "text", "audio": tmp_path / "audio", "video": weights}
    more = {"detector": "mobilenet", "keyframes": "2", "corpus": "toy"}
    folder = run_recipe("paper_encoders", "--set=bf16=false", manifest=manifest, **own, **more)
    tested = len(Store(folder / "PAPER").split("test", ()).rows)
    names = ("constant", "text only", "TA-MIA", "TV-MIA", "TAV-MIA")
    assert rows_of(folder / "PAPER.json") == dict.fromkeys(names, tested)


def test_estimates_count_what_they_say() -> None:
    """A layer's operations by hand: 24 d² and 4 T d for each token and layer."""
    from mia_fairseq.encoders.roberta_encoder import RobertaEncoder, settings_of

    small = {"encoder_layers": 2, "encoder_embed_dim": 32, "encoder_ffn_embed_dim": 128}
    small |= {"encoder_attention_heads": 4, "max_positions": 64}
    part = estimate.Part(RobertaEncoder.untrained(settings_of(small, 100)), 2, 4)
    assert part.forward_flops(10) == 2 * 10 * (24 * 32**2 + 4 * 10 * 32)
    assert part.activation_bytes(3, 10) == 2 * 3 * 10 * 32 * 2 + 3 * 10 * (34 * 32 + 5 * 4 * 10)
    steps = released_shapes.steps_of(released_shapes.CORPORA["CMU-MOSI"])
    assert steps == {"text": 18, "audio": 422, "video": 126}
