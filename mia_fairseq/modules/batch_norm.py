"""Batch norm whose running statistics stay in 32 bits when a model is cast to 16.

A running mean moves by a tenth of the difference that a batch makes. In bfloat16, which has three
decimal digits, it stops moving long before it has arrived, and evaluation then normalises by a mean
that training never saw. fairseq's ``--bf16`` and ``--fp16`` cast whole models, buffers included.
"""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

STATISTICS = ("running_mean", "running_var")


class BatchNorm1d(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d`, and the same to the bit, but for statistics of models in 16 bits.

    Those are computed in 32 bits, as is the output, which then has the input's type.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        before = {name: getattr(self, name) for name in STATISTICS}
        super()._apply(fn, recurse)
        for name, kept in before.items():
            cast = getattr(self, name)
            if cast.itemsize < kept.itemsize == 4:
                setattr(self, name, kept.to(cast.device))
        return self

    def forward(self, input: Tensor) -> Tensor:
        """(B, channels, d) normalised by channel."""
        mean, var = self.running_mean, self.running_var
        if mean is None or input.dtype == mean.dtype:
            return super().forward(input)
        self._check_input_dim(input)
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        rows, weight, bias = (t.to(mean.dtype) for t in (input, self.weight, self.bias))
        momentum, training = self.momentum or 0.0, self.training
        normal = F.batch_norm(rows, mean, var, weight, bias, training, momentum, self.eps)
        return normal.to(input.dtype)
