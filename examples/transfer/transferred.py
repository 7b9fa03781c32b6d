"""Transfer to another task: a trained model whose head alone is trained anew (Sec. 5.2, Table 5).

``fairseq-train DATA --user-dir examples/transfer --task multimodal_affect --arch transferred
--transferred-from CKPT/checkpoint_best.pt --criterion ce_krl ...``

The paper's "fine-turning the last fully-connected layer". All else stays as it was trained, its
feature statistics too, so DATA must have the same modalities from the same extractors; the modality
flags must name the same ones. The first checkpoint must stay where it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from fairseq import checkpoint_utils
from fairseq.dataclass import FairseqDataclass
from fairseq.models import BaseFairseqModel, register_model
from torch import Tensor, nn

from mia_fairseq.errors import InputError
from mia_fairseq.models.affect_model import AffectModel, AffectOutput

if TYPE_CHECKING:
    from mia_fairseq.tasks.multimodal_affect import MultimodalAffectTask


@dataclass
class TransferredConfig(FairseqDataclass):
    """Settings of transferred."""

    transferred_from: Optional[str] = field(
        default=None, metadata={"help": "checkpoint of a model trained on another corpus or task"}
    )
    normalize: str = field(
        default="none", metadata={"help": "leave it: the trained model's statistics are kept"}
    )


@register_model("transferred", dataclass=TransferredConfig)
class Transferred(BaseFairseqModel):
    """A trained `AffectModel`, frozen, with a new head.

    Args:
        body: the trained model; changed in place.
        outputs: k of the new task.
    """

    def __init__(self, body: AffectModel, outputs: int) -> None:
        super().__init__()
        self.body = body
        for parameter in body.parameters():
            parameter.requires_grad = False
        body.head = nn.Linear(body.head.in_features, outputs)
        body.outputs = outputs

    @classmethod
    def build_model(cls, cfg: Any, task: "MultimodalAffectTask") -> "Transferred":
        """Reads the trained model (called by fairseq).

        Raises:
            InputError: there is no checkpoint, it cannot be read, or DATA does not fit it.
        """
        path = Path(cfg.transferred_from or "")
        if not path.is_file():
            raise InputError(
                f"--transferred-from {cfg.transferred_from}: is no file, expected the checkpoint "
                "of a trained model; it is needed in evaluation too"
            )
        models, _, trained_task = checkpoint_utils.load_model_ensemble_and_task(
            [str(path)], arg_overrides={"data": ""}
        )
        body, trained = models[0], trained_task.schema
        schema = task.schema_for(fuses=body.needs_auxiliaries)
        if schema.used != trained.used:
            raise InputError(
                f"{path}: was trained on {', '.join(trained.used)}, got {', '.join(schema.used)}; "
                "give --main-modality and --aux-modalities as in its training"
            )
        if task.store is not None:
            replace(trained, label=task.store.label).check_fits(task.store)
        return cls(body, schema.label.outputs)

    def forward(
        self, features: Mapping[str, Tensor], lengths: Mapping[str, Tensor]
    ) -> AffectOutput:
        """As the trained model's."""
        output: AffectOutput = self.body(features, lengths)
        return output

    def train(self, mode: bool = True) -> "Transferred":
        """The frozen part always works as in evaluation: no dropout, batch norms stay."""
        super().train(mode)
        self.body.eval()
        return self

    def max_positions(self) -> None:
        """No limit."""
        return
