"""A small search for settings with Optuna; it reads validation only.

The space is the experiment's own, or base.yaml's. Every trial is a run like any other, kept in
``all/`` and evaluated on the validation split alone, so that a search that is killed and started
again goes on: the sampler is seeded, so it proposes the same trials, and those that are finished
are not run again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.experiment import Flags, Row, as_arguments, train_flags
from examples.plan import PlannedRow, run_name
from examples.runner import VALID, Run, execute
from mia_fairseq.errors import InputError


def search(
    entry: PlannedRow, space: Mapping[str, Any], *, trials: int, more: Flags, out: Path
) -> dict[str, Any]:
    """Searches settings for one row of an experiment and prints the best.

    Args:
        entry: the row and its DATA folder; as many seeds a trial as it has runs.
        space: flag -> ``{choices: [...]}`` or ``{low: ..., high: ..., log: ...}``.
        trials: how many settings to try.
        more: flags that stay as they are.
        out: the folder for all experiments.

    Returns:
        The best settings, by mean validation MAE, or weighted F1 for classes.

    Raises:
        InputError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "--search needs optuna, which is not installed; pip install optuna"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scores = entry.store.label.kind == "regression"
    metric = "mae" if scores else "weighted_f1"
    space = {name: how for name, how in space.items() if name not in more}

    def objective(trial: Any) -> float:
        settings = {name: _propose(trial, name, how) for name, how in space.items()}
        trial.set_user_attr("settings", settings)
        values = [run.results("valid")[metric] for run in _executed(entry, settings, more, out)]
        print(
            f"trial {trial.number}: {metric} {sum(values) / len(values):.4f} {settings}", flush=True
        )
        return float(sum(values) / len(values))

    study = optuna.create_study(
        direction="minimize" if scores else "maximize", sampler=optuna.samplers.TPESampler(seed=1)
    )
    study.optimize(objective, n_trials=trials)
    best = dict(study.best_trial.user_attrs["settings"])
    print(f"best on validation: {metric} {study.best_value:.4f}")
    print(" ".join(as_arguments(best)))
    return best


def _executed(entry: PlannedRow, settings: Flags, more: Flags, out: Path) -> list[Run]:
    row = Row(entry.row.name, {**entry.row.flags, **settings})
    flags = train_flags(row, entry.store.label.kind, more)
    name = run_name(row, entry.store.path, flags)
    runs = [
        Run(name, entry.store.path, flags, run.seed, out.resolve() / "all", (VALID,))
        for run in entry.runs
    ]
    for run in runs:
        execute(run)
    return runs


def _propose(trial: Any, name: str, how: Any) -> Any:
    if set(how) == {"choices"}:
        return trial.suggest_categorical(name, how["choices"])
    if set(how) - {"log"} != {"low", "high"}:
        raise InputError(f"search of {name} is {how}, expected choices, or low and high")
    value = trial.suggest_float(name, how["low"], how["high"], log=how.get("log", False))
    return float(f"{value:.3g}")
