"""The fairseq task ``multimodal_affect``: a store in, predictions and whole-split metrics out."""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairseq.tasks import register_task

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.checkpoints.rows_seen import Seen, check_unseen, divisions
from mia_fairseq.data.dialogue_dataset import dataset_of
from mia_fairseq.data.format.folds import open_store
from mia_fairseq.data.format.store import Split, Store
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.derived import parse_derived, parse_surroundings
from mia_fairseq.data.views.perturbation import Perturbation
from mia_fairseq.data.views.reading import Reading
from mia_fairseq.encoders.encoder_choices import check_named
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_patches.early_stopping import early_stopping_state
from mia_fairseq.files import check_is_no_folder
from mia_fairseq.models.affect_model import AffectModel, fuses
from mia_fairseq.optim.adam_fused import check_learning_rates
from mia_fairseq.plugin import flag_group
from mia_fairseq.tasks.going_on import OTHER, going_on
from mia_fairseq.tasks.init_from import Trained
from mia_fairseq.tasks.precision import Precision, choose
from mia_fairseq.tasks.result_files import ResultFiles
from mia_fairseq.tasks.task_settings import OUR_DEFAULTS, PAPER_DEFAULTS, MultimodalAffectConfig
from mia_fairseq.tasks.whole_split import WholeSplitTask

logger = logging.getLogger(__name__)

TEST_SPLIT = "test"


@register_task("multimodal_affect", dataclass=MultimodalAffectConfig)
class MultimodalAffectTask(WholeSplitTask):
    """Sentiment scores or emotion classes of utterances, from several modalities.

    Args:
        cfg: the task's settings.
        evaluating: whether a checkpoint is being evaluated rather than a model trained.
    """

    def __init__(self, cfg: MultimodalAffectConfig, *, evaluating: bool = False) -> None:
        super().__init__(cfg, evaluating=evaluating)
        self.perturbation = Perturbation.parse(
            cfg.drop, cfg.noise, cfg.misalign, cfg.perturbation_seed
        )
        self.store = open_store(cfg.data, cfg.fold) if cfg.data else None
        self._blueprint: Blueprint | None = None
        self._checked_optimizer = False
        self.precision: Precision | None = None
        self._splits: dict[str, Split] = {}
        if not evaluating and (cfg.results_json or cfg.predictions):
            raise InputError(
                "--results-json and --predictions belong to fairseq-validate, which evaluates "
                "a finished checkpoint; leave them out of fairseq-train"
            )
        for path in filter(None, (cfg.results_json, cfg.predictions)):
            check_is_no_folder(Path(path))
        if not evaluating and self.perturbation.names:
            raise InputError(
                "--drop, --noise and --misalign belong to fairseq-validate, which evaluates a "
                "finished checkpoint; fairseq-train has --modality-dropout"
            )
        if evaluating:
            written = ResultFiles(cfg.results_json, cfg.predictions, self.perturbation)
            self.end_of_split.append(written)

    # Set-up ---------------------------------------------------------------------------------

    @classmethod
    def add_args(cls, parser: argparse.ArgumentParser) -> None:
        """Adds the task's flags, and the paper's settings as defaults of fairseq's own flags."""
        super().add_args(flag_group(parser, "data and task"))
        known = {action.dest for action in parser._actions}
        defaults = {**PAPER_DEFAULTS, **OUR_DEFAULTS}
        parser.set_defaults(**{name: defaults[name] for name in defaults if name in known})

    @classmethod
    def setup_task(
        cls, cfg: MultimodalAffectConfig, from_checkpoint: bool = False, **_: Any
    ) -> "MultimodalAffectTask":
        task = cls(cfg, evaluating=from_checkpoint)
        if getattr(cfg, "bf16_if_faster", False) and not from_checkpoint:
            task.precision = choose(cfg._get_parent())  # fairseq's settings, read by its trainer
        return task

    @property
    def blueprint(self) -> Blueprint:
        """What the model is built from: of the data in training, of a checkpoint in evaluation."""
        if self._blueprint is None:
            raise RuntimeError("the blueprint is made when the model is built")
        return self._blueprint

    @property
    def schema(self) -> Schema:
        """Modalities and labels."""
        return self.blueprint.schema

    def chosen_schema(self, *, fuses: bool, cfg: Any = None) -> Schema:
        """The modalities that the flags name, and the store's labels.

        Args:
            fuses: whether the model has auxiliary modalities; if not, they are not even loaded.
            cfg: of the model, which may have a model of dialogues.

        Raises:
            InputError: a modality is unknown or named twice.
        """
        auxiliaries = tuple(name for name in self.cfg.aux_modalities.split(",") if name)
        derived = parse_derived(self.cfg.derive, self.cfg.context)
        around = parse_surroundings(self.cfg.surroundings)
        main = self.cfg.main_modality
        if not fuses:
            auxiliaries, derived = (), {}
            around = {name: around[name] for name in around if name == main}
        reading = Reading.parse(
            self.cfg.read,
            self.cfg.speakers,
            talks=bool(getattr(cfg, "conversation", "") or getattr(cfg, "crf", False)),
            past=bool(getattr(cfg, "conversation_past", False)),
        )
        further = [name for name in self.cfg.further_labels.split(",") if name]
        store = self._opened_store()
        return Schema.choose(store, main, auxiliaries, derived, around, reading, further)

    def _opened_store(self) -> Store:
        if self.store is None:
            raise InputError("no DATA folder was given; it is the command's first argument")
        return self.store

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the task."""
        state = self.blueprint.to_state()
        if self.thresholds:
            state["thresholds"] = dict(self.thresholds)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._blueprint = Blueprint.from_state(state_dict)
        self.thresholds = dict(state_dict.get("thresholds", {}))
        if self.store is not None:
            self.schema.check_fits(self.store)
            self.check_tested(self.blueprint.seen, "the checkpoint")

    def check_tested(self, seen: Seen, who: str) -> None:
        """Raises `InputError` where the split is tested on rows that a model may have seen."""
        if self.store is not None:
            mend = "evaluate it as it was trained"
            here = divisions(self.store.corpus, self.store.united, self.cfg.fold)
            check_unseen(seen, here, who, mend)

    def check_start(self, state: Mapping[str, Any], path: str, *, same_training: bool) -> None:
        """Raises `InputError` where training cannot go on from a checkpoint, as `going_on` says.

        Args:
            state: of the checkpoint.
            path: of the checkpoint.
            same_training: whether it is this training's own last one.
        """
        told = state.get("task_state") or {}
        self._blueprint = going_on(self.blueprint, told, path, same_training=same_training)

    def get_checkpoint_dict(self) -> dict[str, Any]:
        """What fairseq-train's loop would forget when it is killed."""
        return early_stopping_state()

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> AffectModel:
        trained = None if from_checkpoint else Trained.chosen(cfg)
        if not from_checkpoint:
            store = self._opened_store()
            kinds = {name: spec.kind for name, spec in store.modalities.items()}
            check_named(cfg, kinds, store.path)
            schema = self.chosen_schema(fuses=fuses(cfg), cfg=cfg)
            states = {} if trained is None else trained.blueprint.encoder_states
            self._blueprint = Blueprint(schema, states, fold=self.cfg.fold)
            if trained is not None:
                seen, who = trained.blueprint.seen, f"--init-from {trained.path}"
                check_unseen(seen, self._blueprint.divisions, who, OTHER)
                self._blueprint = self._blueprint.begun_from(seen)
        self._blueprint = self.blueprint.with_encoders(cfg)
        model: AffectModel = super().build_model(cfg, from_checkpoint)
        if from_checkpoint:
            return model
        own, here = self.blueprint.seen, self.blueprint.divisions
        check_unseen(own, here, f"--encoder {getattr(cfg, 'encoder', '')}", OTHER)
        if trained is not None:
            trained.hand_over(model, self.schema, self._opened_store(), cfg)
        elif str(cfg.normalize) != "none":
            model.fit_normalization(self._open_split("train"))
        if model.fusion.penalizes_rows:
            told = "%s's own penalty hangs on which rows share a batch: not in the validation loss"
            logger.info(told, cfg._name)
        if model.asks_for_labels:
            model.fusion.begin_training(len(self._open_split("train")))
        if self.precision is not None:
            self.precision.tell(model.encoders.widest)
        return model

    # Data -----------------------------------------------------------------------------------

    def load_dataset(self, split: str, combine: bool = False, **_: Any) -> None:
        """Opens one split; training refuses the test split, so nothing can be chosen by it."""
        if split == TEST_SPLIT and not self.evaluating:
            raise InputError(
                "fairseq-train does not read the test split, so that no epoch or setting is "
                "chosen by it; name another --valid-subset and test with fairseq-validate"
            )
        others = [name for name in self.datasets if name != split]
        if self.evaluating and others and (self.cfg.results_json or self.cfg.predictions):
            raise InputError(
                f"--valid-subset names {', '.join([*others, split])}, and --results-json "
                "and --predictions hold one split; evaluate one at a time"
            )
        rows = self._open_split(split)
        training = split == "train" and not self.evaluating
        self.datasets[split] = dataset_of(
            rows,
            self.schema,
            shuffle=training,
            by_length=training and self.cfg.group_by_length,
            by_corpus=training and str(self.cfg.balance) == "corpus",
        )
        logger.info("%s: %d rows", split, len(rows))
        for name, table in rows.features.items():
            if table.missing:
                logger.info("%s: %s is missing for %d rows", split, name, table.missing)

    def _open_split(self, split: str) -> Split:
        if split not in self._splits:
            store = self._opened_store()
            self._splits[split] = open_split(store, split, self.schema, self.perturbation)
        return self._splits[split]

    def get_batch_iterator(self, *args: Any, **kwargs: Any) -> Any:
        # fairseq would drop the last batch where its size is no multiple of 8, and would make
        # batches of 16 out of 18.
        kwargs["required_batch_size_multiple"] = 1
        return super().get_batch_iterator(*args, **kwargs)

    def max_positions(self) -> None:
        """No limit, so no row is ever filtered by its length."""
        return

    def filter_indices_by_size(
        self,
        indices: Any,
        dataset: Any,
        max_positions: Any = None,
        ignore_invalid_inputs: bool = False,
    ) -> Any:
        """All indices: where fairseq would leave rows out (``--max-tokens``), this ends.

        Raises:
            InputError: a row is longer than a batch may be.
        """
        kept = super().filter_indices_by_size(indices, dataset, max_positions, True)
        if len(kept) < len(indices):
            raise InputError(
                f"{len(indices) - len(kept)} of {len(indices)} rows are longer than --max-tokens, "
                "and none is left out; raise it, or use --batch-size"
            )
        return kept

    @property
    def source_dictionary(self) -> None:
        return None

    @property
    def target_dictionary(self) -> None:
        return None

    # Training -------------------------------------------------------------------------------

    def train_step(
        self, sample: Any, model: Any, criterion: Any, optimizer: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """As fairseq has it; the first step checks the split, and that all rates are heeded."""
        if not self._checked_optimizer:
            if sample["split"] != "train":
                raise InputError(
                    f"--train-subset is {sample['split']!r}, expected 'train', whose rows also "
                    "give normalisation and class weights; make a DATA of which these are train"
                )
            check_learning_rates(optimizer, model.parameters())
            self._checked_optimizer = True
        return super().train_step(sample, model, criterion, optimizer, *args, **kwargs)
