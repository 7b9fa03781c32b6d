"""The card of an exported model: what it is, what it reads, and how it is used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.export.folder_names import CARD
from mia_fairseq.files import write_whole


def write_card(folder: Path, name: str, blueprint: Blueprint, about: Mapping[str, Any]) -> None:
    """Writes ``README.md`` into a model's folder.

    Args:
        folder: of the exported model.
        name: of the model.
        blueprint: schema and encoders.
        about: what else is known of it.
    """
    write_whole(folder / CARD, "\n".join(card(name, blueprint, about)) + "\n")


def card(name: str, blueprint: Blueprint, about: Mapping[str, Any]) -> list[str]:
    """The lines of a card.

    Args:
        name: of the architecture.
        blueprint: that the model was built from.
        about: what is known of its training, by name.
    """
    schema = blueprint.schema
    label = schema.label
    answers = ", ".join(label.names) if label.names else "a score"
    lines = [
        f"# {name} on {schema.corpus}",
        "",
        f"Reads {', '.join(schema.used)} of an utterance and answers with {answers}.",
        "",
        "| modality | kind | dim | made by |",
        "| --- | --- | --- | --- |",
    ]
    for stored in schema.stored:
        spec = schema.modalities[stored]
        lines.append(f"| {stored} | {spec.kind} | {spec.dim} | {spec.extractor or 'not told'} |")
    for modality, state in blueprint.encoder_states.items():
        held = "in model.safetensors" if state["stored"] else "to be there, and not in this folder"
        lines += [
            "",
            f"Encoder of {modality}: {state['source']}, sha256 {state['sha256']}, {held}.",
        ]
    lines += ["", "Training:", *(f"- {key}: {value}" for key, value in about.items())]
    lines += ["", "    python -m mia_fairseq.predict THIS_FOLDER clip.mp4"]
    return lines
