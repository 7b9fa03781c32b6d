"""Labels of each modality, made up from the labels of the whole: Self-MM's label generation.

Yu et al., Learning modality-specific representations with self-supervised multi-task learning for
multimodal sentiment analysis, AAAI 2021, Sec. 3.2-3.4. With F_m the vector of modality m (or of the
fusion) in the memory, C_m^p and C_m^n the means of those whose label is not negative and negative:

    δ_m = (|F_m − C_m^n| − |F_m − C_m^p|) / |F_m − C_m^p|             Eq. 11, relative distance
    y_m^new = y + (δ_m − δ)/2 · (y + δ)/δ                             Eq. 14, y and δ of the whole
    y_m^(i) = (i − 1)/(i + 1) y_m^(i−1) + 2/(i + 1) y_m^new           Eq. 15, at visit i from 2 on
    loss = Σ_m mean of tanh|y_m − y| · |head_m(F_m) − y_m|            Eq. 16-17

Labels stay within the corpus's range. Vectors and labels are kept of each training row, in the
checkpoint. Different here: the visits of a row are counted, not epochs, so that a resumed run needs
no other clock; where ``--further-labels`` names a modality whose labels the corpus has (CH-SIMS),
its head learns these and none are made up; classes and several labels have no sign and no distance,
so their modalities keep the label of the whole and the plain loss; rows that lack a modality have
no label of it.

B batch, n training rows, m modalities, p width.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.fusion import Taught
from mia_fairseq.modules.label_losses import known_losses, label_losses
from mia_fairseq.modules.row_memory import RowMemory

SMALLEST = 1e-8


class UnimodalLabels(nn.Module):
    """Heads of modalities, and the labels that they learn.

    Args:
        names: the modalities.
        width: length of each vector.
        label: the kind of label and its range.
        further: kinds of the further labels that are learnt; those of modalities, if they are of
            the same kind, are taken as they are.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        width: int,
        label: LabelSpec,
        further: Mapping[str, LabelSpec] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        alike = (label.kind, label.names)
        self.given = {n for n, spec in further.items() if (spec.kind, spec.names) == alike}
        self.names, self.label, self.width = names, label, width
        self.heads = nn.ModuleDict({name: nn.Linear(width, label.outputs) for name in names})
        self.makes_labels = label.kind == "regression"
        if self.makes_labels:
            self.vectors = RowMemory((1 + len(names)) * width)  # of the whole, and of each
            # The label of the whole, of each modality, and 1 where the modality is there.
            self.labels = RowMemory(1 + 2 * len(names))

    def forward(
        self,
        whole: Tensor,
        vectors: Mapping[str, Tensor],
        there: Mapping[str, Tensor],
        taught: Taught,
    ) -> Tensor:
        """The loss of all heads; a scalar. Moves the labels of the batch's rows on.

        Args:
            whole: (B, p) of the fusion.
            vectors: (B, p) of each modality.
            there: (B,) where it is there.
            taught: labels and rows.
        """
        current = self.current(taught) if self.makes_labels else None
        losses = [whole.new_zeros(())]
        for place, name in enumerate(self.names):
            kept = there[name]
            if not kept.any():
                continue
            output = self.heads[name](vectors[name][kept])
            if name in self.given and name in taught.further:
                terms = known_losses(self.label.kind, output, taught.further[name][kept])
            elif current is None:
                terms = label_losses(self.label.kind, output, taught.labels[kept])
            else:
                target = current[kept, 1 + place]  # y_m
                weights = torch.tanh((target - current[kept, 0]).abs())
                terms = weights * label_losses(self.label.kind, output, target)
            losses.append(terms.sum() / max(len(terms), 1))
        if current is not None:
            self.move_on(current, whole.detach(), vectors, there, taught.rows)
        return torch.stack(losses).sum()

    def current(self, taught: Taught) -> Tensor:
        """(B, 1 + m) labels of the whole and of each modality, which start as the former."""
        true = taught.labels[:, None].to(self.labels.vectors.dtype)
        kept = self.labels.vectors[taught.rows, 1 : 1 + len(self.names)]
        first = self.labels.visits[taught.rows, None] == 0
        return torch.cat([true, torch.where(first, true, kept)], dim=1)

    @torch.no_grad()
    def move_on(
        self,
        current: Tensor,
        whole: Tensor,
        vectors: Mapping[str, Tensor],
        there: Mapping[str, Tensor],
        rows: Tensor,
    ) -> None:
        """Moves the labels of rows seen before, and keeps vectors and labels of all."""
        visit = (self.labels.visits[rows] + 1).to(current.dtype)  # i of Eq. 15
        found = [whole, *(vectors[name].detach() for name in self.names)]
        present = [there[name] for name in self.names]
        moved = current.clone()
        of_whole = self.distance(0, whole)
        for place in range(1, 1 + len(self.names)):
            of_one = self.distance(place, found[place])
            if of_whole is None or of_one is None:
                continue
            low, high = self.label.minimum, self.label.maximum
            new = shifted(current[:, 0], of_one, of_whole).clamp(low, high)
            mixed = (visit - 1) / (visit + 1) * current[:, place] + 2 / (visit + 1) * new
            chosen = (visit > 1) & present[place - 1]
            moved[:, place] = torch.where(chosen, mixed, current[:, place])
        flags = torch.stack(present, dim=1).to(moved.dtype)
        self.labels.write(rows, torch.cat([moved, flags], dim=1))
        self.vectors.write(rows, torch.cat(found, dim=1))

    def distance(self, place: int, vectors: Tensor) -> Tensor | None:
        """δ (B,) of vectors (B, p) of the whole (place 0) or a modality; None without centres."""
        kept = self.vectors.vectors[:, place * self.width : (place + 1) * self.width]
        known = self.labels.visits > 0
        if place:
            known = known & (self.labels.vectors[:, len(self.names) + place] > 0)
        labels = self.labels.vectors[:, place]
        positive, negative = known & (labels >= 0), known & (labels < 0)
        if not (positive.any() and negative.any()):
            return None
        to_positive = torch.linalg.vector_norm(vectors - kept[positive].mean(dim=0), dim=1)
        to_negative = torch.linalg.vector_norm(vectors - kept[negative].mean(dim=0), dim=1)
        return (to_negative - to_positive) / (to_positive + SMALLEST)


def shifted(label: Tensor, of_one: Tensor, of_whole: Tensor) -> Tensor:
    """y_m^new of Eq. 14: the mean of y · δ_m/δ and y + δ_m − δ.

    Args:
        label: y, (B,).
        of_one: δ_m of the modality, (B,).
        of_whole: δ of the fused, (B,).

    Returns:
        (B,).
    """
    ratio = of_one / torch.where(of_whole.abs() < SMALLEST, SMALLEST, of_whole)
    return 0.5 * (label * ratio + label + of_one - of_whole)
