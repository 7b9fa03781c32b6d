"""Encoders of transformers: against direct calls, over several architectures."""

from pathlib import Path

import pytest
import torch
from harness import spec_of
from released import small_bert

from mia_fairseq.data.format.modality_spec import ModalitySpec
from mia_fairseq.encoders.hf_encoder import HFEncoder
from mia_fairseq.errors import InputError
from mia_fairseq.pretrained.libraries import require_transformers

SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 32, "max_position_embeddings": 32}
DISTIL = {"vocab_size": 40, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32}
# Class, settings, and how many positions there are for tokens.
ARCHITECTURES = {
    "bert": ("Bert", SIZES, 32),
    "roberta": ("Roberta", {**SIZES, "pad_token_id": 1}, 30),
    "mpnet": ("MPNet", {**SIZES, "pad_token_id": 1}, 30),
    "electra": ("Electra", {**SIZES, "embedding_size": 16}, 32),
    "distilbert": ("DistilBert", {**DISTIL, "max_position_embeddings": 32}, 32),
    "albert": ("Albert", {**SIZES, "embedding_size": 8, "num_hidden_groups": 1}, 32),
}


def network(name: str) -> torch.nn.Module:
    transformers = require_transformers("this test")
    title, settings, _ = ARCHITECTURES[name]
    torch.manual_seed(0)
    model = getattr(transformers, f"{title}Model")(
        getattr(transformers, f"{title}Config")(**settings)
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def saved(name: str, folder: Path) -> Path:
    network(name).save_pretrained(folder)
    return folder


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens, lengths = torch.randint(5, 40, (4, 6), generator=generator), torch.tensor([6, 0, 2, 4])
    return tokens, lengths


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_row_equals_a_direct_call_of_it_alone(name: str, tmp_path: Path) -> None:
    encoder, sha256 = HFEncoder.pretrained(str(saved(name, tmp_path)))
    tokens, lengths = rows()
    pad = getattr(encoder.network.config, "pad_token_id", 0) or 0
    tokens[torch.arange(6) >= lengths[:, None]] = pad
    direct = network(name)
    with torch.no_grad():
        states = encoder.eval()(tokens, lengths)
        assert states.shape == (4, 6, encoder.output_dim) and len(sha256) == 64
        for row, length in enumerate(lengths.tolist()):
            assert not states[row, length:].any()
            if length:
                alone = direct(input_ids=tokens[row : row + 1, :length]).last_hidden_state
                torch.testing.assert_close(states[row, :length], alone[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_layers_hold_each_parameter_once_and_positions_are_known(name: str) -> None:
    encoder = HFEncoder(network(name))
    held = [id(p) for layer in encoder.layers() for p in layer.parameters()]
    assert sorted(held) == sorted(id(p) for p in encoder.parameters())
    assert len(encoder.layers()) == (2 if name == "albert" else 4)  # ALBERT's share their weights
    most = ARCHITECTURES[name][2]
    assert encoder.max_positions == most
    with torch.no_grad():
        encoder(torch.full((1, most), 7), torch.tensor([most]))
        with pytest.raises((IndexError, RuntimeError)):  # there really are no more
            encoder.encode(torch.full((1, most + 1), 7), torch.tensor([most + 1]))
        with pytest.raises(
            InputError, match=rf"sequence of {most + 1} tokens is longer than .*{most}"
        ):
            encoder(torch.full((1, most + 1), 7), torch.tensor([most + 1]))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_is_built_again_from_its_architecture_and_weights(name: str) -> None:
    encoder = HFEncoder(network(name)).eval()
    again = HFEncoder.untrained(encoder.architecture()).eval()
    again.load_state_dict(encoder.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(encoder(*rows()), again(*rows()))


def test_a_last_norm_belongs_to_the_top_layer() -> None:
    transformers = require_transformers("this test")
    config = transformers.ModernBertConfig(**SIZES, global_attn_every_n_layers=1, pad_token_id=0)
    encoder = HFEncoder(transformers.ModernBertModel(config))
    layers = encoder.layers()
    held = [id(p) for layer in layers for p in layer.parameters()]
    assert sorted(held) == sorted(id(p) for p in encoder.parameters())
    assert encoder.network.final_norm in layers[-1].children()
    assert encoder.network.embeddings in layers[0].children()
    encoder.train_from(3)
    assert (
        encoder.network.final_norm.weight.requires_grad and not encoder.network.layers[1].training
    )


def test_a_batch_without_the_modality_is_zeros() -> None:
    encoder = HFEncoder(network("bert"))
    states = encoder(torch.zeros(3, 1, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    assert states.shape == (3, 1, 16) and not states.any()


def test_gradient_checkpointing_changes_no_number() -> None:
    def gradients(*, recompute: bool) -> list[torch.Tensor]:
        encoder = HFEncoder(network("bert"))
        if recompute:
            encoder.checkpoint_gradients()
        encoder.train()
        torch.manual_seed(3)  # of dropout
        encoder(*rows()).square().sum().backward()
        return [p.grad for p in encoder.parameters() if p.grad is not None]

    plain, recomputed = gradients(recompute=False), gradients(recompute=True)
    assert len(plain) > 40
    for one, other in zip(plain, recomputed, strict=True):
        torch.testing.assert_close(one, other)


def test_a_stored_model_is_named_without_a_folder(stored_model) -> None:
    folder = stored_model("minilm")
    by_name, hash_of_name = HFEncoder.pretrained("minilm")
    by_folder, hash_of_folder = HFEncoder.pretrained(str(folder))
    assert hash_of_name == hash_of_folder and by_name.output_dim == 384
    assert by_name.max_positions == 512 and len(by_name.layers()) == 7
    for one, other in zip(by_name.parameters(), by_folder.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no folder with a config.json.*minilm, mpnet"):
        HFEncoder.pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds no encoder that transformers can load"):
        HFEncoder.pretrained(str(tmp_path))


def test_weights_of_another_architecture_are_told(tmp_path: Path) -> None:
    saved("bert", tmp_path / "bert")
    saved("mpnet", tmp_path / "mpnet")
    (tmp_path / "bert" / "config.json").replace(tmp_path / "mpnet" / "config.json")
    with pytest.raises(InputError, match=r"mpnet: its weights are not those of .*BertModel: "):
        HFEncoder.pretrained(str(tmp_path / "mpnet"))


def test_data_of_another_kind_or_tokenizer_is_told(tmp_path: Path) -> None:
    small_bert(tmp_path, ["good", "bad"])
    encoder, _ = HFEncoder.pretrained(str(tmp_path))  # 7 ids, padding 0
    encoder.check_fits("text", spec_of("tokens", 7))
    with pytest.raises(InputError, match=r"text has 7 embeddings and pads with 0.*8 tokens"):
        encoder.check_fits("text", spec_of("tokens", 8))
    other = ModalitySpec(7, "x_tokens", "tokens", {"pad": 1})
    with pytest.raises(InputError, match=r"DATA \(x_tokens\) has 7 tokens and pads with 1"):
        encoder.check_fits("text", other)
    with pytest.raises(InputError, match="encoder of tokens, DATA holds frames"):
        encoder.check_fits("video", spec_of("frames", 7))
