"""Rows tuned alike: which are searched, what becomes of the rest, and what parameters count."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from fairseq import options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from harness import EMOTIONS, make_store, touch

from mia_fairseq.data.format.store import Store
from mia_fairseq.experiments import __main__ as run_module
from mia_fairseq.experiments import tuning
from mia_fairseq.experiments.running.training_run import Run
from mia_fairseq.experiments.search import Trial
from mia_fairseq.experiments.specification import experiment as experiments
from mia_fairseq.experiments.specification.run_flags import Flags, as_arguments

EXPERIMENT = """
claim: Two fusions, two settings.
needs: any DATA.
status: a test
reference: MIA-Net
runs:
  MIA-Net: {}
  concat: {flags: {arch: concat}}
search: {lr: {choices: [1, 2]}}
tune: {most-parameters: 50000}
"""


def test_rows_that_are_not_named_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that have been searched; what has not is told, and nothing else is searched."""
    trained: list[str] = []

    def train(run: Run) -> None:
        trained.append(run.title)
        touch(run.folder / "run.json", json.dumps(run.describe()))
        touch(run.folder / "valid.json", json.dumps({"mae": 1.0}))

    monkeypatch.setattr(tuning, "execute", train)
    monkeypatch.setattr(tuning, "parameters", lambda *_: 1)
    monkeypatch.setattr(run_module, "execute_all", lambda *_, **__: None)
    data = make_store(tmp_path / "DATA", {"text": 3, "audio": 2, "video": 2})
    file, out = tmp_path / "two.yaml", tmp_path / "runs"
    file.write_text(EXPERIMENT)
    words = [str(file), "--data", str(data), "--out", str(out), "--seeds", "2"]
    for named, rows, lacking in (
        ("concat", ["concat"], "MIA-Net"),
        ("MIA-Net", ["MIA-Net", "concat"], ""),
    ):
        trained.clear()
        run_module.main([*words, "--rows", named])
        printed = capsys.readouterr().out
        assert set(trained) == {named} and "2 runs, of which 0 are finished" in printed
        assert (f"not searched yet, so left out: {lacking}\n" in printed) == bool(lacking)
        assert list(json.loads((out / "two" / "trials.json").read_text())) == rows
        assert list(yaml.safe_load((out / "two" / "two.yaml").read_text())["runs"]) == rows
        index = json.loads((out / "two" / "index.json").read_text())
        assert [row["evaluations"][0]["row"] for row in index["rows"]] == rows


FULL = """
claim: c
needs: n
status: s
constant: true
only_validation: true
folds: true
seeds: 3
split: the official one
transfer: {reset-head: true}
evaluations: {no audio: {drop: audio}, none: null}
data: {DATA: [make it]}
runs:
  A: {data: DATA, only_validation: true}
  B: {flags: {init-from: "{checkpoint}"}, after: A, paper: B of theirs}
  C: {after: D}
  D: {}
"""


def test_what_is_tuned_is_in_all_else_the_same(tmp_path: Path) -> None:
    file = tmp_path / "full.yaml"
    file.write_text(FULL)
    chosen = experiments.load(str(file))
    found = {name: [Trial({"lr": 1}, 0.5)] for name in "ABC"}  # C's source was not searched
    tuned = experiments.load(str(tuning.write_tuned(chosen, found, tmp_path / "tuned.yaml")))
    for key in ("constant", "only_validation", "folds", "seeds", "transfer", "evaluations"):
        assert getattr(tuned, key) == getattr(chosen, key)
    assert tuned.about == chosen.about
    assert tuned.rows == tuple(
        replace(row, flags={**row.flags, "lr": 1}, shared=tuned.rows[0].shared)
        for row in chosen.rows[:2]
    )


@pytest.mark.parametrize(
    ("arch", "flags"),
    [
        ("transformer", {"fusion-dim": "64"}),
        ("transformer", {"fusion-layers": "4"}),
        ("tfn", {"tfn-dim": "5"}),
        ("lmf", {"lmf-rank": "9"}),
        ("mia_net", {"no-adapters": True}),
        ("mia_net", {"derive": "text2=linear(text)"}),
        ("unimodal", {"conversation": "bc_lstm"}),
        ("unimodal", {"conversation": "bc_lstm", "conversation-past": True}),
        ("unimodal", {"crf": True}),
    ],
)
def test_parameters_are_those_that_training_would_have(
    arch: str, flags: Flags, tmp_path: Path
) -> None:
    """Every flag counts, as in the model that the task builds."""
    data = make_store(tmp_path / "DATA", {"text": 5, "audio": 3, "video": 2}, label=EMOTIONS)
    shared = {"arch": arch, "criterion": "ce_krl", "main-modality": "text", "channels": "2"}
    shared |= {"aux-modalities": "audio,video", "encoder": "", "adam-betas": "(0.9, 0.98)"}
    plain, given = (as_arguments({**shared, **more}) for more in ({}, flags))
    parser = options.get_training_parser("multimodal_affect")
    args = options.parse_args_and_arch(parser, [str(data), "--task=multimodal_affect", *given])
    cfg = convert_namespace_to_omegaconf(args)
    built = tasks.setup_task(cfg.task).build_model(cfg.model)
    expected = sum(p.numel() for p in built.parameters())
    assert tuning.parameters(Store(data), given) == expected
    assert tuning.parameters(Store(data), plain) != expected
