"""A model whose outputs are what it says: scores, and probabilities of classes or labels.

B batch, k classes or labels.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.export.batch_names import FURTHER, PREDICTION

if TYPE_CHECKING:
    from mia_fairseq.models.affect_model import AffectModel


class AnsweringModel(nn.Module):
    """A trained model, ready to answer: maps beside layers are added to them.

    Args:
        model: trained; it is changed.
        schema: kinds of labels.
    """

    def __init__(self, model: "AffectModel", schema: Schema) -> None:
        super().__init__()
        self.model, self.schema = model, schema
        for encoder in model.encoders.values():
            merge = getattr(encoder, "merge_lora", None)
            if merge is not None:
                merge()
        self.eval()

    def forward(self, net_input: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """What is said of the label, and of each further one: (B,) scores or (B, k) shares."""
        output = self.model(**net_input)
        told = {PREDICTION: said_of(self.schema.label, output.prediction)}
        for name, numbers in output.further.items():
            told[FURTHER + name] = said_of(self.schema.further[name], numbers)
        return told


def said_of(label: LabelSpec, output: Tensor) -> Tensor:
    """(B,) scores, or (B, k) probabilities, of a model's output."""
    output = output.float()
    if label.kind == "classes":
        return output.softmax(dim=1)
    if label.kind == "multilabel":
        return output.sigmoid()
    return output.squeeze(1) if output.dim() > 1 else output
