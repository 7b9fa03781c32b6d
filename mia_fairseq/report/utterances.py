"""The report's part on chosen utterances: attention, gate and share of each auxiliary."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from mia_fairseq.errors import InputError
from mia_fairseq.report.attention_maps import UtteranceMaps, look
from mia_fairseq.report.drawing import pictures
from mia_fairseq.report.resampling.resampled_metrics import Predictions
from mia_fairseq.report.run_results import Section, Seed, Table

EXPLAINED = (
    "Attention: for each column of the main modality, the weights over the auxiliary's columns "
    "(Eq. 3). Gate: what passes (Eq. 6). Share: this module's part of all changes to the main "
    "modality. Without it: the same model's answer with this auxiliary missing. A channel is a "
    "part of the utterance in time, named by its words, or all of it where that is one vector."
)


def utterances(
    section: Section, table: Table, chosen: Sequence[str], done: set[Path]
) -> tuple[str, list[str]]:
    """HTML of one mia_net of a table, and what kept others from being shown.

    Args:
        section: where the table stands.
        table: with runs.
        chosen: ids; by default the lowest and the highest score that were predicted well, and the
            largest error.
        done: checkpoints that are shown already; what is shown here is added.
    """
    named = section.experiment.reference if section.experiment else None
    rows = sorted(table.rows, key=lambda row: row.name != named)
    for row in rows:
        checkpoints = [(seed, seed.folder / "checkpoint_best.pt") for seed in row.seeds[:1]]
        for seed, checkpoint in checkpoints:
            if row.flag_values.get("arch", "") != "mia_net" or row.data is None:
                continue
            if checkpoint in done:
                return "", []
            if not checkpoint.is_file() or seed.predictions is None:
                return "", [f"{row.name}: no checkpoint or predictions, so no attention is shown"]
            done.add(checkpoint)
            if seed.predictions.several:
                return "", [f"{row.name}: attention is shown of scores and classes only"]
            ids = [name for name in chosen if name in seed.predictions.ids] or telling(
                seed.predictions
            )
            try:
                seen = look(checkpoint, row.data, table.split, ids)
            except (InputError, OSError) as error:
                return "", [f"{row.name}: attention cannot be shown ({error})"]
            title = f"<h4>Chosen utterances: {escape(row.name)}, seed {_number(seed)}</h4>"
            return title + f"<p>{EXPLAINED}</p>" + "".join(map(_one, seen)), []
    return "", []


def telling(predictions: Predictions) -> list[str]:
    """Three utterances: a well-predicted low and high label, and the largest error."""
    error = np.abs(predictions.prediction - predictions.truth)
    order = np.lexsort((error, predictions.truth))  # by truth, then by error
    by_truth = predictions.truth[order]
    highest = order[np.flatnonzero(by_truth == by_truth[-1])[0]]
    places = dict.fromkeys([int(order[0]), int(highest), int(error.argmax())])
    return [predictions.ids[place] for place in places]


def _number(seed: Seed) -> int:
    return seed.number


def _one(utterance: UtteranceMaps) -> str:
    lines = "".join(
        f"<tr><td>{escape(name)}</td><td>{module.gate.mean():.3f}</td>"
        f"<td>{module.columns:.1f} of {module.of_columns}</td><td>{module.change:.0%}</td>"
        f"<td>{'with its source' if module.without is None else f'{module.without:.2f}'}</td></tr>"
        for name, module in utterance.modules.items()
    )
    maps = {}
    for name, module in utterance.modules.items():
        maps[f"{name}: attention"] = module.attention
        maps[f"{name}: gate"] = module.gate
    x_labels, y_labels, y_ticks = [], [], []
    for name in utterance.modules:
        x_labels += ["features of the main modality"] * 2
        y_labels += [f"features of {name}", "channels"]
        y_ticks += [(), utterance.parts]
    image = pictures.heat_maps(maps, x_labels, y_labels, y_ticks)
    return (
        f"<h5>{escape(utterance.id)}</h5><blockquote>{escape(utterance.text)}</blockquote>"
        f"<p>true {escape(utterance.label)}, predicted {escape(utterance.answer)}</p>"
        '<div class="scroll"><table><tr><th>auxiliary</th><th>mean gate</th>'
        "<th>columns attended to</th><th>share</th><th>without it</th></tr>"
        f"{lines}</table></div>{image}"
    )
