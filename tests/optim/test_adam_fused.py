"""The fused Adam against Algorithm 1 written out, fairseq's own, and itself after a restart."""

import math
from pathlib import Path

import pytest
import torch
from fairseq.optim import build_optimizer
from harness import make_store, train
from omegaconf import OmegaConf

from mia_fairseq.errors import InputError
from mia_fairseq.optim.adam_fused import (
    FusedAdamOptimizer,
    check_learning_rates,
    norm_of,
    read_betas,
)

SHAPES = ((7, 5), (5,), ())


def parameters() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def gradients(step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def made(name: str, params: list[torch.nn.Parameter], **settings: object) -> FusedAdamOptimizer:
    cfg = {"_name": name, "adam_betas": "(0.9, 0.999)", "adam_eps": 1e-8, "weight_decay": 0.0}
    cfg |= {"lr": [0.1], **settings}
    if name == "adam":
        cfg["tpu"] = False
    return build_optimizer(OmegaConf.create(cfg), params)


def update(optimizer: FusedAdamOptimizer, params: list, step: int, factor: float) -> torch.Tensor:
    """One update as fairseq's trainer takes it, of gradients that sum `1 / factor` rows."""
    optimizer.zero_grad()
    for param, grad in zip(params, gradients(step), strict=True):
        param.grad = grad / factor
    optimizer.multiply_grads(factor)
    norm = optimizer.clip_grad_norm(0.0)
    optimizer.step()
    return norm


def algorithm_1(steps: int, decay: float = 0.0) -> list[list[float]]:
    """Kingma and Ba, Algorithm 1, number by number, in double precision."""
    result = []
    for k, param in enumerate(parameters()):
        values = param.detach().double().flatten().tolist()
        for i, value in enumerate(values):
            m = v = 0.0
            for t in range(1, steps + 1):
                g = gradients(t)[k].double().flatten()[i].item()
                value -= 0.1 * decay * value
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                value -= 0.1 * m / (1 - 0.9**t) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
            values[i] = value
        result.append(values)
    return result


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_is_algorithm_1_with_decoupled_decay(decay: float) -> None:
    params = parameters()
    optimizer = made("adam_fused", params, weight_decay=decay)
    for step in range(1, 5):
        norm = update(optimizer, params, step, 1 / 18)
        expected = math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients(step)))
        assert norm.item() == pytest.approx(expected, rel=1e-5)
    for param, expected in zip(params, algorithm_1(4, decay), strict=True):
        assert param.detach().flatten().tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_walks_the_way_of_fairseqs_own() -> None:
    ours, theirs = parameters(), parameters()
    one, other = made("adam_fused", ours), made("adam", theirs)
    for step in range(1, 6):
        norms = update(one, ours, step, 1 / 3), update(other, theirs, step, 1 / 3)
        assert norms[0].item() == pytest.approx(norms[1].item(), rel=1e-5)
    for mine, fairseqs in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, fairseqs, rtol=1e-4, atol=1e-5)


def test_clips_what_is_longer_than_the_norm_and_nothing_else() -> None:
    plain, clipped, loose = parameters(), parameters(), parameters()
    kept = []
    for params, most in ((plain, 0.0), (clipped, 0.5), (loose, 1e6)):
        optimizer = made("adam_fused", params)
        for param, grad in zip(params, gradients(1), strict=True):
            param.grad = grad.clone()
        norm = optimizer.clip_grad_norm(most)
        optimizer.step()
        kept.append([optimizer.optimizer.state[p]["exp_avg"] for p in params])
    for whole, short, same in zip(*kept, strict=True):
        assert torch.allclose(short, whole * 0.5 / norm, rtol=1e-4)
        assert torch.equal(whole, same)


def test_a_second_step_does_not_inherit_the_first_ones_factor() -> None:
    params = parameters()
    optimizer = made("adam_fused", params)
    optimizer.multiply_grads(0.25)
    optimizer.zero_grad()
    for param in params:
        param.grad = torch.ones_like(param)
    optimizer.step(scale=2.0)
    moments = [optimizer.optimizer.state[p]["exp_avg"] for p in params]
    assert all(torch.allclose(m, torch.full_like(m, 0.05)) for m in moments)


def test_goes_on_from_a_saved_state_bit_by_bit() -> None:
    whole, halves = parameters(), parameters()
    one, first = made("adam_fused", whole), made("adam_fused", halves)
    for step in range(1, 4):
        update(one, whole, step, 1 / 7)
        update(first, halves, step, 1 / 7)
    second = made("adam_fused", halves, lr=[0.2])
    second.load_state_dict(first.state_dict(), second.optimizer_config)
    assert second.get_lr() == 0.2 and second.param_groups[0]["fused"]
    second.set_lr(0.1)
    for step in range(4, 7):
        update(one, whole, step, 1 / 7)
        update(second, halves, step, 1 / 7)
    assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))


def slowed(*scales: float) -> list[torch.nn.Parameter]:
    """Parameters marked with groups of their own learning rates, 1 meaning no mark."""
    params = parameters()
    for number, (param, scale) in enumerate(zip(params, scales, strict=True)):
        if scale != 1:
            param.param_group, param.optim_overrides = f"g{number}", {"lr_scale": scale}
    return params


def test_marked_parameters_learn_at_their_own_rates() -> None:
    params, plain = slowed(0.5, 1, 0.25), parameters()
    optimizer, other = made("adam_fused", params), made("adam_fused", plain)
    assert optimizer.get_lr() == 0.1
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.1, 0.025]
    optimizer.set_lr(0.2), other.set_lr(0.2)
    assert optimizer.get_lr() == 0.2 and optimizer.param_groups[2]["lr"] == 0.05
    starts = [param.detach().clone() for param in params]
    assert update(optimizer, params, 1, 1 / 3) == update(other, plain, 1, 1 / 3)  # the norm of all
    for start, mine, theirs, scale in zip(starts, params, plain, (0.5, 1, 0.25), strict=True):
        assert torch.allclose(mine - start, (theirs - start) * scale, atol=1e-6)


def test_groups_go_on_from_a_saved_state_bit_by_bit() -> None:
    whole, halves = slowed(0.5, 1, 0.25), slowed(0.5, 1, 0.25)
    one, first = made("adam_fused", whole), made("adam_fused", halves)
    for step in range(1, 4):
        update(one, whole, step, 1 / 7)
        update(first, halves, step, 1 / 7)
    second = made("adam_fused", halves)
    second.load_state_dict(first.state_dict(), second.optimizer_config)
    assert [group["lr"] for group in second.param_groups] == [0.05, 0.1, 0.025]
    for step in range(4, 7):
        update(one, whole, step, 1 / 7)
        update(second, halves, step, 1 / 7)
    assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))


def test_a_restart_heeds_the_scales_of_now_and_tells_other_groups() -> None:
    saved = made("adam_fused", slowed(0.5, 1, 0.25)).state_dict()
    now = made("adam_fused", slowed(0.4, 1, 0.2))
    now.load_state_dict(saved)
    assert [group["lr"] for group in now.param_groups] == pytest.approx([0.04, 0.1, 0.02])
    with pytest.raises(InputError, match=r"groups of \[1, 1, 1\] parameters, this run's of \[3\]"):
        made("adam_fused", parameters()).load_state_dict(saved)
    before_scales = made("adam_fused", parameters())
    state = before_scales.state_dict()
    del state["param_groups"][0]["lr_scale"]  # a checkpoint of before there were any
    before_scales.load_state_dict(state, {"lr": 0.3})
    assert before_scales.get_lr() == 0.3


def test_an_optimizer_that_does_not_heed_the_rates_is_told() -> None:
    params = slowed(0.5, 1, 1)
    check_learning_rates(made("adam_fused", params), params)
    check_learning_rates(made("adam", parameters()), parameters())
    with pytest.raises(InputError, match=r"need each .* FairseqAdam .*--optimizer adam_fused"):
        check_learning_rates(made("adam", params), params)
    flat = made("adam_fused", [torch.nn.Parameter(torch.zeros(5))])  # --fp16 joins parameters
    with pytest.raises(InputError, match=r"--fp16-no-flatten-grads"):
        check_learning_rates(flat, params)


@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e18, float("nan"), float("inf")])
def test_norm_at_the_ends_of_float32(scale: float) -> None:
    grads = [torch.full((3, 4), scale), torch.full((4,), scale)]
    assert norm_of(grads).item() == pytest.approx(4 * scale, rel=1e-5, abs=0, nan_ok=True)


@pytest.mark.parametrize("text", ["0.9", "(0.9, 1.0)", "[0.9, 0.99, 0.999]", "('a', 0.9)", "no"])
def test_betas_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--adam-betas is .*expected two numbers"):
        read_betas(text)
    assert read_betas("(0.8, 0.9)") == (0.8, 0.9)


@pytest.mark.parametrize("name", ["adam_fused", "adam"])
def test_fairseq_train_resumes_bit_by_bit(name: str, tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 12, "audio": 7})
    flags = ("--aux-modalities", "audio", "--optimizer", name, "--clip-norm", "0.5")
    flags += ("--adam-betas", "(0.9, 0.99)", "--weight-decay", "0.01", "--adam-eps", "1e-7")
    train(data, tmp_path / "whole", *flags, "--max-epoch", "3")
    for epochs in ("1", "3"):
        train(data, tmp_path / "halves", *flags, "--max-epoch", epochs)
    whole, halves = (
        torch.load(tmp_path / folder / "checkpoint_last.pt", weights_only=True)["model"]
        for folder in ("whole", "halves")
    )
    assert all(torch.equal(whole[key], halves[key]) for key in whole)
