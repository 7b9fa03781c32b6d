"""What an action does is counted, and a device that is not there is told in a sentence."""

import pytest
import torch
from harness import run_cli

from examples.benchmarks.device_limits import DeviceLimits, Work, rise_of_memory, work_of
from examples.benchmarks.timing import check_device
from mia_fairseq.errors import InputError


def test_operations_and_bytes_are_those_of_the_tensors() -> None:
    left, right = torch.ones(8, 16), torch.ones(16, 4)
    work = work_of(lambda: left @ right)
    assert work == Work(2 * 8 * 16 * 4, 4 * (8 * 16 + 16 * 4 + 8 * 4))


def test_views_move_nothing_and_backward_counts() -> None:
    values = torch.ones(32, 32)
    assert work_of(lambda: values[:4].t().unsqueeze(0)).moved == 0
    weight = torch.ones(32, 32, requires_grad=True)
    forward = work_of(lambda: values @ weight)
    both = work_of(lambda: (values @ weight).sum().backward())
    assert forward.operations == 2 * 32**3 and both.operations == 2 * forward.operations
    assert both.moved > 2 * forward.moved


def test_attention_on_a_processor_counts_too() -> None:
    """Two products forward; backward computes the first again, and four more."""
    query, key, value = (torch.ones(2, 3, length, 8, requires_grad=True) for length in (16, 32, 32))
    attend = torch.nn.functional.scaled_dot_product_attention
    product = 2 * (2 * 3 * 16 * 32 * 8)
    assert work_of(lambda: attend(query, key, value)).operations == 2 * product
    assert work_of(lambda: attend(query, key, value).sum().backward()).operations == 7 * product


def test_shares_are_of_the_limits() -> None:
    limits = DeviceLimits(bandwidth=1e9, arithmetic=1e12)
    shares = Work(operations=10**9, moved=10**6).shares(0.01, limits)
    assert shares == {"share of memory": 0.1, "share of arithmetic": 0.1}
    assert "1 GB a second copied, 1e+03 billion" in limits.told()


def test_limits_of_this_processor_are_measured() -> None:
    limits = DeviceLimits.of("cpu", quick=True)
    assert limits.bandwidth > 1e6 and limits.arithmetic > 1e6


@pytest.mark.parametrize("device", ["cuda:7", "moon"])
def test_a_device_that_is_not_there_is_told(device: str) -> None:
    with pytest.raises(InputError, match=f"--device {device} cannot be used here"):
        check_device(device)
    check_device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["training_step", "fusions", "sizes.growth", "framework_tax"])
def test_benchmarks_take_a_device(name: str) -> None:
    run = run_cli(
        *("python", "-m", f"examples.benchmarks.{name}", "--quick", "--device", "cuda"), check=False
    )
    assert run.returncode == 1 and "--device cuda cannot be used here" in run.stderr
    assert "Traceback" not in run.stderr


def grab() -> object:
    return lambda: torch.ones(16 << 18).sum()


def test_memory_on_the_processor_is_a_fresh_processs() -> None:
    assert rise_of_memory("cpu", grab) == pytest.approx(16, abs=8)
