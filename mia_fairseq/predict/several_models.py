"""Clips through one model or several: each file decoded and heard once, answers in order."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from mia_fairseq.predict.clip_inputs import Options
from mia_fairseq.predict.clips import listen
from mia_fairseq.predict.contributions import add_contributions
from mia_fairseq.predict.faces_found import add_faces
from mia_fairseq.predict.predictor import Predictor
from mia_fairseq.predict.writing.answers import ClipAnswer
from mia_fairseq.predict.writing.clip_answers import ClipAnswers
from preprocess.media.spoken_language import IN_THE_BOX, Speech

if TYPE_CHECKING:
    from preprocess.media.clip import Clip

TOGETHER = 16  # clips that are heard and read at a time


def load_all(
    paths: Mapping[str, Path],
    options: Options,
    allowed: Collection[str],
    *,
    int8: bool = False,
    speech: Speech = IN_THE_BOX,
) -> dict[str, Predictor]:
    """The models of some paths; those that read the same features share their extractors."""
    models = {
        name: Predictor(path, options, allowed, int8=int8, speech=speech)
        for name, path in paths.items()
    }
    first = next(iter(models.values())).inputs
    for model in models.values():
        model.inputs.share_extractors(first)
    return models


def answer_all(
    models: Mapping[str, Predictor],
    clips: Sequence["Clip"],
    *,
    contributions: bool = False,
    faces: bool = False,
) -> list[ClipAnswer]:
    """What the models say of clips, in order, with a bar that shows how far they are.

    Args:
        models: what each tells -> the model; '' for one alone.
        clips: a text of None is heard, if some model reads words.
        contributions: whether to tell what each modality and word gave.
        faces: whether to tell where faces are found, though no model reads them.
    """
    speech = next(iter(models.values())).speech
    reads_words = any(model.reads_words for model in models.values())
    answers: list[ClipAnswer] = []
    with tqdm(total=len(clips), desc="predicting", unit="clip", disable=None) as progress:
        for part in _parts(models, clips):
            known = listen(part, speech) if reads_words else part
            by_model = {}
            for name, model in models.items():
                by_model[name] = model.predict_clips(known)
                if contributions:
                    add_contributions(model, known, by_model[name])
            if faces:
                add_faces(known, list(by_model.values()))
            if "" in by_model:
                answers += by_model[""]
            else:
                answers += [
                    ClipAnswers(dict(zip(by_model, found, strict=True)))
                    for found in zip(*by_model.values(), strict=True)
                ]
            progress.update(len(part))
    return answers


def _parts(models: Mapping[str, Predictor], clips: Sequence["Clip"]) -> Iterator[Sequence["Clip"]]:
    """Clips in parts; all at once where a model reads whole dialogues."""
    whole = any(model.schema.reading.whole_dialogues for model in models.values())
    size = len(clips) if whole else TOGETHER
    for first in range(0, len(clips), size):
        yield clips[first : first + size]
