"""Small random checkpoints of the very formats that the paper's encoders are released in.

fairseq's are saved as in 2019: an argparse.Namespace, meters of a module that has moved since,
torch's old file format, and RoBERTa's old parameter names.
"""

import argparse
import collections
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairseq.data import Dictionary
from fairseq.models.roberta import RobertaModel
from fairseq.models.roberta.model import base_architecture
from fairseq.models.wav2vec.wav2vec import Wav2VecConfig, Wav2VecModel
from fairseq.tasks.masked_lm import MaskedLMConfig, MaskedLMTask

from mia_fairseq.pretrained.fairseq_checkpoints import old_checkpoints_allowed
from mia_fairseq.pretrained.libraries import require_transformers

WORDS = "Hello world, this was a good film . I hated it THE END"


def settings_2019(**more: object) -> argparse.Namespace:
    """A RoBERTa's settings, as its training had them."""
    settings = argparse.Namespace(
        arch="roberta",
        task="masked_lm",
        criterion="masked_lm",
        data="/somewhere/else",
        encoder_layers=2,
        encoder_embed_dim=32,
        encoder_ffn_embed_dim=64,
        encoder_attention_heads=4,
        max_positions=512,
        tokens_per_sample=512,
        sample_break_mode="complete",
        optimizer="adam",
        lr=[0.1],
        lr_scheduler="polynomial_decay",
        save_dir="checkpoints",
    )
    vars(settings).update(more)
    return settings


def save_2019(path: Path, settings: argparse.Namespace, state: dict[str, torch.Tensor]) -> None:
    """Save as fairseq did in 2019, meters and all."""
    old = types.ModuleType("fairseq.meters")
    meter = type("AverageMeter", (), {"__module__": "fairseq.meters"})
    old.AverageMeter = meter  # type: ignore[attr-defined]
    sys.modules["fairseq.meters"] = old
    held = meter()
    held.avg = 1.5  # type: ignore[attr-defined]
    try:
        content = {
            "args": settings,
            "model": state,
            "optimizer_history": [{"num_updates": 500_000, "best_loss": np.float64(1.25)}],
            "extra_state": {"train_meters": collections.OrderedDict(train_loss=held)},
            "last_optimizer_state": None,
        }
        torch.save(content, path, _use_new_zipfile_serialization=False)
    finally:
        del sys.modules["fairseq.meters"]


def old_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """RoBERTa's parameters as the release calls them: "decoder", one matrix for q, k and v."""
    old = {key.replace("encoder.", "decoder.", 1): value for key, value in state.items()}
    for key in [key for key in old if ".q_proj." in key]:
        parts = [old.pop(key.replace("q_proj", f"{part}_proj")) for part in "qkv"]
        new = key.replace("q_proj.weight", "in_proj_weight").replace("q_proj.bias", "in_proj_bias")
        old[new] = torch.cat(parts)
    return old


def small_roberta(
    folder: Path, checkpoint: str, symbols: list[str], positions: int
) -> RobertaModel:
    """Save a RoBERTa of 2 layers, 32-d, and its dict.txt."""
    torch.manual_seed(len(symbols))
    dictionary = Dictionary()
    for symbol in symbols:
        dictionary.add_symbol(symbol, 7)
    dictionary.save(str(folder / "dict.txt"))
    settings = settings_2019(max_positions=positions, tokens_per_sample=positions)
    whole = argparse.Namespace(**vars(settings))
    base_architecture(whole)
    task = MaskedLMTask(MaskedLMConfig(data=str(folder)), dictionary)
    model = RobertaModel.build_model(whole, task).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    save_2019(folder / checkpoint, settings, old_names(model.state_dict()))
    return model


LACKING = ("settings", "history", "all but the weights", "nothing, and has NumPy's numbers")


def strip_release(path: Path, lacking: str) -> None:
    """Rewrite a release without some of what it holds besides its weights, one of `LACKING`."""
    with old_checkpoints_allowed(path):
        state = torch.load(path, weights_only=True)
    del state["extra_state"]["train_meters"]  # stand-ins, which cannot be saved
    if lacking == "settings":
        state["args"].mask_whole_words = None
        state["args"].dropout = None
    kept = {"history": {*state} - {"optimizer_history"}, "all but the weights": {"args", "model"}}
    state = {name: state[name] for name in kept.get(lacking, {*state})}
    if lacking == LACKING[-1]:
        state["best"] = numpy_numbers()
        state["args"].lr = [np.float32(0.1)]
    torch.save(state, path)


def numpy_numbers() -> dict[str, Any]:
    """One of each kind, as training scripts leave them."""
    kinds = (np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8, np.bool_)
    return {kind.__name__: kind(1) for kind in kinds}


SPEECH_LAYERS = "[(16, 10, 5), (16, 8, 4), (16, 4, 2), (16, 4, 2), (16, 4, 2), (16, 1, 1)]"


def small_vq_wav2vec(folder: Path, layers: str = SPEECH_LAYERS) -> Wav2VecModel:
    """Save a vq-wav2vec with two code books of five."""
    torch.manual_seed(0)
    own: dict[str, Any] = {
        "arch": "wav2vec",
        "task": "audio_pretraining",
        "criterion": "binary_cross_entropy",
        "conv_feature_layers": layers,
        "conv_aggregator_layers": "[(16, 2, 1), (16, 3, 1)]",
        "vq_type": "kmeans",
        "vq_vars": 5,
        "vq_groups": 2,
        "combine_groups": True,
        "prediction_steps": 2,
        "infonce": False,
    }
    config = Wav2VecConfig(
        **{key: own[key] for key in own if key in Wav2VecConfig.__dataclass_fields__}
    )
    model = Wav2VecModel(config).eval()
    torch.nn.init.normal_(model.vector_quantizer.embedding)
    settings = argparse.Namespace(
        **own, data="/somewhere/else", sample_rate=16_000, max_sample_size=None, optimizer="adam",
        lr=[0.1], lr_scheduler="cosine",
    )  # fmt: skip
    save_2019(folder / "vq-wav2vec_kmeans.pt", settings, model.state_dict())
    return model


WIDTHS = (32, 64, 128, 256, 256, 256, 256, 256)
# In the release the encoder is a chain: convolutions and norms stand at these places in it.
CONVOLUTIONS = (0, 2, 5, 8, 11, 14, 17, 20)
NORMS = (None, 3, 6, 9, 12, 15, 18, None)


def fabnet_state() -> dict[str, torch.Tensor]:
    """FAb-Net: random tensors by the names of the release's `state_dict_model`, with a decoder."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * scale

    state, inputs = {}, 3
    for convolution, norm, width in zip(CONVOLUTIONS, NORMS, WIDTHS, strict=True):
        state[f"encoder.{convolution}.weight"] = normal(width, inputs, 4, 4, scale=inputs**-0.5 / 3)
        state[f"encoder.{convolution}.bias"] = normal(width, scale=0.1)
        if norm is not None:
            state[f"encoder.{norm}.weight"] = normal(width) + 1
            state[f"encoder.{norm}.bias"] = normal(width)
            state[f"encoder.{norm}.running_mean"] = normal(width, scale=0.3)
            state[f"encoder.{norm}.running_var"] = normal(width).abs() + 0.5
        inputs = width
    state["decoder.2.weight"] = normal(4, 4, 3, 3)
    state["mask.2.weight"] = normal(4, 4, 3, 3)
    return state


def small_bert(folder: Path, words: list[str], positions: int = 40) -> None:
    """Save a BERT of transformers, 2 layers, 16-d, and the tokenizer of some words, whose ids
    begin at 5 behind [PAD], [UNK], [CLS], [SEP] and [MASK]. It heeds case."""
    transformers = require_transformers("this test")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = transformers.BertTokenizer(
        vocab={word: index for index, word in enumerate(vocabulary)},
        do_lower_case=False,
        model_max_length=10**30,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=positions,
        pad_token_id=0,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    transformers.BertModel(config).save_pretrained(folder)
