"""Several checkpoints as one model: ``--path a.pt:b.pt`` of fairseq-validate, and in prediction.

Probabilities, or scores, are averaged, and so are the thresholds of several labels. Of fairseq, the
function that loads ``--path``, which it reads as one file, is told of the colon.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mia_fairseq.data.schema import Schema
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_bases import BaseFairseqModel
from mia_fairseq.models.affect_model import AffectOutput
from mia_fairseq.multilabel_metrics import mean_thresholds

SEPARATOR = ":"
Loader = Callable[..., tuple[list[Any], Any, Any]]  # of fairseq: models, settings, task


class Ensemble(BaseFairseqModel):
    """Models of the same inputs and labels, whose answers are averaged.

    Args:
        models: one or more.
        kind: of label.
        further: kinds of the further labels, by name.
    """

    def __init__(
        self, models: Sequence[nn.Module], kind: str, further: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.models, self.kind, self.further = nn.ModuleList(models), kind, dict(further or {})

    @property
    def encoders(self) -> Mapping[str, nn.Module]:
        """The encoders of all models."""
        return {
            f"{number}.{name}": encoder
            for number, model in enumerate(self.models)
            for name, encoder in getattr(model, "encoders", {}).items()
        }

    def forward(self, **inputs: Any) -> AffectOutput:
        """The mean score, or of the mean probability the logarithm or, of several labels, logit."""
        outputs = [model(**inputs) for model in self.models]
        answer = mean_answer(torch.stack([one.prediction.float() for one in outputs]), self.kind)
        further = {
            name: mean_answer(torch.stack([one.further[name].float() for one in outputs]), kind)
            for name, kind in self.further.items()
        }
        return AffectOutput(answer, further=further)


def mean_answer(outputs: Tensor, kind: str) -> Tensor:
    """(models, B, ...) scores or logits → (B, ...) in the same terms."""
    if kind == "classes":
        return outputs.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(outputs))
    if kind == "multilabel":
        return outputs.sigmoid().mean(dim=0).logit(eps=1e-6)
    return outputs.mean(dim=0)


def paths_of(named: str) -> list[str]:
    """The files of ``a.pt:b.pt``; a file whose own name has a colon is one."""
    return [named] if Path(named).is_file() else named.split(SEPARATOR)


def ensemble_of(
    models: Sequence[nn.Module], schemas: Sequence[Schema], paths: Sequence[str]
) -> Ensemble:
    """The models of some files as one.

    Raises:
        InputError: they read other modalities or tell other labels.
    """
    for path, schema in zip(paths, schemas, strict=True):
        if schema != schemas[0]:
            raise InputError(
                f"{path} was trained on other modalities, labels or readings than {paths[0]}; "
                "an ensemble is of models that differ in their seeds or settings only"
            )
    further = {name: spec.kind for name, spec in schemas[0].further.items()}
    return Ensemble(models, schemas[0].label.kind, further)


def of_several(load: Loader) -> Loader:
    """fairseq's ``load_model_ensemble_and_task``, which makes one model of ``a.pt:b.pt``."""

    def loaded(filenames: Sequence[str], *args: Any, **kwargs: Any) -> tuple[list[Any], Any, Any]:
        paths = paths_of(str(filenames[0])) if len(filenames) == 1 else []
        if len(paths) < 2:
            return load(filenames, *args, **kwargs)
        found = [load([path], *args, **kwargs) for path in paths]
        _, cfg, task = found[0]
        models = [model for several, _, _ in found for model in several]
        for path, (_, _, each) in zip(paths, found, strict=True):
            task.check_tested(each.blueprint.seen, path)
        task.thresholds = mean_thresholds([each.thresholds for _, _, each in found])
        return [ensemble_of(models, [each.schema for _, _, each in found], paths)], cfg, task

    return loaded


def install() -> None:
    """Puts `of_several` in place; a second call changes nothing."""
    from fairseq import checkpoint_utils

    if not getattr(checkpoint_utils, "_loads_ensembles", False):
        checkpoint_utils._loads_ensembles = True
        checkpoint_utils.load_model_ensemble_and_task = of_several(
            checkpoint_utils.load_model_ensemble_and_task
        )
