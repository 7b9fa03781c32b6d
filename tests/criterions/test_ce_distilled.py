"""A pupil's loss: labels and a teacher's probabilities, and what a teacher's table may lack."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from harness import EMOTIONS, make_store, train, validate
from torch.nn import functional as F

from mia_fairseq.criterions.ce_distilled import CeDistilledCriterion
from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectOutput

NAMES = ("a", "b", "c")
IDS = ("u0", "u1", "u2", "u3")
SHARES = torch.tensor([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5], [0.1, 0.1, 0.8], [1.0, 0.0, 0.0]])


def table(path: Path, ids=IDS, shares=SHARES, names=NAMES) -> Path:
    lines = ["\t".join(["id", "label", "prediction", *(f"p_{name}" for name in names)])]
    for name, row in zip(ids, shares.tolist(), strict=True):
        lines.append("\t".join([name, "a", "a", *(f"{share:.6g}" for share in row)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def criterion(teacher: Path | str, share: float = 0.6, temperature: float = 2.0):
    rows = [SimpleNamespace(id=name) for name in IDS]
    label = SimpleNamespace(kind="classes", names=NAMES)
    task = SimpleNamespace(
        schema=SimpleNamespace(label=label, corpus="test", class_counts=(1, 1, 2)),
        datasets={"train": SimpleNamespace(split=SimpleNamespace(rows=rows))},
    )
    return CeDistilledCriterion(task, 0.0, "none", str(teacher), share, temperature)


def sample() -> dict:
    target = torch.tensor([2, 0, 1])
    rows = torch.tensor([3, 0, 2])
    return {"net_input": {}, "target": target, "id": rows, "nsentences": 3, "ntokens": 9}


def test_labels_and_teacher_share_the_loss(tmp_path: Path) -> None:
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    # Rows by their ids, in whatever order the table has them.
    order = [2, 0, 3, 1]
    file = table(tmp_path / "teacher.tsv", [IDS[i] for i in order], SHARES[order])
    loss, _, logged = criterion(file)(lambda: AffectOutput(logits), sample())
    taught = SHARES[[3, 0, 2]].clamp(min=1e-6).sqrt()
    taught = taught / taught.sum(dim=1, keepdim=True)
    distance = (taught * (taught.log() - F.log_softmax(logits / 2, dim=1))).sum()
    labelled = F.cross_entropy(logits, sample()["target"], reduction="sum")
    torch.testing.assert_close(loss, 0.4 * labelled + 0.6 * 4 * distance)
    assert torch.equal(logged["ce_loss"], loss)
    # A pupil that says what its teacher says is at the least of the teacher's part.
    alone = criterion(file, share=1.0, temperature=1.0)
    loss, _, _ = alone(lambda: AffectOutput(SHARES[[3, 0, 2]].clamp(min=1e-6).log()), sample())
    assert loss.item() == pytest.approx(0, abs=1e-4)


def test_evaluation_is_by_the_labels_and_needs_no_teacher() -> None:
    logits = torch.randn(3, 3)
    evaluating = criterion("gone.tsv").eval()
    loss, _, _ = evaluating(lambda: AffectOutput(logits), sample())
    torch.testing.assert_close(loss, F.cross_entropy(logits, sample()["target"], reduction="sum"))


def test_what_a_teachers_table_lacks_is_told(tmp_path: Path) -> None:
    def told(file: Path) -> str:
        with pytest.raises(InputError) as raised:
            criterion(file)(lambda: AffectOutput(torch.zeros(3, 3)), sample())
        return str(raised.value)

    assert "none.tsv': cannot be read" in told(tmp_path / "none.tsv")
    short = table(tmp_path / "short.tsv", IDS[:2], SHARES[:2])
    assert "2 of 4 training rows have no prediction (the first: 'u2')" in told(short)
    other = table(tmp_path / "other.tsv", names=("a", "b", "z"))
    assert "other.tsv: has no column 'p_c', expected the id" in told(other)
    nan = table(tmp_path / "nan.tsv", shares=SHARES * torch.tensor([[1], [1], [float("nan")], [1]]))
    assert "of row 'u2' are not from 0 to 1" in told(nan)
    cut = table(tmp_path / "cut.tsv")
    cut.write_text(cut.read_text()[:-8])
    assert "cannot be read" in told(cut)
    for flags, words in {
        ("",): "learns from --teacher; give what fairseq-validate writes",
        ("x", 1.5): "--teacher-share is 1.5",
        ("x", 0.5, 0.0): "--temperature is 0",
    }.items():
        with pytest.raises(InputError, match=words):
            criterion(*flags)


def test_by_the_commands(tmp_path: Path) -> None:
    data = make_store(tmp_path / "DATA", {"text": 12, "audio": 7, "video": 5}, label=EMOTIONS)
    train(data, tmp_path / "large", "--criterion", "ce_krl")
    teacher = tmp_path / "teacher.tsv"
    flags = ("--valid-subset", "train", "--predictions", teacher)
    validate(data, tmp_path / "large" / "checkpoint_best.pt", *flags)
    distil = ("--arch", "unimodal", "--criterion", "ce_distilled", "--teacher", teacher)
    train(data, tmp_path / "small", *distil)
    train(data, tmp_path / "plain", "--arch", "unimodal", "--criterion", "ce_krl")
    kept = [
        torch.load(tmp_path / name / "checkpoint_last.pt", weights_only=True)["model"]
        for name in ("small", "plain")
    ]
    assert any(not torch.equal(kept[0][name], kept[1][name]) for name in kept[0])
    teacher.unlink()  # only training reads it
    results = tmp_path / "results.json"
    validate(data, tmp_path / "small" / "checkpoint_best.pt", "--results-json", results)
    assert results.is_file()
