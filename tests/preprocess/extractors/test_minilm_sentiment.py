"""Do MiniLM's vectors tell plainly positive from plainly negative sentences?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from preprocess.extractors.base import Clip, build_extractor

SUBJECTS = ("film", "meal", "hotel", "teacher", "phone", "concert", "book", "journey")
PRAISE = (
    "The {} was wonderful and I loved it.",
    "What a great {}, it made me so happy.",
    "I am delighted with this {}, it is excellent.",
    "This is the best {} I have ever had, simply perfect.",
    "I really enjoyed the {}, it was beautiful and kind.",
)
BLAME = (
    "The {} was terrible and I hated it.",
    "What an awful {}, it made me so angry.",
    "I am disgusted with this {}, it is horrible.",
    "This is the worst {} I have ever had, simply dreadful.",
    "I really disliked the {}, it was ugly and cruel.",
)


def test_a_linear_probe_tells_forty_of_each_apart(stored_model: Callable[[str], Path]) -> None:
    stored_model("minilm")
    sentences = [
        form.format(subject) for forms in (PRAISE, BLAME) for form in forms for subject in SUBJECTS
    ]
    clips = [Clip(str(place), text=sentence) for place, sentence in enumerate(sentences)]
    vectors = np.stack(
        [np.mean(array, axis=0) for array in build_extractor("minilm").extract(clips)]
    )
    positive = np.arange(80) < 40
    # Folds by subject: no sentence about a subject of training is tested.
    order = np.argsort([place % len(SUBJECTS) for place in range(80)], kind="stable")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scores = cross_val_score(probe, vectors[order], positive[order], cv=4)
    assert scores.mean() >= 0.95, scores
