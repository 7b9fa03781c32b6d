"""A checkpoint that cannot be used is named, and so is the reason; it is read as data only.

Symptom: a missing, truncated or foreign file ends in a traceback that does not name it; weights
that do not fit end in "please check that the architectures match", whatever the reason was. With a
``--restore-file`` that is not there, training starts afresh. Weights of other folds, classes or
modalities that have the right shapes are taken over in silence.
Cause: ``fairseq/checkpoint_utils.py``, ``load_checkpoint_to_cpu``: ``torch.load(f, ...)`` without
the path; ``fairseq/trainer.py``, ``load_checkpoint``: ``except Exception: raise Exception(...)``;
it never calls ``task.load_state_dict``.
Delete it when: fairseq names the file, raises ``from`` the reason, and asks the task.
Fails without it: ``tests/fairseq_patches/test_checkpoint_errors.py``.
"""

import pickle
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from fairseq import checkpoint_utils
from fairseq.dataclass.utils import overwrite_args_by_name
from fairseq.file_io import PathManager
from omegaconf import OmegaConf

from mia_fairseq.checkpoints.checkpoint_file import read_state
from mia_fairseq.checkpoints.plain_values import AGAIN
from mia_fairseq.errors import InputError, refused_pickle, shortened
from mia_fairseq.pretrained.fairseq_checkpoints import reading_release

LAST = "checkpoint_last.pt"  # of --save-dir, which need not be there
RESETS = ("reset_optimizer", "reset_lr_scheduler", "reset_meters", "reset_dataloader")
_checks: ContextVar[Callable[[Any, str], None] | None] = ContextVar("checks", default=None)
MEND = "give the flags of its training, or another --save-dir"


def apply() -> None:
    """Replaces ``load_checkpoint_to_cpu`` and ``load_checkpoint`` of ``checkpoint_utils``."""
    checkpoint_utils.load_checkpoint_to_cpu = _as_data(checkpoint_utils.load_checkpoint_to_cpu)
    checkpoint_utils.load_checkpoint = _with_reason(checkpoint_utils.load_checkpoint)


def _as_data(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_checkpoint_to_cpu(
        path: str, arg_overrides: Any = None, load_on_all_ranks: bool = False
    ) -> Any:
        if reading_release.get():
            try:
                return original(path, arg_overrides, load_on_all_ranks)
            except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
                raise refused_pickle(path, error) from error
        state = read_state(PathManager.get_local_path(path))
        check = _checks.get()  # of the training that is to go on from it
        if check is not None:
            check(state, path)
        try:
            state = {**state, "args": None}
            state["cfg"] = OmegaConf.create(state["cfg"], flags={"allow_objects": True})
            overwrite_args_by_name(state["cfg"], dict(arg_overrides or {}))
            return checkpoint_utils._upgrade_state_dict(state)
        except Exception as error:  # whatever fairseq makes of a changed file
            raise InputError(
                f"{path}: is no checkpoint of fairseq-train ({type(error).__name__}: "
                f"{shortened(error)}); {AGAIN}"
            ) from error

    return load_checkpoint_to_cpu


def _with_reason(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_checkpoint(cfg: Any, trainer: Any, **passthrough: Any) -> Any:
        _check_start(cfg)
        token = _checks.set(_check_of(cfg, getattr(trainer, "task", None)))
        try:
            return original(cfg, trainer, **passthrough)
        except (InputError, OSError):
            raise
        except Exception as error:
            reason = error.__context__
            if isinstance(reason, InputError):
                raise reason from None
            name = _file_read(cfg)
            if name is None:  # nothing was read, so something else failed
                raise
            what = type(reason or error).__name__, shortened(reason or error)
            if isinstance(error, AssertionError):
                told = f"{name}: training cannot go on from it: {shortened(error)}"
            elif isinstance(reason, RuntimeError):
                told = f"{name}: its model is another one than that of these flags ({what[1]})"
            else:
                told = f"{name}: training cannot go on from it ({what[0]}: {what[1]})"
            raise InputError(f"{told}; {MEND}") from error
        finally:
            _checks.reset(token)

    return load_checkpoint


def _check_of(cfg: Any, task: Any) -> Callable[[Any, str], None] | None:
    """What the task says of a checkpoint that training is to go on from."""
    if not hasattr(task, "check_start"):
        return None

    def check(state: Any, path: str) -> None:
        own = cfg.restore_file == LAST and Path(path).parent == Path(cfg.save_dir)
        task.check_start(state, path, same_training=own and path != cfg.finetune_from_model)

    return check


def _check_start(cfg: Any) -> None:
    """Raises `InputError` where training cannot start from what it is told to start from.

    fairseq starts afresh, with a line in its log, where ``--restore-file`` is not there.
    """
    start, other = cfg.finetune_from_model, cfg.restore_file
    if other != LAST and not PathManager.isfile(other):
        raise InputError(f"{other}: no such checkpoint; mend --restore-file, or leave it out")
    if start is None:
        return
    others = ["restore_file"] * (other != LAST) + [name for name in RESETS if getattr(cfg, name)]
    if others:
        option = "--" + others[0].replace("_", "-")
        raise InputError(
            f"--finetune-from-model starts anew from the weights of {start}, and {option} is for "
            "going on with a training; give one of the two"
        )
    if not PathManager.isfile(start):
        raise InputError(f"{start}: no such checkpoint; mend --finetune-from-model")


def _file_read(cfg: Any) -> str | None:
    """The file that training was to start or go on from; None where there is none."""
    candidates = (
        Path(cfg.save_dir) / cfg.restore_file,  # an absolute one stays as it is
        cfg.restore_file,
        cfg.finetune_from_model,
    )
    return next((str(path) for path in candidates if path and Path(path).exists()), None)
