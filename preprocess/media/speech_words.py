"""The words of speech by Whisper, greedily, and of short speech without filling up 30 seconds.

The model in the box hears English. A Whisper of several languages hears the one that is named, or
finds out which is spoken.

Words are gated by voice activity (Silero's network, which faster-whisper ships): on silence or
noise Whisper would make them up. What is spoken is laid end to end, and padded to a multiple of ten
seconds with a second of silence or more at its end; Whisper's encoder then reads a third of what
it was trained on, at a third of the cost. Seldom it repeats itself so; a text that does, or does
not end, is heard again at Whisper's own length. So is speech that is longer.
"""

import re
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require_speech
from preprocess.media.clip import RATE
from preprocess.media.speech import LONGEST, whisper
from preprocess.media.spoken_language import ENGLISH, IN_THE_BOX, Speech

WINDOW = 10  # seconds
SILENCE = 1  # second at least behind the speech
TOKENS_A_SECOND = 10  # more than anybody speaks
AGAIN = 3  # words said twice in a row at the end: people seldom do, a short window does
# What faster-whisper itself takes for no speech, and for a text that repeats itself.
NO_SPEECH, DOUBTFUL, REPEATED = 0.6, -1.0, 2.4


class Heard(NamedTuple):
    """A text, whether it may be trusted, and its language."""

    text: str
    whole: bool
    language: str


class Transcript(NamedTuple):
    """The words of some speech and the code of its language; both '' where nobody speaks."""

    text: str
    language: str


def transcribe(
    audio: NDArray[np.float32], device: str = "cpu", speech: Speech = IN_THE_BOX
) -> Transcript:
    """The words of some audio.

    Args:
        audio: (N,) float32 at 16 kHz.
        device: where the model runs, as torch writes it.
        speech: which model hears, and in which language.

    Raises:
        InputError: as `speech_model`.
    """
    spoken = spoken_parts(audio)
    if not len(spoken):
        return Transcript("", "")
    model, language = speech_model(speech, device)
    seconds = window_seconds(len(spoken))
    if seconds < LONGEST:
        heard = hear_short(model, spoken, seconds, language)
        if heard.whole:
            return Transcript(heard.text, heard.language)
        language = heard.language
    segments, told = model.transcribe(
        spoken,
        language=language,
        beam_size=1,
        temperature=0.0,  # anything above samples at random
        condition_on_previous_text=False,
    )
    return Transcript(" ".join(segment.text.strip() for segment in segments).strip(), told.language)


def speech_model(speech: Speech, device: str = "cpu") -> tuple[Any, str | None]:
    """The model of a choice, loaded, and the language it hears in; None: it finds that out.

    Raises:
        InputError: the model cannot be read, or does not hear the language.
    """
    model = whisper(device, folder=speech.folder)
    alone = not model.model.is_multilingual
    known = [ENGLISH] if alone else _languages(model)
    if speech.language is None:
        return model, ENGLISH if alone else None
    if speech.language in known:
        return model, speech.language
    if alone:
        raise InputError(
            f"language is {speech.language!r}, and {speech.named} hears English only; name a "
            'Whisper of several languages, such as --speech-model base (docs/clips.md, "Other '
            'languages"), or give the words in a table'
        )
    raise InputError(
        f"language is {speech.language!r}, expected one that {speech.named} hears: "
        f"{', '.join(sorted(known))}"
    )


def _languages(model: Any) -> list[str]:
    """The codes that a model of several languages has a token for."""
    token = model.hf_tokenizer.token_to_id
    return [code for code in model.supported_languages if token(f"<|{code}|>") is not None]


def spoken_parts(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """(M,) what is spoken, its parts end to end; none where nobody speaks."""
    if not len(audio):
        return audio
    vad = require_speech("faster_whisper.vad")
    parts = vad.get_speech_timestamps(audio, vad.VadOptions())
    empty = np.empty(0, np.float32)
    return np.concatenate([empty, *(audio[part["start"] : part["end"]] for part in parts)])


def window_seconds(samples: int) -> int:
    """How long a window some speech is read in, in whole seconds."""
    return -(-(samples + SILENCE * RATE) // (WINDOW * RATE)) * WINDOW


def hear_short(
    model: Any, spoken: NDArray[np.float32], seconds: int, language: str | None = ENGLISH
) -> Heard:
    """The words of speech in a window of some seconds; a language of None is found out."""
    library = require_speech("ctranslate2")
    tokens = require_speech("faster_whisper.tokenizer")
    padded = np.pad(spoken, (0, seconds * RATE - len(spoken)))
    mel = model.feature_extractor(padded, padding=0)[:, : 100 * seconds]  # (80, 100 * seconds)
    features = library.StorageView.from_array(np.ascontiguousarray(mel[None]))
    if language is None:
        features = model.model.encode(features)  # once, to find out and to hear
        (likely,) = model.model.detect_language(features)
        language = likely[0][0].strip("<|>")
    known = tokens.Tokenizer(
        model.hf_tokenizer, model.model.is_multilingual, "transcribe", language
    )
    limit = TOKENS_A_SECOND * seconds
    (found,) = model.model.generate(
        features,
        [[*known.sot_sequence, known.no_timestamps]],
        beam_size=1,
        max_length=limit,
        return_scores=True,
        return_no_speech_prob=True,
    )
    ids = found.sequences_ids[0]
    if found.no_speech_prob > NO_SPEECH and found.scores[0] < DOUBTFUL:
        return Heard("", True, language)
    text = known.decode([token for token in ids if token < known.eot]).strip()
    return Heard(text, len(ids) < limit - 2 and not repeats(text), language)


def repeats(text: str) -> bool:
    """Whether a text says the same again and again (it compresses too well), or ends twice."""
    raw = text.encode()
    if raw and len(raw) / len(zlib.compress(raw)) > REPEATED:
        return True
    words = re.findall(r"[\w']+", text.lower())
    sizes = range(AGAIN, len(words) // 2 + 1)
    return any(words[-size:] == words[-2 * size : -size] for size in sizes)
