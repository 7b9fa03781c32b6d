"""Seeding an update draws what torch's own seeding draws, and leaves nothing behind."""

import pytest
import torch
from fairseq import utils

import mia_fairseq.plugin


@pytest.mark.skipif(torch.accelerator.is_available(), reason="fairseq's own seeding is right here")
def test_updates_on_a_cpu_leave_nothing_behind() -> None:
    mia_fairseq.plugin.register()
    torch.manual_seed(7)
    expected = torch.rand(3)
    waiting = len(torch.cuda._queued_calls)
    with utils.set_torch_seed(7):
        assert torch.equal(torch.rand(3), expected)
        following = torch.rand(3)
    torch.manual_seed(7)
    torch.rand(3)
    assert torch.equal(torch.rand(3), following)
    utils.set_torch_seed(8)
    assert len(torch.cuda._queued_calls) <= waiting + 1  # torch.manual_seed's of this test
