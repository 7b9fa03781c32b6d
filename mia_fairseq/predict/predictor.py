"""A checkpoint that predicts: prepared rows, clips nobody prepared, or arrays."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mia_fairseq.checkpoints.rows_seen import Seen, fold_for
from mia_fairseq.data.array_batch import batch_of
from mia_fairseq.data.format.folds import open_store
from mia_fairseq.data.format.store import Store
from mia_fairseq.data.opened_split import open_split
from mia_fairseq.errors import InputError
from mia_fairseq.predict.clip_inputs import ClipInputs, Options
from mia_fairseq.predict.clips import (
    check_one_text,
    clip_of_sound,
    find_clips,
    listen,
    words_alone,
)
from mia_fairseq.predict.dialogue_clips import ALONE, CONTEXT, dialogues_of
from mia_fairseq.predict.networks.opened_model import open_model
from mia_fairseq.predict.outputs import Answers, answer_or_reason, answers_of, prediction_of
from mia_fairseq.predict.writing.answers import Prediction
from mia_fairseq.ready.catalog import ready_folder, tell_language, tell_terms
from preprocess.media.clip import RATE, Clip
from preprocess.media.spoken_language import IN_THE_BOX, Speech

BATCH = 64
Given = Path | str | NDArray[Any]


class Predictor:
    """A checkpoint, ready to predict.

    Args:
        checkpoint: a file of fairseq-train, or a folder of mia_fairseq.export; read as tensors and
            settings only.
        options: of extractors, by modality, instead of those that the checkpoint names.
        allowed: extractors ``module:Class`` that it may name.
        device: where the model, and extractors that can, run, such as cuda.
        int8: whether a ready model's products are of 8 bits: faster, a little less exact.
        speech: which model hears the words of clips, and in which language.

    Raises:
        InputError: the file cannot be read, or was not trained with this task.
    """

    def __init__(
        self,
        checkpoint: Path | str,
        options: Options | None = None,
        allowed: Collection[str] = (),
        device: str = "cpu",
        *,
        int8: bool = False,
        speech: Speech = IN_THE_BOX,
    ) -> None:
        self.checkpoint, self.speech = Path(checkpoint), speech
        opened = open_model(self.checkpoint, device, int8=int8)
        self.network, self.schema = opened.network, opened.schema
        self.thresholds, self.seen = opened.thresholds, opened.seen
        self.inputs = ClipInputs(self.schema, self.checkpoint, options, allowed, device)

    @property
    def reads_words(self) -> bool:
        """Whether some modality is made of the words."""
        return self.inputs.reads_words

    def predict(
        self, clips: Given | Sequence[Given], text: str | None = None, *, rate: int = RATE
    ) -> list[Prediction]:
        """Clips by their paths, folders searched through, or sound in memory.

        Args:
            clips: files, folders of clips, or sound: (N,) or (N, channels), floats in [-1, 1] or
                int16; its answer is called sound-1, by its place.
            text: the words of a single clip, instead of recognised ones; of no clip, the words
                that are answered for, under the name text.
            rate: samples a second of sound in memory.

        Returns:
            An answer a clip, in order.

        Raises:
            InputError: a path is not there, a folder holds no clip, or an array is no sound.
        """
        given = [clips] if isinstance(clips, Path | str | np.ndarray) else list(clips)
        found: list[Clip] = []
        for place, one in enumerate(given, start=1):
            if isinstance(one, np.ndarray):
                found.append(clip_of_sound(one, rate, f"sound-{place}", text))
            else:
                found += find_clips([Path(one)], text)
        if text is not None and not given:
            found = [words_alone(text)]
        check_one_text(found, text)
        if self.reads_words:
            found = listen(found, self.speech)
        return self.predict_clips(found)

    def predict_arrays(
        self,
        features: Mapping[str, Sequence[NDArray[Any]]],
        dialogues: Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """Outputs for a batch.

        Args:
            features: for each modality, one array an utterance: (T, dim) features, (T,) tokens or
                (T, side, side, 3) frames; T = 0 where missing.
            dialogues: how many utterances each dialogue has, one after another; by default each
                is alone.

        Returns:
            (n,) scores, or (n, k) probabilities.
        """
        return self._answers(features, dialogues).label

    def _answers(
        self, features: Mapping[str, Sequence[NDArray[Any]]], dialogues: Sequence[int] | None
    ) -> Answers:
        return answers_of(self.network.answers(batch_of(self.schema, features, dialogues)))

    def predict_split(self, data: Path, split: str) -> Iterator[Prediction]:
        """Each row of a split of a DATA folder, in its order; read by length, to pad little.

        A corpus that the model was trained on with --fold is divided as it was then. A row that
        has no modality at all gets no value.

        Raises:
            InputError: the model cannot read the rows, or is an ensemble that knows all of them.
        """
        # What reads batches of a split needs torch.
        from mia_fairseq.data.dataset import arrays_of
        from mia_fairseq.data.dialogue_dataset import dataset_of

        store = _divided(data, self.seen)
        if split not in store.splits:
            raise InputError(
                f"{data}: has no split {split!r}, it has {', '.join(store.splits)}; name one by "
                "--split"
            )
        self.schema.check_fits(store)
        rows = dataset_of(open_split(store, split, self.schema), self.schema)
        batches = rows.batch_by_size(rows.ordered_indices(), max_sentences=BATCH)
        found: dict[int, Prediction] = {}
        for batch in tqdm(batches, desc=f"predicting {split}", unit="batch", disable=None):
            items = [rows[int(row)] for row in batch]
            answers = answers_of(self.network.answers(arrays_of(rows.collater(items)["net_input"])))
            for place, item in enumerate(items):
                found[item["row"]] = prediction_of("", answers, place, self.schema, self.thresholds)
        tables = rows.split.features
        for place, row in enumerate(rows.split.rows):
            known = store.label.format(row.label)
            prediction = found[place]
            prediction.id, prediction.text = row.id, row.text
            prediction.label = known if store.label.names else float(known)
            empty = [name for name in self.schema.inputs if not tables[name].lengths[place]]
            if len(empty) == len(self.schema.inputs):
                prediction.missing = dict.fromkeys(empty, "the row has none")
            yield answer_or_reason(prediction, self.schema.inputs)

    def predict_clips(self, clips: Sequence[Clip]) -> list[Prediction]:
        """Each clip, with whatever of its modalities can be had; no value where none can.

        Raises:
            InputError: the checkpoint's features come from no extractor that is here, or its
                tokens from another tokenizer.
        """
        if self.reads_words:
            tell_language(self.checkpoint, [clip.language for clip in clips])
        features, missing = self.inputs.read(clips)
        found: dict[int, Prediction] = {}
        for parts in self._batches(clips):
            batch = [place for part in parts for place in part]
            arrays = {name: [features[name][place] for place in batch] for name in features}
            answers = self._answers(arrays, [len(part) for part in parts])
            for number, place in enumerate(batch):
                answer = prediction_of(
                    clips[place].id, answers, number, self.schema, self.thresholds
                )
                answer.text, answer.missing = clips[place].text, missing[place]
                answer.start, answer.end = clips[place].start, clips[place].end
                answer.faces = self.inputs.face_share(clips[place])
                found[place] = answer_or_reason(answer, self.inputs.made)
            if self.schema.reading.whole_dialogues:
                for part in parts:
                    if len(part) == 1:
                        missing[part[0]][CONTEXT] = ALONE
        return [found[place] for place in range(len(clips))]

    def _batches(self, clips: Sequence[Clip]) -> Iterator[list[list[int]]]:
        """The places of clips, some dialogues at a time; a row read alone is one by itself."""
        whole = self.schema.reading.whole_dialogues
        parts = dialogues_of(clips) if whole else [[place] for place in range(len(clips))]
        batch: list[list[int]] = []
        for part in parts:
            if batch and sum(map(len, batch)) + len(part) > BATCH:
                yield batch
                batch = []
            batch.append(part)
        if batch:
            yield batch


def _divided(data: Path, seen: Seen) -> Store:
    """A DATA folder, divided by a fold of the model's where its corpus is the model's."""
    store = Store(data)
    fold = fold_for(seen, store)
    if fold is not None and not any(store.split(name, ()).has_folds for name in store.splits):
        raise InputError(
            f"{data}: its corpus is called {store.corpus!r}, as the one that the model was trained "
            f"on with --fold {fold}, and its rows have no folds; if they are other rows, make it "
            "again with another --corpus"
        )
    return open_store(data, fold)


def load_model(model: Path | str, **settings: Any) -> Predictor:
    """A trained model that predicts: ``mia_fairseq.load_model(model).predict(clips)``.

    Args:
        model: a file of fairseq-train, a folder of mia_fairseq.export, or the name of a ready
            model, such as sentiment; read as tensors and settings only.
        settings: `options`, `allowed`, `device`, `int8` and `speech` of `Predictor`.

    Raises:
        InputError: there is no such model, or it cannot be read.
    """
    path = Path(model)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return Predictor(path, **settings)
    folder = ready_folder(str(model))
    tell_terms([folder])
    return Predictor(folder, **settings)
