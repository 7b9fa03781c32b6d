"""The loss of each kind of label, row by row.

Criteria sum them, fusions with heads of their own average them.

B batch, k outputs.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def known_losses(kind: str, output: Tensor, target: Tensor) -> Tensor:
    """`label_losses` of the rows whose label is known: those without NaN.

    Args:
        kind: of the label.
        output: as `label_losses` has it.
        target: as `label_losses` has it, NaN where it is unknown.
    """
    known = ~torch.isnan(target.reshape(len(target), -1)).any(dim=1)
    kept = target[known]
    return label_losses(kind, output[known], kept.long() if kind == "classes" else kept)


def label_losses(kind: str, output: Tensor, target: Tensor) -> Tensor:
    """(B,) losses: |y − z| of scores (Eq. 14), cross-entropy of classes (Eq. 17).

    Args:
        kind: of label, as in `LabelSpec`.
        output: (B, k); k is 1 for scores.
        target: (B,) scores or classes, or (B, k) zeros and ones of several labels, whose
            binary cross-entropies are averaged.
    """
    if kind == "regression":
        return (output.squeeze(1) - target).abs()
    if kind == "classes":
        return F.cross_entropy(output, target, reduction="none")
    return F.binary_cross_entropy_with_logits(output, target, reduction="none").mean(dim=1)
