"""``adam_fused``: Adam in one pass over the weights, with fairseq's scaling folded into it.

fairseq sums gradients over a batch and, before each step, goes over all of them twice more: to
divide by the number of utterances and to take their norm. Its Adam then goes over each weight a
dozen times. Here the division, and clipping where it is asked for, are kept as one factor that
torch's fused step applies while it reads the gradients.
"""

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer, register_optimizer
from omegaconf import II
from torch import Tensor

from mia_fairseq.encoders.learning import lr_scale_of
from mia_fairseq.errors import InputError
from mia_fairseq.plugin import flag_group

SCALE = "lr_scale"  # of a group: its learning rate as a share of --lr
FEW = 4096  # numbers of a gradient that are joined with others' for the norm: a call costs more


@dataclass
class FusedAdamConfig(FairseqDataclass):
    """Settings of Adam, under the names and with the defaults of fairseq's ``adam``."""

    adam_betas: str = field(
        default="(0.9, 0.999)", metadata={"help": "decay of the two running means, as fairseq's"}
    )
    adam_eps: float = field(default=1e-8, metadata={"help": "ε of Adam's Algorithm 1"})
    weight_decay: float = field(
        default=0.0, metadata={"help": "decoupled weight decay, as in AdamW and fairseq's adam"}
    )
    lr: list[float] = II("optimization.lr")  # noqa: RUF009 - fairseq's way to share a value


@register_optimizer("adam_fused", dataclass=FusedAdamConfig)
class FusedAdamOptimizer(FairseqOptimizer):
    """torch's fused AdamW; with no weight decay, Kingma and Ba's Algorithm 1.

    fairseq's ``adam`` differs in one place: it adds ε before the second running mean is corrected
    for its start, torch after.

    Until a step is taken, the parameters' ``grad`` is the sum over the batch: `multiply_grads` and
    `clip_grad_norm` only remember their factors.

    Args:
        cfg: the settings.
        params: what is learnt.

    Raises:
        InputError: ``--adam-betas`` cannot be read.
    """

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Adds the optimizer's flags (called by fairseq)."""
        super().add_args(flag_group(parser, "optimizer"))

    def __init__(self, cfg: FusedAdamConfig, params: Iterable[Tensor]) -> None:
        super().__init__(cfg)
        self._factor: float | Tensor = 1.0
        self._optimizer: Any = torch.optim.AdamW(grouped(params), **self.optimizer_config)
        self.set_lr(self.optimizer_config["lr"])

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """What a restart takes from the command line rather than from the checkpoint."""
        lr = self.cfg.lr
        return {
            "lr": float(lr if isinstance(lr, float) else lr[0]),
            "betas": read_betas(self.cfg.adam_betas),
            "eps": self.cfg.adam_eps,
            "weight_decay": self.cfg.weight_decay,
            "fused": True,
        }

    @property
    def supports_flat_params(self) -> bool:
        return True

    def get_lr(self) -> float:
        """The learning rate of the parameters whose scale is 1."""
        group = min(self.param_groups, key=lambda group: group[SCALE] != 1)
        return float(group["lr"] / group[SCALE])

    def set_lr(self, lr: float) -> None:
        """Sets each group's learning rate, as its scale has it."""
        for group in self.param_groups:
            group["lr"] = lr * group[SCALE]

    def zero_grad(self) -> None:
        super().zero_grad()
        self._factor = 1.0

    def multiply_grads(self, c: float | Tensor) -> None:
        """Remembers the factor; `step` applies it."""
        self._factor = self._factor * c

    def clip_grad_norm(
        self, max_norm: float, aggregate_norm_fn: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """The norm of the gradients, a float32 scalar; from `max_norm` on they are scaled down."""
        grads = [p.grad.detach() for p in self.params if p.grad is not None]
        if not grads:
            return torch.zeros(())
        norm = norm_of(grads) * self._factor
        if aggregate_norm_fn is not None:
            norm = aggregate_norm_fn(norm)
        if max_norm > 0:
            self._factor = self._factor * (max_norm / (norm + 1e-6)).clamp(max=1)
        return norm

    def step(
        self, closure: Callable[[], Any] | None = None, scale: float = 1.0, groups: Any = None
    ) -> None:
        """One update; gradients are divided by `scale` first, as fairseq has it."""
        factor = self._factor / scale
        device = self._optimizer.param_groups[0]["params"][0].device
        # torch divides by `grad_scale` on the way, and takes no step where `found_inf` is 1.
        divisor = 1 / torch.as_tensor(factor, dtype=torch.float32, device=device)
        self._optimizer.grad_scale = divisor
        self._optimizer.found_inf = torch.zeros((), device=device)
        try:
            self._optimizer.step(closure)
        finally:
            del self._optimizer.grad_scale, self._optimizer.found_inf
        self._factor = 1.0

    def load_state_dict(
        self, state_dict: dict[str, Any], optimizer_overrides: Mapping[str, Any] | None = None
    ) -> None:
        scales = [group[SCALE] for group in self.param_groups]
        saved = state_dict["param_groups"]
        sizes = [
            [len(group["params"]) for group in groups] for groups in (saved, self.param_groups)
        ]
        if sizes[0] != sizes[1]:
            raise InputError(
                f"the checkpoint's optimizer has groups of {sizes[0]} parameters, this run's of "
                f"{sizes[1]}: --freeze, --unfreeze-from, --encoder-lr-scale or --layer-decay have "
                "changed; go on with those of then, or start the optimizer anew with "
                "--reset-optimizer"
            )
        super().load_state_dict(state_dict, {**(optimizer_overrides or {}), "fused": True})
        lr = (optimizer_overrides or {}).get("lr", self.get_lr() if SCALE in saved[0] else None)
        for group, scale in zip(self.param_groups, scales, strict=True):
            group[SCALE] = scale  # the command line's, also where the checkpoint has another
        if lr is not None:
            self.set_lr(lr)


def grouped(params: Iterable[Tensor]) -> list[dict[str, Any]]:
    """Parameters by the group that they are marked with, in order of appearance.

    Those without a mark are one group, whose learning rate is ``--lr`` itself.
    """
    groups: dict[str, dict[str, Any]] = {}
    for parameter in params:
        name = getattr(parameter, "param_group", "default")
        group = groups.setdefault(name, {"params": [], SCALE: lr_scale_of(parameter)})
        group["params"].append(parameter)
    return list(groups.values())


def check_learning_rates(optimizer: Any, params: Iterable[Tensor]) -> None:
    """Raises `InputError` where parameters have learning rates of their own in another optimizer.

    Args:
        optimizer: fairseq's, which may be wrapped for 16 bits.
        params: what the model learns.
    """
    if all(lr_scale_of(p) == 1 for p in params if p.requires_grad):
        return
    inner = getattr(optimizer, "fp32_optimizer", getattr(optimizer, "wrapped_optimizer", optimizer))
    kept = [group.get(SCALE, 1) for group in optimizer.param_groups]
    if not isinstance(inner, FusedAdamOptimizer) or all(scale == 1 for scale in kept):
        raise InputError(
            f"--encoder-lr-scale and --layer-decay need each parameter's own learning rate, which "
            f"{type(inner).__name__} does not keep here; use --optimizer adam_fused, with "
            "--fp16-no-flatten-grads where --fp16 is given"
        )


def norm_of(grads: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of all numbers of all tensors, a float32 scalar."""
    given = list(grads)
    parts, others = [], [grad for grad in given if not _is_plain(grad)]
    flats = [grad.view(-1) for grad in given if _is_plain(grad)]
    if flats:
        few = [flat for flat in flats if flat.numel() <= FEW]
        many = [flat for flat in flats if flat.numel() > FEW]
        joined = [*many, torch.cat(few)] if few else many
        # Products are several times faster than a norm on a CPU.
        square = torch.stack([torch.dot(flat, flat) for flat in joined]).sum()
        if 1e-30 < square < 1e30:  # neither lost below float32 nor beyond it
            parts.append(square.sqrt())
        else:
            others = given
    parts += [torch.linalg.vector_norm(grad, dtype=torch.float32) for grad in others]
    return torch.linalg.vector_norm(torch.stack([part.to(parts[0].device) for part in parts]))


def _is_plain(grad: Tensor) -> bool:
    return grad.device.type == "cpu" and grad.dtype == torch.float32 and grad.is_contiguous()


def read_betas(text: str) -> tuple[float, float]:
    """(β₁, β₂) from text such as ``(0.9, 0.999)``.

    Raises:
        InputError: these are not two numbers from 0 to below 1.
    """
    try:
        values = [float(part) for part in ast.literal_eval(str(text))]
    except (ValueError, SyntaxError, TypeError):
        values = []
    if len(values) != 2 or not all(math.isfinite(b) and 0 <= b < 1 for b in values):
        raise InputError(
            f"--adam-betas is {text!r}, expected two numbers from 0 to below 1, such as "
            "'(0.9, 0.999)'"
        )
    return values[0], values[1]
