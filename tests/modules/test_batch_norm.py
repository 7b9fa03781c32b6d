"""Running statistics that 16 bits would stop on their way."""

import pytest
import torch
from torch import nn

from mia_fairseq.modules.batch_norm import BatchNorm1d
from mia_fairseq.modules.mia import MIAModule


def batches(count: int) -> torch.Tensor:
    return 0.62 + 0.05 * torch.randn(count, 16, 4, 8, generator=torch.Generator().manual_seed(1))


def test_in_32_bits_it_is_torchs_own() -> None:
    ours, torchs = BatchNorm1d(4), nn.BatchNorm1d(4)
    for batch in batches(5):
        assert torch.equal(ours(batch), torchs(batch))
    ours.eval(), torchs.eval()
    assert torch.equal(ours(batch), torchs(batch))
    assert ours.state_dict().keys() == torchs.state_dict().keys()
    assert ours.double().running_mean.dtype == torch.float64


@pytest.mark.parametrize("narrow", [torch.bfloat16, torch.float16])
def test_statistics_of_a_narrow_model_arrive(narrow: torch.dtype) -> None:
    wide, layer, torchs = BatchNorm1d(4), BatchNorm1d(4).to(narrow), nn.BatchNorm1d(4).to(narrow)
    for batch in batches(300).to(narrow):
        wide(batch.float())
        given = layer(batch)
        torchs(batch)
    assert given.dtype == narrow and layer.weight.dtype == narrow
    assert layer.num_batches_tracked == 300
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(layer, name), getattr(wide, name))
    assert layer.eval()(batch).float().mean().abs() < 0.1
    if narrow == torch.bfloat16:  # what is mended
        assert torchs.eval()(batch).float().mean() > 0.3


def test_a_narrow_module_is_evaluated_as_it_was_trained() -> None:
    torch.manual_seed(1)
    module = MIAModule(8).bfloat16()
    main, aux = torch.randn(2, 64, 8, 32).bfloat16()
    for _ in range(300):
        trained = module(main, aux).float()
    evaluated = module.eval()(main, aux).float()
    means = trained.mean(dim=(0, 2)) - evaluated.mean(dim=(0, 2))
    assert means.abs().max() < 0.03
