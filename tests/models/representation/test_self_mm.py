"""Labels of each modality: the shift of Eq. 14-15 worked out by a loop, and what is kept."""

import torch
from fusion_inputs import inputs_of, shape_of

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.fusion import Taught
from mia_fairseq.models.representation.self_mm import SelfSupervisedFusion
from mia_fairseq.models.representation.unimodal_labels import UnimodalLabels, shifted
from mia_fairseq.modules.row_memory import resize_memories

LABELS = [2.0, -1.0, 0.5, -3.0]


def relative(vector, positive, negative) -> float:
    return float((vector - negative).norm() - (vector - positive).norm()) / float(
        (vector - positive).norm()
    )


def test_a_modality_as_positive_as_the_whole_keeps_its_label() -> None:
    same = torch.tensor([0.7, -0.2])
    assert torch.allclose(shifted(torch.tensor([2.0, -1.0]), same, same), torch.tensor([2.0, -1.0]))


def test_a_label_by_hand() -> None:
    # y = 1, δ_m = 0.2, δ = 0.4: the mean of 1 · 0.5 and 1 − 0.2
    found = shifted(torch.tensor([1.0]), torch.tensor([0.2]), torch.tensor([0.4]))
    assert torch.allclose(found, torch.tensor([0.65]))


def moved_on(made, rows, visit, one, whole, before, before_whole) -> list[float]:
    """Eq. 11-15 for one modality, row by row; what was kept before decides the centres."""
    positive = [row for row in rows if made[row] >= 0]
    negative = [row for row in rows if made[row] < 0]
    result = list(made)
    for row in rows:
        of_one = relative(one[row], before[positive].mean(dim=0), before[negative].mean(dim=0))
        centres = before_whole[[0, 2]].mean(dim=0), before_whole[[1, 3]].mean(dim=0)
        of_whole = relative(whole[row], *centres)
        y = LABELS[row]
        new = min(max(y + (of_one - of_whole) / 2 * (y + of_whole) / of_whole, -3.0), 3.0)
        result[row] = (visit - 1) / (visit + 1) * made[row] + 2 / (visit + 1) * new
    return result


def test_three_visits_by_a_loop_over_rows() -> None:
    torch.manual_seed(0)
    labels = UnimodalLabels(("text", "audio"), 3, LabelSpec("regression")).double()
    resize_memories(labels, 4)
    there = {name: torch.ones(4, dtype=torch.bool) for name in ("text", "audio")}
    there["audio"][1] = False
    taught = Taught(torch.tensor(LABELS).double(), torch.arange(4))
    made = {name: list(LABELS) for name in there}
    kept: list[tuple] = []
    for visit in (1, 2, 3):
        whole = torch.randn(4, 3).double()
        vectors = {name: torch.randn(4, 3).double() for name in there}
        for name in there if kept else ():
            rows = there[name].nonzero().flatten().tolist()
            before = kept[-1][1][name], kept[-1][0]
            made[name] = moved_on(made[name], rows, visit, vectors[name], whole, *before)
        labels(whole, vectors, there, taught)
        found = labels.labels.vectors
        assert torch.allclose(found[:, 0], torch.tensor(LABELS).double())
        for place, name in enumerate(there):
            assert torch.allclose(found[:, 1 + place], torch.tensor(made[name]).double()), visit
        kept.append((whole, vectors))
    assert made["audio"][1] == LABELS[1]  # no audio, no label of it
    assert any(made["text"][row] != LABELS[row] for row in range(4))


def test_the_loss_weighs_rows_by_how_far_their_label_has_moved() -> None:
    torch.manual_seed(0)
    labels = UnimodalLabels(("text",), 2, LabelSpec("regression")).double()
    resize_memories(labels, 2)
    taught = Taught(torch.tensor([1.0, -1.0]).double(), torch.arange(2))
    vectors = {"text": torch.randn(2, 2).double()}
    there = {"text": torch.ones(2, dtype=torch.bool)}
    assert labels(vectors["text"], vectors, there, taught) == 0  # nothing has moved yet
    labels.labels.vectors[:, 1] = torch.tensor([1.5, -1.0])
    answer = labels.heads["text"](vectors["text"])[0, 0]
    expected = torch.tanh(torch.tensor(0.5).double()) * (answer - 1.5).abs() / 2
    assert torch.allclose(labels(vectors["text"], vectors, there, taught), expected)


def test_classes_keep_the_label_of_the_whole() -> None:
    names = LabelSpec("classes", names=("a", "b"))
    labels = UnimodalLabels(("text",), 2, names).double()
    resize_memories(labels, 2)
    vectors = torch.randn(2, 2).double()
    taught = Taught(torch.tensor([0, 1]), torch.arange(2))
    found = labels(vectors, {"text": vectors}, {"text": torch.ones(2, dtype=torch.bool)}, taught)
    logits = labels.heads["text"](vectors)
    assert torch.allclose(found, torch.nn.functional.cross_entropy(logits, taught.labels))
    assert not list(labels.buffers())


def test_evaluation_leaves_labels_alone() -> None:
    fusion = SelfSupervisedFusion(shape_of(), 4, 1.0).double()
    fusion.begin_training(3)
    output = fusion(inputs_of())
    assert output.penalty is None and not fusion.unimodal.labels.visits.any()
