"""What evaluation is in this task: each row of a split once, metrics once over the whole split.

fairseq would compute them batch by batch, and average: an F1 of batches is no F1.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from fairseq.logging import metrics
from fairseq.registry import REGISTRIES
from fairseq.tasks import FairseqTask

from mia_fairseq.checkpoints.checkpoint_model import check_component
from mia_fairseq.criterions.joint_loss import JointLossCriterion
from mia_fairseq.data.schema import Schema
from mia_fairseq.fairseq_patches.best_checkpoint import tell_nan
from mia_fairseq.meter import BatchRows, WholeSplitMeter
from mia_fairseq.models.affect_model import AffectOutput
from mia_fairseq.tasks.choosing_epochs import is_larger_better, scalar_metrics
from mia_fairseq.tasks.task_settings import MultimodalAffectConfig

EndOfSplit = Callable[[WholeSplitMeter, Schema], None]  # told of each split that was evaluated


class WholeSplitTask(FairseqTask):
    """A task whose batches ship their rows to a meter of the split, whatever the criterion.

    Args:
        cfg: the task's settings.
        evaluating: whether a checkpoint is being evaluated rather than a model trained.

    Attributes:
        thresholds: from which probability on each of several labels is predicted; chosen by
            validation.
        end_of_split: who is told of each split that fairseq-validate has evaluated, in order.
    """

    cfg: MultimodalAffectConfig

    def __init__(self, cfg: MultimodalAffectConfig, *, evaluating: bool) -> None:
        super().__init__(cfg)
        self.evaluating = evaluating
        self.end_of_split: list[EndOfSplit] = []  # in evaluation only
        self._meters: dict[str, WholeSplitMeter] = {}
        self.thresholds: dict[str, float] = {}
        self._chosen_by: tuple[str, bool] | None = None  # the metric, and whether larger is better

    @property
    def schema(self) -> Schema:
        """Modalities and labels."""
        raise NotImplementedError(f"{type(self).__name__} must have a schema")

    def build_criterion(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """As fairseq has it; of a checkpoint's criteria, only those of others than fairseq.

        Raises:
            InputError: nothing here registers the checkpoint's criterion.
        """
        if self.evaluating:
            criteria = REGISTRIES["criterion"]
            registered = criteria["registry"], criteria["dataclass_registry"]
            check_component("criterion", cfg or {}, *registered, "the checkpoint")
        return super().build_criterion(cfg, from_checkpoint)

    def begin_valid_epoch(self, epoch: int, model: Any) -> None:
        self._meters.clear()

    def valid_step(
        self, sample: Mapping[str, Any], model: Any, criterion: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Runs the model once, and adds the batch's rows to what the criterion logs.

        A criterion without `compute`, or with a forward of its own, runs the model itself again.
        """
        if not sample:  # the last shard of fairseq-validate on several processes
            return 0.0, 0, {}
        model.eval()
        with torch.no_grad():
            output: AffectOutput = model(**sample["net_input"])
            if getattr(type(criterion), "forward", None) is JointLossCriterion.forward:
                loss, sample_size, logged = criterion.compute(output, sample)
            else:
                loss, sample_size, logged = criterion(model, sample)
        prediction = output.prediction.float().cpu().numpy()
        further = {n: outputs.float().cpu().numpy() for n, outputs in output.further.items()}
        parts = {}  # those of one size a row, whatever the batch
        if self.evaluating:
            parts = {n: p.float().cpu().numpy() for n, p in output.parts.items() if p.ndim <= 2}
        rows = BatchRows(sample["split"], sample["id"].cpu().numpy(), prediction, further, parts)
        return loss, sample_size, {**logged, "rows": rows}

    @staticmethod
    def logging_outputs_can_be_summed(criterion: Any) -> bool:
        # In evaluation batches ship their rows, which cannot be summed.
        return bool(criterion.training)

    def reduce_metrics(self, logging_outputs: Sequence[dict[str, Any]], criterion: Any) -> None:
        """Logs sums as the criterion has them, and the whole split's metrics when complete."""
        logged = [output for output in logging_outputs if output]
        batches = [output.pop("rows") for output in logged if "rows" in output]
        super().reduce_metrics(logged, criterion)
        for batch in batches:
            self._meter(batch.split).add(batch)
        for split in {batch.split for batch in batches}:
            meter = self._meter(split)
            # fairseq-validate calls nothing of a task after a split's last batch but this, and it
            # only once a split; so this is where a split is known to have ended.
            for end_of_split in self.end_of_split:
                end_of_split(meter, self.schema)
            self._log_whole_split(meter)

    def is_larger_better(self, metric: str, criterion: Any, *, asked: bool) -> bool:
        """The direction of ``--best-checkpoint-metric``.

        Args:
            metric: its name.
            criterion: logs losses beside the metrics of the task.
            asked: whether ``--maximize-best-checkpoint-metric`` is given.

        Raises:
            InputError: validation has no such figure, or smaller is better.
        """
        larger = is_larger_better(metric, self.schema.label, criterion, asked=asked)
        self._chosen_by = metric, larger
        return larger

    def post_validate(self, model: Any, stats: Mapping[str, Any], agg: Any) -> None:
        """Fails where a row was lost or seen twice; of several labels, chooses the thresholds.

        fairseq-train calls it after validation and before it saves the checkpoint, which so keeps
        the thresholds of its own validation. The log's figures are at 0.5.
        """
        for meter in self._meters.values():
            meter.check()
        if self._chosen_by is not None and len(self._meters) == 1:  # the first of --valid-subset
            metric, larger = self._chosen_by
            tell_nan(metric, float(stats[metric]), larger)
        kinds = [spec.kind for spec in (self.schema.label, *self.schema.further.values())]
        if "multilabel" in kinds:
            chosen_on = next(iter(self._meters.values()), None)  # the first of --valid-subset
            self.thresholds = chosen_on.chosen_thresholds() if chosen_on else {}

    def _meter(self, split: str) -> WholeSplitMeter:
        if split not in self._meters:
            rows = self.datasets[split].split
            thresholds = self.thresholds if self.evaluating else None
            there = rows.store.further_labels
            further = {n: spec for n, spec in self.schema.further.items() if n in there}
            self._meters[split] = WholeSplitMeter(rows, self.schema.label, thresholds, further)
        return self._meters[split]

    def _log_whole_split(self, meter: WholeSplitMeter) -> None:
        # fairseq asks for a derived figure after each batch; before the last one it is NaN.
        computed: dict[str, Any] = {}

        def figure(name: str) -> float:
            if not meter.complete:
                return float("nan")
            if not computed:
                computed.update(meter.metrics())
            return float(computed[name])

        for place, name in enumerate(scalar_metrics(self.schema.label)):
            metrics.log_derived(name, lambda _, name=name: figure(name), priority=20 + place)
