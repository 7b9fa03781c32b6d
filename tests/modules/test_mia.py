"""The MIA module against a naive loop over Eq. 1-8, written column by column."""

import math

import pytest
import torch
from torch import Tensor

from mia_fairseq.modules.convolution import convolve as fast_convolution
from mia_fairseq.modules.mia import MIAModule, initial_kernel


def naive(module: MIAModule, main: Tensor, aux: Tensor) -> Tensor:
    """Eq. 1-8 with Python loops over columns and taps; batch statistics as in training."""
    b, c, d_m = main.shape
    d_a = aux.shape[2]
    fused = torch.zeros_like(main)
    for n in range(b):
        updated = torch.zeros(c, d_m, dtype=main.dtype)
        for j in range(d_m):
            weights = []
            for i in range(d_a):
                affinity = sum(
                    aux[n, p, i] * module.kernel[p, q] * main[n, q, j]
                    for p in range(c)
                    for q in range(c)
                )  # Eq. 1
                weights.append(math.exp(affinity))
            total = sum(weights)
            for i in range(d_a):
                updated[:, j] += aux[n, :, i] * (weights[i] / total)  # Eq. 3, 5
        gate = torch.sigmoid(convolve(updated, module.gate))  # Eq. 6
        gated = updated * gate  # Eq. 7
        fused[n] = torch.sigmoid(convolve(torch.cat([gated, main[n]]), module.fuse))  # Eq. 8
    mean = fused.mean(dim=(0, 2), keepdim=True)
    variance = ((fused - mean) ** 2).mean(dim=(0, 2), keepdim=True)
    scale, shift = module.norm.weight[:, None], module.norm.bias[:, None]
    return (fused - mean) / torch.sqrt(variance + module.norm.eps) * scale + shift


def convolve(rows: Tensor, layer: torch.nn.Conv1d) -> Tensor:
    out, _, taps = layer.weight.shape
    result = torch.zeros(out, rows.shape[1], dtype=rows.dtype)
    for o in range(out):
        for j in range(rows.shape[1]):
            result[o, j] = layer.bias[o]
            for tap in range(taps):
                place = j + tap - taps // 2
                if 0 <= place < rows.shape[1]:
                    result[o, j] += (layer.weight[o, :, tap] * rows[:, place]).sum()
    return result


def module_and_inputs(c: int, d_m: int = 6, d_a: int = 5, **settings: int):
    torch.manual_seed(c)
    module = MIAModule(c, **settings, kernel_init="random").double()
    return module, torch.randn(3, c, d_m).double(), torch.randn(3, c, d_a).double()


@pytest.mark.parametrize("c", [1, 2, 3])
@pytest.mark.parametrize("widths", [(1, 3), (3, 1), (5, 5)])
def test_equals_a_naive_loop_over_the_equations(c: int, widths: tuple[int, int]) -> None:
    module, main, aux = module_and_inputs(c, gate_kernel=widths[0], fuse_kernel=widths[1])
    with torch.no_grad():
        assert (module(main, aux) - naive(module, main, aux)).abs().max() < 1e-10


@pytest.mark.parametrize("c", [1, 3])
def test_gradients_pass_gradcheck(c: int) -> None:
    module, main, aux = module_and_inputs(c)
    parameters = tuple(p.detach().requires_grad_() for p in module.parameters())
    names = [name for name, _ in module.named_parameters()]

    def call(main: Tensor, aux: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(
            module, dict(zip(names, values, strict=True)), (main, aux)
        )

    module.norm.track_running_stats = False
    module.norm.running_mean = module.norm.running_var = None
    inputs = (main.requires_grad_(), aux.requires_grad_(), *parameters)
    assert torch.autograd.gradcheck(call, inputs)


@pytest.mark.parametrize("c", [1, 4])
def test_permuting_auxiliary_columns_changes_nothing(c: int) -> None:
    module, main, aux = module_and_inputs(c, d_a=9)
    shuffled = aux[:, :, torch.randperm(9)]
    with torch.no_grad():
        assert torch.allclose(module(main, aux), module(main, shuffled), rtol=0, atol=1e-12)


def test_a_scale_of_zero_starts_the_branch_as_nothing() -> None:
    module = MIAModule(2, scale_init=0.0)
    assert not module(torch.randn(3, 2, 6), torch.randn(3, 2, 5)).any()


def test_kernel_starts() -> None:
    assert torch.equal(initial_kernel(3, "identity"), torch.eye(3))
    assert torch.allclose(initial_kernel(4, "scaled"), torch.eye(4) / 2)
    random = initial_kernel(3, "random")
    assert random.shape == (3, 3) and not torch.equal(random, random.T)
    with pytest.raises(ValueError, match="identity, scaled or random"):
        initial_kernel(3, "zeros")  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [(0, 1, 3), (1, 2, 3), (1, 1, 4)])
def test_impossible_sizes_are_refused(settings: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="odd"):
        MIAModule(*settings)


@pytest.mark.parametrize(("channels", "width"), [(1, 1), (1, 3), (3, 1), (4, 5)])
def test_convolving_is_torchs_convolution(channels: int, width: int) -> None:
    torch.manual_seed(1)
    layer = torch.nn.Conv1d(2 * channels, channels, width, padding=width // 2).double()
    rows = torch.randn(3, 2 * channels, 11, dtype=torch.float64, requires_grad=True)
    results = []
    for function in (fast_convolution, lambda conv, x: conv(x)):
        output = function(layer, rows)
        upstream = torch.cos(torch.arange(output.numel(), dtype=torch.float64)).view_as(output)
        wanted = (rows, layer.weight, layer.bias)
        results.append([output, *torch.autograd.grad(output, wanted, upstream)])
    for mine, torchs in zip(*results, strict=True):
        assert torch.allclose(mine, torchs, rtol=1e-12, atol=1e-12)


def test_the_start_of_w_is_scaled() -> None:
    assert torch.equal(MIAModule(3, kernel_scale=0.1).kernel, torch.eye(3) * 0.1)
    main, aux = torch.randn(2, 3, 5), torch.randn(2, 3, 4)
    plain = MIAModule(3, kernel_scale=0.0).attend(main, aux)  # W = 0: the plain mean of A's columns
    assert torch.allclose(plain, aux.mean(dim=2, keepdim=True).expand(-1, -1, 5), atol=1e-6)
    with pytest.raises(ValueError, match="kernel_scale -1 must be 0 or more"):
        MIAModule(3, kernel_scale=-1.0)


def test_w_by_construction_is_symmetric_positive_semi_definite_whatever_is_learnt() -> None:
    torch.manual_seed(0)
    module = MIAModule(4, kernel_init="random", kernel_form="psd", kernel_scale=0.5)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    main, aux = torch.randn(6, 4, 5), torch.randn(6, 4, 7)
    before = module.kernel.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        module(main, aux).square().mean().backward()
        optimizer.step()
    kernel = module.kernel.detach()
    assert not torch.allclose(kernel, before) and torch.allclose(kernel, kernel.T)
    assert torch.linalg.eigvalsh(kernel).min() > -1e-6
    assert module.penalty().item() == pytest.approx(0, abs=1e-5)
    again = MIAModule(4, kernel_form="psd")
    again.load_state_dict(module.state_dict())
    assert torch.equal(again.kernel, module.kernel)
