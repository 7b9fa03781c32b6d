"""``hf``: any text encoder of `transformers`, from a folder or the model store.

B batch, T time, d the hidden size.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from mia_fairseq.encoders.encoder import Encoder, inside
from mia_fairseq.encoders.lora import Lora
from mia_fairseq.encoders.registry import register_encoder
from mia_fairseq.errors import InputError
from mia_fairseq.files import weights_sha256

if TYPE_CHECKING:
    from mia_fairseq.data.format.modality_spec import ModalitySpec


@register_encoder("hf")
class HFEncoder(Encoder):
    """Last hidden states of a transformers encoder, special tokens included.

    Layers: 0 is the embeddings, 1 to N the Transformer's layers. Weights are read as safetensors,
    or as tensors only from a pickle. Attention is scaled-dot-product wherever the model has it.

    Args:
        network: a model of transformers, without a head.
    """

    kind: ClassVar[str] = "tokens"
    reads_past: ClassVar[bool] = True

    def __init__(self, network: Any) -> None:
        super().__init__()
        if getattr(network.config, "is_encoder_decoder", False):
            network = network.get_encoder()
        if getattr(network, "pooler", None) is not None:
            network.pooler = None  # reads the first position only, and nothing here reads it
        self.network = network
        self.output_dim = int(network.config.hidden_size)
        self.max_positions = positions(network)

    @classmethod
    def pretrained(cls, where: str) -> tuple["HFEncoder", str]:
        from mia_fairseq.pretrained.libraries import require_transformers

        folder = _folder(where)
        transformers = require_transformers("an hf encoder")
        try:
            network, found = transformers.AutoModel.from_pretrained(
                str(folder),
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise InputError(
                f"{folder} holds no encoder that transformers can load "
                f"({str(error).strip().splitlines()[0]}); give a folder with config.json and its "
                "weights, or the name of a stored model"
            ) from error
        absent = [key for key in sorted(found["missing_keys"]) if not key.startswith("pooler.")]
        absent += sorted(str(key) for key in found["mismatched_keys"])
        if absent:
            raise InputError(
                f"{folder}: its weights are not those of its config.json's "
                f"{type(network).__name__}: {absent[0]} and {len(absent) - 1} more are missing or "
                "of another shape; give the weights that belong to it"
            )
        return cls(network), str(weights_sha256(folder))

    @classmethod
    def untrained(cls, architecture: Mapping[str, Any]) -> "HFEncoder":
        from mia_fairseq.pretrained.libraries import require_transformers

        transformers = require_transformers("an hf encoder")
        settings = {name: architecture[name] for name in architecture if not _is_code(name)}
        config = transformers.AutoConfig.for_model(settings.pop("model_type"), **settings)
        network = transformers.AutoModel.from_config(
            config, dtype=torch.float32, trust_remote_code=False
        )
        return cls(network)

    def architecture(self) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(self.network.config.to_json_string(use_diff=False))
        return settings

    def check_fits(self, modality: str, spec: "ModalitySpec") -> None:
        super().check_fits(modality, spec)
        config = self.network.config
        pad, known = spec.pad, getattr(config, "pad_token_id", None)
        if spec.dim > config.vocab_size or known not in (None, pad):
            raise InputError(
                f"the encoder of {modality} has {config.vocab_size} embeddings and pads with "
                f"{known}, DATA ({spec.extractor}) has {spec.dim} tokens and pads with {pad}: "
                "they belong to another encoder; extract tokens with this encoder's tokenizer"
            )

    def encode(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        mask = inside(lengths, inputs.shape[1]).long()
        states: Tensor = self.network(input_ids=inputs, attention_mask=mask).last_hidden_state
        return states  # (P, T, d)

    def encode_past(self, inputs: Tensor, lengths: Tensor, turns: Tensor) -> Tensor:
        there = inside(lengths, inputs.shape[1])[:, None, :]  # (P, 1, T)
        sees = there & (turns[:, None, :] <= turns[:, :, None])  # (P, T, T): row sees column
        dtype = next(self.network.parameters()).dtype
        # A mask of four dimensions is added to the scores of attention as it is.
        mask = torch.zeros(sees.shape, dtype=dtype, device=sees.device)
        mask = mask.masked_fill(~sees, torch.finfo(dtype).min)[:, None]  # (P, 1, T, T)
        states: Tensor = self.network(input_ids=inputs, attention_mask=mask).last_hidden_state
        return states  # (P, T, d)

    def drop_attention(self, share: float) -> None:
        for module in self.network.modules():
            if type(module).__name__.endswith("SelfAttention"):
                for child in module.children():
                    if isinstance(child, nn.Dropout):
                        child.p = share

    def blocks(self) -> list[nn.Module]:
        count = getattr(self.network.config, "num_hidden_layers", None)
        for module in self.network.modules():
            if isinstance(module, nn.ModuleList) and len(module) == count:
                return list(module)
        return [self.network]  # such as ALBERT, whose layers share their weights

    def lora_of(self, rank: int, alpha: float, layers: range, kinds: Sequence[str]) -> Lora:
        # The top layer has a last norm beside its block, and nothing else that is linear.
        blocks = [self.layers()[number] for number in layers]
        return Lora.of_blocks(self.network, blocks, rank, alpha, kinds)

    def layers(self) -> list[nn.Module]:
        blocks = self.blocks()
        bottom, top = nn.ModuleList(), nn.ModuleList([blocks[-1]])
        containers = [self.network] if self.network not in blocks else []
        seen = False
        while containers:
            container = containers.pop(0)
            bottom.append(nn.ParameterList(container.parameters(recurse=False)))
            for child in container.children():
                if any(module in blocks for module in child.modules()):
                    seen = True
                    if child not in blocks:
                        containers.append(child)
                else:
                    # Behind the blocks stands a last norm; position biases serve all of them.
                    is_norm = "norm" in type(child).__name__.lower()
                    (top if seen and is_norm else bottom).append(child)
        return [bottom, *blocks[:-1], top]


def _is_code(name: str) -> bool:
    """Whether a setting of transformers may name code that is fetched: modules or kernels."""
    return name in ("auto_map", "trust_remote_code", "quantization_config") or (
        "implementation" in name
    )


def positions(network: Any) -> int | None:
    """The longest row of tokens that a model of transformers has positions for; None: any."""
    config = network.config
    count = getattr(config, "max_position_embeddings", None)
    if count is None or count < 1:
        return None
    tables = [m for n, m in network.named_modules() if n.endswith("position_embeddings")]
    padding = getattr(tables[0], "padding_idx", None) if tables else None
    # RoBERTa and its kin count positions from behind the padding's number.
    return int(count) if padding is None else int(count) - padding - 1


def _folder(where: str) -> Path:
    """The folder that ``hf:WHERE`` means; a stored model is fetched."""
    from mia_fairseq.pretrained.model_list import MODELS
    from mia_fairseq.pretrained.model_store import fetch_model

    stored = [name for name, model in MODELS.items() if "model.safetensors" in model.files]
    if where in stored:
        return fetch_model(where)
    folder = Path(where).expanduser()
    if not where or not (folder / "config.json").is_file():
        raise InputError(
            f"--encoder hf:{where}: {where or 'nothing'} is no folder with a config.json, expected "
            f"one, or one of {', '.join(stored)}"
        )
    return folder
