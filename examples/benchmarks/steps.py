"""Training steps that the benchmarks compare: MIA-Net's, the written-out attention's, the floor's.

B batch, d_m main dim, d_a auxiliary dim.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mia_fairseq.complexity.cost import SetUp, build
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.mia_net import MIANet
from mia_fairseq.modules.dual_residual import DualResidual
from mia_fairseq.modules.interactive_attention import written_out_attention
from mia_fairseq.modules.mia import MIAModule

PAPER_DIMS = {"text": 1024, "audio": 768, "video": 256}  # Sec. 4.1
PAPER_BATCH = 18  # Sec. 4.3
GAMMA = 0.3  # Sec. 4.3
BARE = ("no_adapters=true",)  # fusion + FFN + head alone


class Batch(NamedTuple):
    """A sequence a modality and row; pooled features are of one vector, T = 1."""

    features: dict[str, Tensor]  # (B, T, d)
    lengths: dict[str, Tensor]  # (B,)
    target: Tensor  # (B,)

    def to(self, device: str) -> "Batch":
        """The same on a device."""
        features = {name: rows.to(device) for name, rows in self.features.items()}
        lengths = {name: counts.to(device) for name, counts in self.lengths.items()}
        return Batch(features, lengths, self.target.to(device))


def make_batch(dims: Mapping[str, int], size: int, seed: int, steps: int = 1) -> Batch:
    """Gaussian features of some steps in time, and scores from -3 to 3."""
    generator = torch.Generator().manual_seed(seed)
    features = {n: torch.randn(size, steps, d, generator=generator) for n, d in dims.items()}
    target = 6 * torch.rand(size, generator=generator) - 3
    return Batch(features, {name: torch.full((size,), steps) for name in dims}, target)


class WrittenOut(MIAModule):
    """A MIA module whose attention is Eq. 1-5 as they stand, S and P kept by autograd."""

    def attend(self, main: Tensor, aux: Tensor) -> Tensor:
        return written_out_attention(main, aux, self.kernel)


def mia_net(setup: SetUp, seed: int, *, written_out: bool = False) -> AffectModel:
    """MIA-Net in training, with the fast attention or the written-out one."""
    model = build("mia_net", setup, seed)
    if written_out:
        stack = {name: WrittenOut(setup.channels) for name in list(setup.dims)[1:]}
        model.fusion.stack = nn.ModuleDict(stack)
    return model.train()


class Floor(nn.Module):
    """What no fusion can save: the FFN of Eq. 12 and the head, on the main modality alone.

    The backward pass goes through all of the FFN, down to its input, as any fusion that learns
    needs it. With `adapted`, also the model's adapters, on all modalities.
    """

    def __init__(self, model: MIANet, adapted: bool) -> None:
        super().__init__()
        self.main = model.shape.main
        self.adapters = nn.ModuleDict(dict(model.adapters.items()) if adapted else {})
        self.dual_residual: DualResidual = model.dual_residual
        self.dropout, self.head = model.dropout, model.head

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B,)."""
        rows = dict(batch.features)
        for name, adapter in self.adapters.items():
            rows[name] = adapter(rows[name])
        nothing = sum(rows[name].sum() for name in self.adapters if name != self.main)
        main = rows[self.main]
        main = main if main.requires_grad else main.detach().requires_grad_()
        refined = self.dual_residual(main, main.new_zeros(()) + 0 * nothing)
        prediction: Tensor = self.head(self.dropout(refined).flatten(1))
        return prediction.squeeze(1)


def adam(parameters: Iterable[nn.Parameter], fused: bool = True) -> torch.optim.Optimizer:
    """torch's Adam; `fused` is the fastest there is, otherwise its default."""
    return torch.optim.Adam(parameters, lr=1.7e-5, fused=fused or None)


def training_step(
    model: AffectModel, batch: Batch, optimizer: torch.optim.Optimizer
) -> Callable[[], Any]:
    """Forward, the joint loss of Eq. 13-14, backward and update of the whole model."""

    def step() -> None:
        output = model(batch.features, batch.lengths)
        loss = (1 - GAMMA) * (output.prediction - batch.target).abs().mean()
        if output.penalty is not None:
            loss = loss + GAMMA * output.penalty
        update(loss, optimizer)

    return step


def floor_step(model: Floor, batch: Batch, optimizer: torch.optim.Optimizer) -> Callable[[], Any]:
    """Forward, mean absolute error, backward and update of the floor."""
    return lambda: update((model(batch) - batch.target).abs().mean(), optimizer)


def update(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Backward and update."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
