"""Seven mends of fairseq 0.12 that a plugin cannot make through its interfaces.

1. fairseq copies one checkpoint file onto the other in place; a process killed meanwhile leaves
   half a ``checkpoint_last.pt``, and training cannot go on. We copy beside it and move.
2. fairseq counts the validations without improvement (``--patience``) in memory only, so a run
   that is killed and started again trains longer than one that was not, and a run that has
   stopped early goes on when started again. We keep the count in the checkpoint.
3. fairseq gathers what cannot be summed through a CUDA buffer, also where there is no CUDA. We
   use torch's own gathering of objects there.
4. fairseq reads a checkpoint without saying which file it could not read. We say it in a sentence.
5. fairseq hides why weights could not be loaded behind a sentence about architectures. Where we
   have told the user why, that stays the last word.
6. ``--bf16`` on fairseq's command line means a TPU. Where there is none it means what it says.
7. With ``--fp16`` and ``--bf16`` fairseq trains weights of 32 bits and keeps those of 16 in the
   checkpoint, so a run that is killed and started again ends elsewhere. We keep both.

Also silenced: the warnings that fairseq's old calls to Hydra and torch draw at every start.
"""

import logging
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq import utils as fairseq_utils
from fairseq.distributed import utils as distributed_utils
from fairseq.file_io import PathManager
from fairseq.optim.fp16_optimizer import _FP16OptimizerMixin

from mia_fairseq.errors import InputError, refused_pickle

logger = logging.getLogger(__name__)

STATE_KEY = "early_stopping"
FULL_WEIGHTS = "fp32_params"  # in the optimizer's state


def apply() -> None:
    """Puts the mends in place; a second call changes nothing."""
    if getattr(checkpoint_utils, "_mended_by_mia_fairseq", False):
        return
    checkpoint_utils._mended_by_mia_fairseq = True
    PathManager.copy = staticmethod(_copy_atomically(PathManager.copy))
    checkpoint_utils.load_checkpoint = _load_and_restore_patience(checkpoint_utils.load_checkpoint)
    checkpoint_utils.load_checkpoint_to_cpu = _read_or_say_why(
        checkpoint_utils.load_checkpoint_to_cpu
    )
    for command in ("fairseq_cli.train", "__main__"):
        module = sys.modules.get(command)
        if hasattr(module, "convert_namespace_to_omegaconf"):
            module.convert_namespace_to_omegaconf = _bf16_without_tpu(  # type: ignore[union-attr]
                module.convert_namespace_to_omegaconf  # type: ignore[union-attr]
            )
    _FP16OptimizerMixin.state_dict = _with_full_weights(_FP16OptimizerMixin.state_dict)
    _FP16OptimizerMixin.load_state_dict = _and_full_weights(_FP16OptimizerMixin.load_state_dict)
    distributed_utils.all_gather_list = _gather_on_any_device(distributed_utils.all_gather_list)
    warnings.filterwarnings("ignore", module="hydra")
    warnings.filterwarnings("ignore", message=r"\s*'config' is validated against ConfigStore")
    warnings.filterwarnings("ignore", message="'pin_memory' argument is set as true")
    warnings.filterwarnings("ignore", message="`torch.cuda.amp.autocast")


def early_stopping_state() -> dict[str, Any]:
    """The count of validations without improvement, for the checkpoint."""
    counter = _counter()
    if not hasattr(counter, "best"):
        return {}
    return {STATE_KEY: {"best": float(counter.best), "num_runs": int(counter.num_runs)}}


def _counter() -> Any:
    """fairseq-train's function that counts; its state hangs on it as attributes."""
    for name in ("fairseq_cli.train", "__main__"):
        function = getattr(sys.modules.get(name), "should_stop_early", None)
        if function is not None:
            return function
    return None


def _copy_atomically(original: Callable[..., Any]) -> Callable[..., Any]:
    def copy(src_path: str, dst_path: str, overwrite: bool = False) -> Any:
        if PathManager.path_requires_pathmanager(dst_path):  # a remote store has its own way
            return original(src_path, dst_path, overwrite)
        partial = Path(f"{dst_path}.partial")
        shutil.copyfile(src_path, partial)
        partial.replace(dst_path)
        return dst_path

    return copy


def _load_and_restore_patience(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_checkpoint(cfg: Any, trainer: Any, **passthrough: Any) -> Any:
        try:
            extra_state, epoch_itr = original(cfg, trainer, **passthrough)
        except Exception as error:
            if isinstance(error.__context__, InputError):
                raise error.__context__ from None
            raise
        if extra_state and not (cfg.reset_meters or cfg.reset_optimizer or cfg.reset_dataloader):
            _restore_patience(extra_state.get(STATE_KEY), cfg)
        return extra_state, epoch_itr

    return load_checkpoint


def _restore_patience(state: Mapping[str, Any] | None, cfg: Any) -> None:
    counter = _counter()
    if not state or counter is None or cfg.finetune_from_model:
        return
    counter.best, counter.num_runs = state["best"], state["num_runs"]
    if 0 < cfg.patience <= counter.num_runs:
        logger.info(
            "training has stopped early already: %d validations without improvement; "
            "raise --patience to go on",
            counter.num_runs,
        )
        raise SystemExit(0)


def _read_or_say_why(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_checkpoint_to_cpu(path: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(path, *args, **kwargs)
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such checkpoint; train one with fairseq-train") from error
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise refused_pickle(path, error) from error
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: is no checkpoint of fairseq-train ({type(error).__name__}: {error}); "
                "give one that it wrote"
            ) from error

    return load_checkpoint_to_cpu


def _bf16_without_tpu(original: Callable[..., Any]) -> Callable[..., Any]:
    def convert_namespace_to_omegaconf(args: Any) -> Any:
        if getattr(args, "bf16", False) and fairseq_utils.xm is None:
            args.tpu = False
        return original(args)

    return convert_namespace_to_omegaconf


def _with_full_weights(original: Callable[..., Any]) -> Callable[..., Any]:
    def state_dict(self: Any) -> Any:
        return {**original(self), FULL_WEIGHTS: [full.data for full in _full_weights(self)]}

    return state_dict


def _and_full_weights(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_state_dict(self: Any, state_dict: Any, optimizer_overrides: Any = None) -> None:
        state = dict(state_dict)
        written = state.pop(FULL_WEIGHTS, None)  # a checkpoint of fairseq alone has none
        original(self, state, optimizer_overrides)
        if written is not None:
            for full, saved in zip(_full_weights(self), written, strict=True):
                full.data.copy_(saved)

    return load_state_dict


def _full_weights(optimizer: Any) -> list[torch.Tensor]:
    """Flat and one a device, or as the model has them; see fairseq's ``build_fp32_params``."""
    kept = optimizer.fp32_params
    if isinstance(kept, dict):
        return list(kept.values())
    return [kept] if torch.is_tensor(kept) else list(kept)


def _gather_on_any_device(original: Callable[..., Any]) -> Callable[..., Any]:
    def all_gather_list(data: Any, group: Any = None, max_size: int = 16384) -> list[Any]:
        if torch.cuda.is_available():
            gathered: list[Any] = original(data, group=group, max_size=max_size)
            return gathered
        gathered = [None] * distributed_utils.get_world_size(group)
        torch.distributed.all_gather_object(gathered, data, group=group)
        return gathered

    return all_gather_list
