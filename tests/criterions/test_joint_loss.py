"""The joint losses against the equations, and weights of classes."""

from types import SimpleNamespace

import pytest
import torch

from mia_fairseq.criterions.ce_krl import CeKrlCriterion
from mia_fairseq.criterions.joint_loss import weights_of_classes
from mia_fairseq.criterions.mae_krl import MaeKrlCriterion
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectOutput

NAMES = ("a", "b", "c")


def task(kind: str, counts: tuple[int, ...] = ()):
    label = LabelSpec("regression") if kind == "regression" else LabelSpec("classes", names=NAMES)
    return SimpleNamespace(schema=SimpleNamespace(label=label, corpus="test", class_counts=counts))


def sample(target: torch.Tensor) -> dict:
    return {"net_input": {}, "target": target, "nsentences": len(target), "ntokens": 9}


def test_mae_and_penalty_are_weighed_by_gamma() -> None:
    prediction, target = torch.tensor([1.0, -2.0, 0.5, 0.0]), torch.tensor([2.0, -2.0, -1.0, 3.0])
    criterion = MaeKrlCriterion(task("regression"), gamma=0.3)
    output = AffectOutput(prediction, torch.tensor(0.8))
    loss, size, logged = criterion(lambda: output, sample(target))
    # fairseq divides by the sample size: 0.7 · mean|y − z| + 0.3 · L_KRL, Eq. 13.
    assert size == 4 and (loss / size).item() == pytest.approx(0.7 * 5.5 / 4 + 0.3 * 0.8)
    assert logged["mae_loss"].item() == 5.5 and logged["krl"].item() == pytest.approx(3.2)


def test_cross_entropy_equals_the_equation() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    loss, size, _ = CeKrlCriterion(task("classes"), 0.25, "none")(
        lambda: AffectOutput(logits), sample(target)
    )
    shares = torch.exp(logits) / torch.exp(logits).sum(dim=1, keepdim=True)  # Eq. 18
    expected = -torch.log(shares[range(5), target]).mean()  # Eq. 17
    assert torch.allclose(loss / size, 0.75 * expected, atol=1e-6)


def test_a_fusion_without_a_penalty_has_none() -> None:
    output = AffectOutput(torch.zeros(2))
    loss, _, logged = MaeKrlCriterion(task("regression"), 0.3)(
        lambda: output, sample(torch.ones(2))
    )
    assert loss.item() == pytest.approx(1.4) and logged["krl"].item() == 0


def test_the_penalty_counts_once_however_an_update_is_divided() -> None:
    target, penalty = torch.randn(6), torch.tensor(2.0)
    criterion = MaeKrlCriterion(task("regression"), 0.3)

    def total(sizes: list[int]) -> float:
        loss = samples = 0.0
        for part in target.split(sizes):
            part_loss, size, _ = criterion(
                lambda part=part: AffectOutput(torch.zeros(len(part)), penalty), sample(part)
            )
            loss, samples = loss + part_loss.item(), samples + size
        return loss / samples

    assert total([6]) == pytest.approx(total([1, 5])) == pytest.approx(total([2, 2, 2]))


def test_balanced_weights_make_classes_equal_and_keep_the_mean() -> None:
    weights = weights_of_classes("balanced", NAMES, (10, 30, 60))
    assert weights is not None
    shares = torch.tensor([0.1, 0.3, 0.6])
    assert torch.allclose(weights * shares, torch.full((3,), 1 / 3))
    root = weights_of_classes("root", NAMES, (10, 30, 60))
    assert torch.allclose(root / root[0], (weights / weights[0]).sqrt())
    assert (root * shares).sum().item() == pytest.approx(1)
    given = weights_of_classes("1,2,3", NAMES, (10, 30, 60))
    assert torch.allclose(given[1] / given[0], torch.tensor(2.0))
    assert weights_of_classes("none", NAMES, (10, 30, 60)) is None


@pytest.mark.parametrize("choice", ["heavy", "1,2", "1,2,-3", "1,2,x"])
def test_weights_that_cannot_be_read_are_refused(choice: str) -> None:
    with pytest.raises(InputError, match="expected none, balanced, root, or 3 positive numbers"):
        weights_of_classes(choice, NAMES, (1, 1, 1))


@pytest.mark.parametrize("choice", ["balanced", "root"])
def test_a_class_without_rows_cannot_be_balanced(choice: str) -> None:
    with pytest.raises(InputError, match=f"{choice}: no training row is of class 'b'"):
        weights_of_classes(choice, NAMES, (5, 0, 5))


@pytest.mark.parametrize("gamma", [-0.1, 1.0, float("nan")])
def test_gamma_out_of_range_is_refused(gamma: float) -> None:
    with pytest.raises(InputError, match="--gamma"):
        MaeKrlCriterion(task("regression"), gamma)


def test_label_smoothing_spreads_a_share_of_each_label() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    loss, size, _ = CeKrlCriterion(task("classes"), 0.0, "none", 0.3)(
        lambda: AffectOutput(logits), sample(target)
    )
    wanted = 0.7 * torch.eye(3)[target] + 0.1  # 0.3 shared out over three classes
    expected = -(wanted * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    assert torch.allclose(loss / size, expected, atol=1e-6)
    with pytest.raises(InputError, match="--label-smoothing is 1, expected a share"):
        CeKrlCriterion(task("classes"), 0.0, "none", 1.0)
