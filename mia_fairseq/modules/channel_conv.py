"""A convolution over feature columns that costs what its few multiplications cost."""

from torch import Tensor, nn
from torch.nn import functional as F


class ChannelConv(nn.Conv1d):
    """`torch.nn.Conv1d` of an odd width that keeps the number of columns, as matrix products.

    With as few channels as MIA has, a convolution library spends nearly all its time on setting
    up; one product a tap, over shifted columns, gives the same sums several times faster.

    Args:
        inputs, outputs: channels.
        width: taps; odd.
    """

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__(inputs, outputs, width, padding=width // 2)
        self.reach = width // 2

    def forward(self, columns: Tensor) -> Tensor:
        """(B, inputs, d) → (B, outputs, d)."""
        d, reach = columns.shape[2], self.reach
        padded = F.pad(columns, (reach, reach)) if reach else columns
        taps = [
            self.weight[:, :, tap] @ padded[:, :, tap : tap + d] for tap in range(2 * reach + 1)
        ]
        total: Tensor = sum(taps[1:], taps[0])
        assert self.bias is not None  # Conv1d's default
        return total + self.bias[:, None]
