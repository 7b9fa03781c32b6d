"""A small search for settings, with Optuna or flag by flag; it reads validation only.

The space is the experiment's own, or base.yaml's. Every trial is a run like any other, kept in
``all/`` and evaluated on the validation split alone, so that a search that is killed and started
again goes on: it proposes the same trials (Optuna's sampler is seeded), and those that are
finished are not run again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mia_fairseq.errors import InputError
from mia_fairseq.experiments.plan import PlannedRow, runs_of
from mia_fairseq.experiments.runner import execute
from mia_fairseq.experiments.running.training_run import VALID, Run
from mia_fairseq.experiments.specification.run_flags import Flags, as_arguments, train_flags


@dataclass(frozen=True)
class Trial:
    """Settings that were tried: the mean of their metric on validation, or why there is none."""

    settings: Flags
    value: float | None
    refused: str = ""


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
    execute_source(entry)
    metric = metric_of(entry)
    space = {name: how for name, how in space.items() if name not in more}

    def objective(trial: Any) -> float:
        settings = {name: _propose(trial, name, how) for name, how in space.items()}
        trial.set_user_attr("settings", settings)
        value = _on_validation(entry, settings, more, out, execute)
        print(f"trial {trial.number}: {metric} {value:.4f} {settings}", flush=True)
        return value

    study = optuna.create_study(
        direction="minimize" if metric == "mae" else "maximize",
        sampler=optuna.samplers.TPESampler(seed=1),
    )
    study.optimize(objective, n_trials=trials)
    best = dict(study.best_trial.user_attrs["settings"])
    print(f"best on validation: {metric} {study.best_value:.4f}")
    print(" ".join(as_arguments(best)))
    return best


def flag_by_flag(
    entry: PlannedRow,
    space: Mapping[str, Any],
    *,
    more: Flags,
    out: Path,
    check: Callable[[PlannedRow, Flags], None],
    run: Callable[[Run], object] = execute,
) -> list[Trial]:
    """Tries the values of one flag after another, keeping what is best on validation.

    It begins with the first value of every flag and passes once over the flags in their order, so
    each row of an experiment gets as many trials as another. A later value must be better, not
    just as good.

    Args:
        entry: the row and its DATA folder; as many seeds a trial as it has runs.
        space: flag -> ``{choices: [...]}``.
        more: flags that stay as they are.
        out: the folder for all experiments.
        check: called with the row and the settings before they are tried; raises `InputError`
            where they are not to be.
        run: trains and evaluates a run where that is not done.

    Returns:
        All trials, the best of them first; those that `check` refused have no value.

    Raises:
        InputError: the space has something else than choices, or the start was refused.
    """
    for name, how in space.items():
        if set(how) != {"choices"} or not how["choices"]:
            raise InputError(f"search of {name} is {how}, expected choices to try one by one")
    values = {name: how["choices"] for name, how in space.items() if name not in more}
    start = {name: choices[0] for name, choices in values.items()}
    check(entry, {**start, **more})
    best = Trial(start, _on_validation(entry, start, more, out, run))
    trials = [best]
    for name, (_, *others) in values.items():
        so_far = best.settings
        for other in others:
            settings = {**so_far, name: other}
            try:
                check(entry, {**settings, **more})
            except InputError as refusal:
                trials.append(Trial(settings, None, str(refusal)))
                continue
            trials.append(Trial(settings, _on_validation(entry, settings, more, out, run)))
            if _better(entry, trials[-1], best):
                best = trials[-1]
    return [best, *(trial for trial in trials if trial is not best)]


def execute_source(entry: PlannedRow) -> None:
    """Trains what a row starts from, where that is not done; no test split is read."""
    for run in entry.source.runs if entry.source else ():
        execute(replace(run, evaluations=(VALID,)))


def metric_of(entry: PlannedRow) -> str:
    """What a search looks at: MAE for scores, weighted F1 for classes."""
    return "mae" if entry.store.label.kind == "regression" else "weighted_f1"


def _better(entry: PlannedRow, one: Trial, other: Trial) -> bool:
    if one.value is None or other.value is None:
        return other.value is None
    return one.value < other.value if metric_of(entry) == "mae" else one.value > other.value


def _on_validation(
    entry: PlannedRow, settings: Flags, more: Flags, out: Path, run: Callable[[Run], object]
) -> float:
    """The mean of the metric over the seeds, each of which ``run`` has trained and evaluated."""
    row = replace(entry.row, flags={**entry.row.flags, **settings})
    flags = train_flags(row, entry.store.label.kind, more)
    runs = runs_of(row, entry.store, flags, len(entry.runs), out.resolve() / "all", (VALID,))
    for seed in runs:
        run(seed)
    values = [seed.results("valid")[metric_of(entry)] for seed in runs]
    return float(sum(values) / len(values))


def _propose(trial: Any, name: str, how: Any) -> Any:
    if set(how) == {"choices"}:
        return trial.suggest_categorical(name, how["choices"])
    if set(how) - {"log"} != {"low", "high"}:
        raise InputError(f"search of {name} is {how}, expected choices, or low and high")
    value = trial.suggest_float(name, how["low"], how["high"], log=how.get("log", False))
    return float(f"{value:.3g}")
