"""``trained``: an encoder as it learnt along in another training with this task.

``--encoder text=trained:CKPT`` takes the encoder of ``text`` out of a checkpoint and nothing else:
fusion, head and modalities may be others. ``--init-from`` takes over the whole model instead.
"""

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mia_fairseq.checkpoints.checkpoint_file import read_state
from mia_fairseq.checkpoints.network_size import building, no_larger_than, of_any_size
from mia_fairseq.checkpoints.rows_seen import seen_by
from mia_fairseq.checkpoints.task_state import TRAINED_ON
from mia_fairseq.encoders.encoder import Encoder
from mia_fairseq.encoders.left_out_weights import HASH, fill_in
from mia_fairseq.encoders.lora import Lora
from mia_fairseq.encoders.registry import find_encoder
from mia_fairseq.errors import InputError

PREFIX = "trained:"

logger = logging.getLogger(__name__)


def trained_encoder(modality: str, source: str) -> tuple[Encoder, dict[str, object]]:
    """The encoder of a modality, and what a checkpoint tells of it.

    Args:
        modality: has an encoder in that checkpoint too.
        source: ``trained:`` and the checkpoint.

    Raises:
        InputError: the checkpoint cannot be read, or does not hold the encoder.
    """
    path = source.removeprefix(PREFIX)
    state = read_state(path)
    told = state.get("task_state") or {}
    try:
        seen = seen_by(told)
    except InputError as error:
        raise InputError(f"--encoder {modality}={source}: {error}") from error
    known = told.get("encoders", {})
    if modality not in known:
        raise InputError(
            f"--encoder {modality}={source}: that checkpoint has "
            f"{'an encoder of ' + ', '.join(sorted(known)) if known else 'no encoder'}, expected "
            f"one of {modality}; give a checkpoint whose encoder of {modality} learnt along"
        )
    about = known[modality]
    prefix = f"encoders.{modality}."
    weights = {k.removeprefix(prefix): v for k, v in state["model"].items() if k.startswith(prefix)}
    if HASH in weights and "lora" not in about:
        raise InputError(
            f"--encoder {modality}={source}: that checkpoint leaves its frozen encoder out; give "
            f"{about['source']} itself"
        )
    where = f"--encoder {modality}={source}"
    with building(where), no_larger_than(sum(w.numel() for w in weights.values()), where):
        encoder = _restored(about, weights)
    logger.info("%s: encoder %s as it learnt along in %s", modality, about["source"], path)
    kept = {key: value for key, value in about.items() if key != "lora"}
    seen_too = {TRAINED_ON: [list(one) for one in seen]}
    return encoder, {**kept, "begun_as": source, "stored": True, **seen_too}


def _restored(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Encoder:
    """The encoder that a checkpoint holds; what LoRA learnt is merged into its weights.

    Raises:
        InputError: the checkpoint leaves the pretrained weights out, and they are not there.
    """
    kind, where = find_encoder(about["source"])
    if "lora" not in about:
        encoder = kind.untrained(about["architecture"])
        encoder.load_state_dict(weights)
        return encoder
    if about["stored"]:
        begun = kind.untrained(about["architecture"])
    else:
        with of_any_size():
            begun, sha256 = kind.pretrained(where)
        fill_in(begun, about["source"], sha256, begun.is_pretrained)
    begun.add_lora(Lora.from_state(about["lora"]))
    begun.load_state_dict(weights)
    begun.merge_lora()
    encoder = kind.untrained(about["architecture"])  # one without the marks of what learnt
    encoder.load_state_dict(begun.state_dict())
    return encoder
