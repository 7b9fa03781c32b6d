"""What a page's models tell and read, in a sentence for its visitors."""

from collections.abc import Mapping

from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.predict.predictor import Predictor


def models_in_words(models: Mapping[str, Predictor]) -> str:
    """As ``Sentiment: a score from -3 to 3, of text.``, a sentence a model, in Markdown.

    Args:
        models: what each tells -> the model; '' for one alone, which is called by its file.
    """
    told = []
    for subject, model in models.items():
        name = subject.capitalize() or f"`{model.checkpoint.name.replace('`', '')}`"
        told.append(f"{name}: {_values(model.schema.label)}, of {_listed(model.inputs.made)}.")
    return " ".join(told)


def _values(label: LabelSpec) -> str:
    if label.kind == "regression":
        return f"a score from {label.minimum:g} to {label.maximum:g}"
    return f"{'one' if label.kind == 'classes' else 'any'} of {len(label.names)} classes"


def _listed(names: tuple[str, ...]) -> str:
    *others, last = names or ("nothing",)
    return f"{', '.join(others)} and {last}" if others else last
