"""Seeding an update draws what torch's own seeding draws, and seeds no GPU that is not there."""

import pytest
import torch
from fairseq import utils

import mia_fairseq.plugin


@pytest.mark.skipif(torch.accelerator.is_available(), reason="fairseq's own seeding is right here")
def test_updates_on_a_cpu_seed_the_cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    mia_fairseq.plugin.register()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    torch.rand(3)
    after = torch.rand(3)
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    with utils.set_torch_seed(7):
        assert torch.equal(torch.rand(3), expected)
        assert torch.equal(torch.rand(3), after)
    assert not seeded
