"""Experiments end to end on a small corpus: two runners at once, a kill, a restart, the report."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness import EMOTIONS, ROOT, SCORES, make_store

from mia_fairseq.data.format.folds import FoldedStore
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.format.store import Store
from mia_fairseq.errors import InputError
from mia_fairseq.experiments import __main__ as run_module
from mia_fairseq.experiments import search as search_module
from mia_fairseq.experiments.plan import plan
from mia_fairseq.experiments.running.logged_commands import RunError, locked
from mia_fairseq.experiments.running.training_run import Evaluation, Run, different_runs
from mia_fairseq.experiments.search import search
from mia_fairseq.experiments.slurm import execute_on_slurm
from mia_fairseq.experiments.which_main import recommend
from mia_fairseq.report import __main__ as report_module

EXPERIMENT = """
claim: Two runs of two seeds.
needs: any DATA.
status: a test
runs:
  MIA-Net: {flags: {channels: 2}}
  text only: {flags: {arch: unimodal}}
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("experiment") / "toy.yaml"
    file.write_text(EXPERIMENT)
    return file


def command(experiment: Path, corpus: Path, out: Path, *more: str) -> list[str]:
    flags = ["--data", str(corpus), "--out", str(out), "--seeds", "2", "--max-epoch", "1", *more]
    return [sys.executable, "-m", "mia_fairseq.experiments", str(experiment), *flags]


def start(words: list[str]) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(words, cwd=ROOT, env=environment, start_new_session=True, **pipes)


def report(out: Path) -> str:
    report_module.main([str(out), "--out", str(out / "report.html"), "--resamples=200"])
    return (out / "report.html").read_text()


@pytest.fixture(scope="module")
def finished(experiment: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment, run by two runners at once."""
    out = tmp_path_factory.mktemp("runs")
    words = command(experiment, corpus, out)
    both = [start(words), start(words)]
    for runner in both:
        printed, _ = runner.communicate(timeout=280)
        assert runner.returncode == 0, printed
    return out


def trainings(run: Path) -> int:
    return (run / "train.log").read_text().count("task: MultimodalAffectTask")


def test_two_runners_at_once_run_nothing_twice(finished: Path) -> None:
    runs = sorted((finished / "all").glob("*/seed?"))
    assert len(runs) == 4
    for run in runs:
        assert trainings(run) == 1
        assert (run / "evaluate.log").read_text().count("valid on 'test' subset") == 1
    rows = json.loads((finished / "toy" / "DATA.json").read_text())
    assert {name: len(seeds) for name, seeds in rows.items()} == {"MIA-Net": 2, "text only": 2}
    assert all(seed["n"] == 23 for seeds in rows.values() for seed in seeds)


def test_killed_and_started_again_the_report_is_the_same(
    experiment: Path,
    corpus: Path,
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the runner is killed: its training ends with it, and the next runner takes over."""
    out = tmp_path / "runs"
    shutil.copytree(finished, out)
    lost = sorted((out / "all").glob("*/seed2"))[0]
    shutil.rmtree(lost)
    runner = start(command(experiment, corpus, out))
    deadline, log = time.monotonic() + 240, lost / "train.log"
    while not (log.is_file() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    with locked(lost, wait=True) as lock:  # free as soon as the training is dead
        assert lock is not None and not (lost / "test.json").exists()
    run_module.main(command(experiment, corpus, out)[3:])
    assert "of which 3 are finished" in capsys.readouterr().out
    assert report(out) == report(finished)


def test_a_run_cut_off_before_its_evaluation_is_only_evaluated(
    experiment: Path, corpus: Path, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    shutil.copytree(finished, out)
    lost = sorted((out / "all").glob("*/seed2"))[0]
    before = (lost / "test.tsv").read_bytes()
    for name in ("test.json", "test.tsv"):
        (lost / name).unlink()
    run_module.main(command(experiment, corpus, out)[3:])
    assert trainings(lost) == 1 and (lost / "test.tsv").read_bytes() == before


def test_a_failed_run_does_not_keep_others_from_running(
    corpus: Path, finished: Path, tmp_path: Path
) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(EXPERIMENT + "  broken: {flags: {main-modality: smell}}\n")
    out = tmp_path / "runs"
    shutil.copytree(finished, out)
    with pytest.raises(SystemExit, match=r"(?s)1 of 3 runs failed.*no modality 'smell'"):
        run_module.main(command(file, corpus, out, "--seeds", "1")[3:])
    page = report(out)
    assert "seed1 failed" in page and "0 of 1 seeds are finished" in page


def test_print_shows_plain_commands_and_runs_nothing(
    experiment: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_module.main(
        [str(experiment), "--data", str(corpus), "--print", "--seeds=1", f"--out={tmp_path}"]
    )
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "# toy.yaml inherits base.yaml:" and "#   lr: 1e-3" in shown
    lines = [line for line in shown if not line.startswith("#")]
    assert [line.split()[0] for line in lines] == ["fairseq-train", *["fairseq-validate"] * 2] * 2
    assert "--lr 1e-3" in lines[0] and "--seed 1" in lines[0]
    assert not list(tmp_path.iterdir())


def test_the_script_starts_from_any_folder_without_the_package(tmp_path: Path) -> None:
    for script, module in (("run.py", "experiments"), ("report.py", "report")):
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        result = subprocess.run(
            [sys.executable, str(ROOT / "examples" / script), "--help"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        assert f"usage: python -m mia_fairseq.{module} " in result.stdout


def test_what_is_given_wrongly_is_told(experiment: Path, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs --data"):
        run_module.main([str(experiment)])
    with pytest.raises(InputError, match="must be 1 or more"):
        run_module.main([str(experiment), "--data", str(corpus), "--jobs", "0"])
    with pytest.raises(InputError, match="different names"):
        run_module.main([str(experiment), "--data", str(corpus), str(corpus)])
    with pytest.raises(InputError, match="FLAG=VALUE"):
        run_module.main([str(experiment), "--data", str(corpus), "--set", "lr"])


def test_flags_or_data_that_differ_make_another_run(experiment: Path, tmp_path: Path) -> None:
    chosen = run_module.experiments.load(str(experiment))
    stores = [make_store(tmp_path / name, {"text": 3, "audio": 2}) for name in ("A", "B")]
    first, other_data = (
        plan(chosen, [store], seeds=1, out=tmp_path, more={})[0].runs[0] for store in stores
    )
    other_flags = plan(chosen, stores[:1], seeds=1, out=tmp_path, more={"lr": "1"})[0].runs[0]
    assert len({run.folder for run in (first, other_data, other_flags)}) == 3


def test_folders_of_one_name_go_together_by_links(experiment: Path, tmp_path: Path) -> None:
    chosen = run_module.experiments.load(str(experiment))
    links = []
    for corpus in ("MOSI", "MELD"):
        data = make_store(tmp_path / f"of_{corpus}" / "DATA", {"text": 3, "audio": 2})
        links.append(tmp_path / corpus)
        links[-1].symlink_to(data)
    planned = plan(chosen, links, seeds=1, out=tmp_path, more={})
    assert {place.data.name for entry in planned for place in entry.tables} == {"MOSI", "MELD"}


def test_other_rows_at_the_same_path_make_another_run(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 3, "audio": 2})
    run = Run("x", data, (), 1, tmp_path, evaluations=())
    run.folder.mkdir(parents=True)
    written = run.folder / "run.json"
    written.write_text(json.dumps(run.describe()))
    assert run.finished
    make_store(data, {"text": 3, "audio": 2}, seed=7)
    assert not run.finished
    older = {k: v for k, v in run.describe().items() if k != "content_sha256"}
    written.write_text(json.dumps(older))  # from before DATA told what it holds
    assert run.finished


def test_a_named_file_that_changed_makes_another_run(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 3, "audio": 2})
    table, checkpoint = tmp_path / "teacher.tsv", tmp_path / "best.pt"
    encoders = f"text=trained:{checkpoint},audio=hf:minilm"
    flags = ("--teacher", str(table), "--encoder", encoders, "--lr", "1")
    run = Run("x", data, flags, 1, tmp_path, evaluations=())
    assert "files_sha256" not in run.describe()  # before the runs that write them
    table.write_text("one")
    checkpoint.write_text("two")
    assert set(run.describe()["files_sha256"]) == {str(table), str(checkpoint)}
    run.folder.mkdir(parents=True)
    (run.folder / "run.json").write_text(json.dumps(run.describe()))
    assert run.finished
    checkpoint.write_text("three")
    assert not run.finished


def test_labels_of_another_range_make_another_run(tmp_path: Path) -> None:
    """The same rows: their range decides metrics, and what a model may put out."""
    data = make_store(tmp_path / "DATA", {"text": 3}, label=LabelSpec("regression", -1, 1))
    run = Run("x", data, (), 1, tmp_path, (evaluation := Evaluation("test", "test"),))
    run.folder.mkdir(parents=True)
    (run.folder / "run.json").write_text(json.dumps(run.describe()))
    (run.folder / "test.json").write_text("{}")
    about = run.folder / "test.about.json"
    about.write_text(json.dumps(run.describe_evaluation(evaluation)))
    assert run.finished
    meta = json.loads((data / "meta.json").read_text())
    (data / "meta.json").write_text(json.dumps({**meta, "label": {**meta["label"], "min": -3}}))
    assert not run.trained and run.open_evaluations()
    for file in (about, run.folder / "run.json"):  # as they were before runs told of labels
        told = json.loads(file.read_text())
        file.write_text(json.dumps({key: told[key] for key in told if key != "label"}))
    assert run.finished


def test_runs_of_one_folder_have_the_evaluations_of_both(tmp_path: Path) -> None:
    file = tmp_path / "same.yaml"
    step = "  step: {flags: {channels: 2}, only_validation: true}\n"
    file.write_text(EXPERIMENT + step)
    data = make_store(tmp_path / "DATA", {"text": 3, "audio": 2})
    chosen = run_module.experiments.load(str(file))
    planned = plan(chosen, [data], seeds=2, out=tmp_path, more={})
    runs = [run for entry in planned for run in entry.runs]
    for given in (runs, runs[::-1]):
        different = different_runs(given)
        assert len(different) == len({run.folder for run in runs}) == 4
        for run in different:
            assert {evaluation.name for evaluation in run.evaluations} == {"valid", "test"}


def test_a_row_that_starts_from_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what is searched when it is named, its source being trained; over folds, each fold's
    run starts from the same fold's checkpoint."""
    file = tmp_path / "two.yaml"
    later = "  later: {after: text only, flags: {init-from: '{checkpoint}'}}\n"
    file.write_text(EXPERIMENT + later)
    data = make_store(tmp_path / "DATA", {"text": 3, "audio": 2})
    found = []
    monkeypatch.setattr(search_module, "search", lambda entry, *_, **__: found.append(entry))
    words = [str(file), "--data", str(data), "--out", str(tmp_path / "runs"), "--search", "2"]
    for rows in ([], ["--rows", "later", "MIA-Net"]):
        run_module.main([*words, *rows])
    assert [entry.row.name for entry in found] == ["MIA-Net", "later"]
    trained = []
    monkeypatch.setattr(search_module, "execute", trained.append)
    search_module.execute_source(found[1])
    source = found[1].source
    assert source.row.name == "text only" and [run.folder for run in trained] == [
        run.folder for run in source.runs
    ]
    assert {e.split for run in trained for e in run.evaluations} == {"valid"}
    checkpoint = str(source.runs[0].folder.parent / "seed{seed}" / "checkpoint_best.pt")
    assert found[1].row.flags["init-from"] == checkpoint  # as a trial needs it

    def folded(_self: Store) -> np.ndarray:
        return np.array([(0, row, row % 3) for row in range(9)])

    monkeypatch.setattr(FoldedStore, "_read_folds", folded)
    chosen = run_module.experiments.load(str(file))
    planned = plan(chosen, [data], seeds=2, out=tmp_path, more={}, folds=True)
    first, second = planned[1].runs[1].parts, planned[2].runs[1].parts
    for fold in range(3):
        flags = second[fold].flags
        place = flags[flags.index("--init-from") + 1]
        assert place == str(first[fold].folder / "checkpoint_best.pt")


def test_an_evaluation_of_other_flags_or_data_is_open_again(tmp_path: Path) -> None:
    data, other = (make_store(tmp_path / name, {"text": 3, "audio": 2}) for name in ("A", "B"))
    first = Evaluation("missing", "test", ("--drop", "audio"), other)
    run = Run("x", data, (), 1, tmp_path, (first,))
    run.folder.mkdir(parents=True)
    (run.folder / "run.json").write_text(json.dumps(run.describe()))
    assert not run.finished
    (run.folder / "missing.json").write_text("{}")
    assert run.finished  # as it was before evaluations told what made them
    about = run.folder / "missing.about.json"
    about.write_text(json.dumps(run.describe_evaluation(first)))
    assert run.finished
    for changed in ({"flags": ("--drop", "text")}, {"data": data}, {"split": "valid"}):
        assert not replace(run, evaluations=(replace(first, **changed),)).finished
    make_store(other, {"text": 3, "audio": 2}, seed=7)
    assert not run.finished


def test_which_main_ranks_by_validation(tmp_path: Path) -> None:
    chosen = run_module.experiments.load("which_main", ("text", "audio", "video"))
    dims = {"text": 3, "audio": 2, "video": 2}
    for label, metric, best, criterion in (
        (SCORES, "mae", "video", "mae_krl"),
        (EMOTIONS, "weighted_f1", "text", "ce_krl"),
        (LabelSpec("multilabel", names=("happy", "sad")), "weighted_f1", "text", "bce_krl"),
    ):
        data = make_store(tmp_path / criterion, dims, label=label)
        planned = plan(chosen, [data], seeds=2, out=tmp_path, more={})
        for entry, mean in zip(planned, (0.9, 0.5, 0.41), strict=True):
            for run, shift in zip(entry.runs, (-0.1, 0.1), strict=True):
                assert [evaluation.split for evaluation in run.evaluations] == ["valid"]
                run.folder.mkdir(parents=True)
                (run.folder / "valid.json").write_text(json.dumps({metric: mean + shift}))
        text = recommend(planned)
        assert f"--main-modality {best} " in text and "0.900 ± 0.141" in text
        assert ("too close to call" in text) == (metric == "mae")
        assert f"--criterion {criterion} " in text
    assert "--aux-modalities audio,video" in text


def test_slurm_needs_submitit_and_slurm(
    experiment: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(
        run_module.experiments.load(str(experiment)), [corpus], seeds=1, out=tmp_path, more={}
    )
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match="pip install submitit"):
        execute_on_slurm(planned[0].runs, jobs=1, logs=tmp_path / "slurm", options=())


def test_search_needs_optuna(
    experiment: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = run_module.experiments.load(str(experiment))
    entry = plan(chosen, [corpus], seeds=1, out=tmp_path, more={})[0]
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match="pip install optuna"):
        search(entry, chosen.search, trials=1, more={}, out=tmp_path)


def test_a_search_reads_validation_only(experiment: Path, corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    chosen = run_module.experiments.load(str(experiment))
    more = {"max-epoch": "1"}
    entry = plan(chosen, [corpus], seeds=1, out=tmp_path, more=more)[0]
    best = search(entry, chosen.search, trials=2, more=more, out=tmp_path)
    assert set(best) == set(run_module.experiments.base()["search"])
    assert len(list(tmp_path.glob("all/*/seed1/valid.json"))) == 2
    assert not list(tmp_path.glob("all/*/seed1/test*"))


def test_the_end_of_a_failed_command_is_told(tmp_path: Path) -> None:
    from mia_fairseq.experiments.running.logged_commands import call

    with pytest.raises(RunError, match="no module named nothing_here"):
        call(["python", "-c", "raise SystemExit('no module named nothing_here')"], tmp_path / "log")


def test_slurm_gets_what_is_not_finished_and_tells_what_failed(
    experiment: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for submitit that runs nothing."""
    submitted: list[object] = []
    settings: dict[str, object] = {}

    class Job:
        def __init__(self, run: object) -> None:
            submitted.append(run)

        def exception(self) -> Exception | None:
            return RuntimeError("out of time") if len(submitted) > 1 else None

    class AutoExecutor:
        def __init__(self, folder: str, cluster: str) -> None:
            assert cluster == "slurm"

        def update_parameters(self, **given: object) -> None:
            settings.update(given)
            if "tim" in given:
                raise NameError("tim\nand more")

        def map_array(self, _function: object, runs: list[object]) -> list[Job]:
            return [Job(run) for run in runs]

    fake = types.ModuleType("submitit")
    fake.AutoExecutor = AutoExecutor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "submitit", fake)
    chosen = run_module.experiments.load(str(experiment))
    planned = plan(chosen, [corpus], seeds=2, out=tmp_path, more={})
    runs = [run for entry in planned for run in entry.runs]
    logs = tmp_path / "slurm"
    with pytest.raises(InputError, match=r"refuses the options \(tim\)"):
        execute_on_slurm(runs, jobs=3, logs=logs, options=["tim=9"])
    with pytest.raises(SystemExit, match=r"(?s)4 of 4 runs failed.*out of time"):
        execute_on_slurm([*runs, runs[0]], jobs=3, logs=logs, options=["timeout_min=9"])
    assert submitted == runs
    assert settings["slurm_array_parallelism"] == 3 and settings["timeout_min"] == 9
