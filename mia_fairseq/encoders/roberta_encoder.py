"""``roberta``: a RoBERTa checkpoint of fairseq, for text or for the codes of speech.

The paper's text encoder is RoBERTa-large (Sec. 3.1.1), its audio encoder a RoBERTa trained on
vq-wav2vec's codes (Sec. 3.1.2). P rows, T time, d the embedding's dim.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from mia_fairseq.encoders.encoder import Encoder, inside
from mia_fairseq.encoders.registry import register_encoder
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_import import load_fairseq
from mia_fairseq.files import sha256_of

if TYPE_CHECKING:
    from mia_fairseq.data.format.modality_spec import ModalitySpec

NAMES = ("model.pt", "bert_kmeans.pt")  # of the checkpoints in the releases' folders
EMBEDDINGS = ".sentence_encoder.embed_tokens.weight"
BASE_POSITIONS = 512  # fairseq's own default
PAD = 1  # in all of fairseq's dictionaries


@register_encoder("roberta")
class RobertaEncoder(Encoder):
    """The last layer's states, ``<s>`` first.

    Layers: 0 is the embeddings, 1 to N the Transformer's layers.

    Args:
        network: RoBERTa's sentence encoder.
        settings: with which it was built, in plain containers.
    """

    kind: ClassVar[str] = "tokens"

    def __init__(self, network: Any, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.network, self.settings = network, dict(settings)
        self.output_dim = int(network.embed_tokens.embedding_dim)
        self.max_positions = int(network.max_positions())

    @classmethod
    def pretrained(cls, where: str) -> tuple["RobertaEncoder", str]:
        path = _checkpoint(where)
        state, settings = _read(path)
        model = build_roberta(settings)
        try:
            model.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise InputError(
                f"{path}: its weights do not fit its own settings "
                f"({' '.join(str(error).split())[:200]}); give a RoBERTa checkpoint of fairseq"
            ) from error
        return cls(model.encoder.sentence_encoder, settings), sha256_of(path)

    @classmethod
    def untrained(cls, architecture: Mapping[str, Any]) -> "RobertaEncoder":
        return cls(build_roberta(architecture).encoder.sentence_encoder, architecture)

    def architecture(self) -> dict[str, Any]:
        return dict(self.settings)

    def check_fits(self, modality: str, spec: "ModalitySpec") -> None:
        super().check_fits(modality, spec)
        known = len(self.network.embed_tokens.weight)
        if spec.dim > known or spec.pad != PAD:
            raise InputError(
                f"the encoder of {modality} has {known} embeddings and pads with {PAD}, DATA "
                f"({spec.extractor}) has {spec.dim} tokens and pads with {spec.pad}: they belong "
                "to another encoder; extract tokens with the dictionary of this checkpoint"
            )

    def encode(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        tokens = inputs.masked_fill(~inside(lengths, inputs.shape[1]), PAD)
        states: Tensor = self.network(tokens)["encoder_out"][0]  # (T, P, d)
        return states.transpose(0, 1)

    def blocks(self) -> list[nn.Module]:
        layers = self.network.layers  # iterating would drop some, where LayerDrop is on
        return [layers[number] for number in range(len(layers))]

    def layers(self) -> list[nn.Module]:
        blocks, children = self.blocks(), dict(self.network.named_children())
        top = [module for name, module in children.items() if name == "layer_norm"]
        bottom = [m for n, m in children.items() if n not in ("layers", "layer_norm")]
        return [nn.ModuleList(bottom), *blocks[:-1], nn.ModuleList([blocks[-1], *top])]


def _checkpoint(where: str) -> Path:
    """The checkpoint that ``roberta:WHERE`` means: a file, or the one in a release's folder."""
    path = Path(where).expanduser()
    if where and path.is_file():
        return path
    found = [path / name for name in NAMES if where and (path / name).is_file()]
    if len(found) != 1:
        raise InputError(
            f"--encoder roberta:{where}: expected a checkpoint, or a folder with one of "
            f"{' and '.join(NAMES)}; unpack the release there"
        )
    return found[0]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint's weights, and the settings that decide its architecture; no free unpickling."""
    from mia_fairseq.pretrained.fairseq_checkpoints import read_release

    held = read_release(path)
    held = held if isinstance(held, Mapping) else {}
    state, given = held.get("model"), held.get("args") or (held.get("cfg") or {}).get("model")
    state = dict(state or {})
    tables = [table for name, table in state.items() if name.endswith(EMBEDDINGS)]
    if given is None or len(tables) != 1:
        raise InputError(
            f"{path}: holds no RoBERTa (it has no weights called *{EMBEDDINGS}), expected a "
            "checkpoint of fairseq's roberta; give that, or choose another encoder"
        )
    given = vars(given) if isinstance(given, argparse.Namespace) else dict(given)
    return state, settings_of(given, len(tables[0]))


def settings_of(given: Mapping[str, Any], vocabulary: int) -> dict[str, Any]:
    """All settings that decide an architecture: those given, RoBERTa-base's for the rest.

    Args:
        given: of a checkpoint; None stands for a setting that is not given.
        vocabulary: embeddings, special symbols included.
    """
    load_fairseq()
    from fairseq.models.roberta.model import base_architecture

    known = argparse.Namespace()
    base_architecture(known)
    told = {name: value for name, value in given.items() if value is not None}
    settings = {name: told.get(name, default) for name, default in vars(known).items()}
    positions = told.get("max_positions") or told.get("tokens_per_sample") or BASE_POSITIONS
    return {**settings, "max_positions": positions, "vocabulary": vocabulary}


class _Dictionary(SimpleNamespace):
    """All that a model needs to know of a dictionary."""

    size: int

    def __len__(self) -> int:
        return self.size

    def pad(self) -> int:
        return PAD


def build_roberta(settings: Mapping[str, Any]) -> Any:
    """fairseq's RobertaModel of some settings."""
    load_fairseq()
    from fairseq.models.roberta import RobertaModel

    dictionary = _Dictionary(size=settings["vocabulary"])
    args = argparse.Namespace(**settings)
    return RobertaModel.build_model(args, SimpleNamespace(source_dictionary=dictionary))
