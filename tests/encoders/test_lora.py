"""LoRA: what is trained, what a checkpoint holds, and the same numbers when merged."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from harness import ROOT, spec_of
from released import small_bert
from torch import nn

from mia_fairseq.blueprint import Blueprint
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.data.schema import Schema
from mia_fairseq.encoders.construction import build_encoders
from mia_fairseq.encoders.encoder import Encoder
from mia_fairseq.encoders.encoder_choices import EncoderSettings, read_settings
from mia_fairseq.encoders.encoder_settings import EncoderConfig
from mia_fairseq.encoders.lora import is_lora
from mia_fairseq.encoders.roberta_encoder import RobertaEncoder
from mia_fairseq.errors import InputError

TOKENS, LENGTHS = torch.randint(5, 9, (3, 4)), torch.tensor([4, 2, 3])
SCHEMA = Schema("c", LabelSpec("regression"), "text", (), {"text": spec_of("tokens", 9)})
LINEAR = ("query", "key", "value", "dense", "dense", "dense")  # of one layer of BERT


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bert")
    small_bert(path, ["a", "b", "c", "d"])  # 9 ids, 2 layers, 16-d, 32-d within
    return path


def built(folder: Path, saved=None, **settings) -> tuple[Encoder, dict]:
    settings = {"lora": "text=3", **settings}
    cfg = EncoderConfig(encoder=f"text=hf:{folder}", **settings)
    encoders, states = build_encoders(cfg, SCHEMA, saved)
    return encoders["text"], states


def learn(encoder: Encoder) -> None:
    """A few steps that move all maps."""
    encoder.train()
    trained = [p for p in encoder.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        encoder(TOKENS, LENGTHS).pow(2)[..., 0].sum().backward()
        optimizer.step()
    encoder.eval()


def test_only_the_maps_learn_and_they_begin_as_nothing(folder: Path) -> None:
    encoder, _ = built(folder)
    plain, _ = built(folder, lora="")
    torch.testing.assert_close(
        encoder.eval()(TOKENS, LENGTHS), plain.eval()(TOKENS, LENGTHS), rtol=0, atol=0
    )
    trained = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    assert set(trained) == {name for name, _ in encoder.named_parameters() if is_lora(name)}
    # by hand: four 16→16 maps, one 16→32 and one 32→16, of rank 3, in each of two layers
    assert sum(p.numel() for p in trained.values()) == 2 * (4 * 3 * 32 + 2 * 3 * 48)
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    learn(encoder)
    for name, parameter in encoder.named_parameters():
        assert torch.equal(parameter, before[name]) != is_lora(name), name


def test_the_maps_are_added_as_the_paper_has_it(folder: Path) -> None:
    encoder, _ = built(folder, lora_alpha="12", lora_modules="text=query")
    learn(encoder)
    query = encoder.network.encoder.layer[0].attention.self.query
    rows = torch.randn(5, 16)
    a, b = query.lora_A["default"].weight, query.lora_B["default"].weight
    by_hand = query.base_layer(rows) + 12 / 3 * (rows @ a.T) @ b.T
    torch.testing.assert_close(query(rows), by_hand)


@pytest.mark.parametrize("recompute", [False, True])
def test_merged_they_give_the_same(folder: Path, recompute: bool) -> None:
    encoder, _ = built(folder, gradient_checkpointing=recompute)
    learn(encoder)
    apart = encoder(TOKENS, LENGTHS)
    encoder.merge_lora()
    assert not any(is_lora(name) for name in encoder.state_dict())
    torch.testing.assert_close(encoder(TOKENS, LENGTHS), apart, rtol=1e-5, atol=1e-5)
    plain, _ = built(folder, lora="")
    assert not torch.allclose(plain.eval()(TOKENS, LENGTHS), apart, atol=1e-3)


def test_a_checkpoint_holds_the_maps_and_the_hash(folder: Path, tmp_path: Path) -> None:
    encoder, states = built(folder, lora_layers="text=2", lora_modules="text=query+value")
    learn(encoder)
    holder = nn.ModuleDict({"text": encoder})
    state = holder.state_dict()
    assert len(state) == 2 * 2 + 1 and "text.sha256" in state
    assert all(".layer.1.attention.self." in name for name in state if is_lora(name))
    told = states["text"]
    assert not told["stored"] and told["lora"]["rank"] == 3 and told["lora"]["alpha"] == 6
    # loaded by what the checkpoint tells, whatever the flags name
    again = nn.ModuleDict({"text": built(folder, states, lora="")[0]}).eval()
    again.load_state_dict(dict(state), strict=True)
    assert torch.equal(again["text"](TOKENS, LENGTHS), encoder(TOKENS, LENGTHS))
    lost = {name: value for name, value in state.items() if "query" not in name}
    with pytest.raises(RuntimeError, match="lora_A"):
        again.load_state_dict(lost, strict=True)


def test_layers_below_the_maps_neither_learn_nor_drop_units(folder: Path) -> None:
    encoder, _ = built(folder, lora_layers="text=2")
    encoder.train()
    bottom, first, second = encoder.layers()
    for layer, learns in ((bottom, False), (first, False), (second, True)):
        dropouts = [m for m in layer.modules() if isinstance(m, nn.Dropout)]
        assert dropouts and all(m.training == learns for m in dropouts)


def test_flags_are_read() -> None:
    cfg = EncoderConfig(encoder="text=hf:a", lora="text=8", lora_layers="text=4-6")
    cfg.lora_alpha, cfg.lora_modules = "text=32", "text=query+value"
    expected = EncoderSettings(
        "hf:a", lora=8, lora_alpha=32, lora_layers=(4, 6), lora_modules=("query", "value")
    )
    assert read_settings(cfg, ("text",)) == {"text": expected}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lora": "text=0"}, r"--lora is 'text=0'|--lora.*text=0"),
        ({"lora": "audio=8"}, r"--lora names 'audio', which has no encoder"),
        ({"freeze": "text"}, r"--freeze and --lora both name 'text'"),
        ({"unfreeze_from": "text=1"}, r"--unfreeze-from and --lora both name 'text'"),
        ({"lora": "", "lora_alpha": "text=4"}, r"--lora-alpha names 'text', for which --lora asks"),
        ({"lora_layers": "text=1-3"}, r"--lora-layers text=1-3: its encoder has layers 1 to 2"),
        ({"lora_layers": "text=0-1"}, r"--lora-layers text=0-1: its encoder has layers 1 to 2"),
        ({"lora_modules": "text=wish"}, r"--lora-modules names 'wish', expected .* dense, key"),
    ],
)
def test_what_cannot_be_is_told(folder: Path, settings: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        built(folder, **settings)


def test_settings_of_before_there_were_maps_are_read(folder: Path) -> None:
    older = SimpleNamespace(encoder=f"text=hf:{folder}", freeze="text")
    blueprint = Blueprint(SCHEMA).with_encoders(older)
    assert blueprint.encoders["text"].is_frozen and "lora" not in blueprint.encoder_states["text"]


def test_an_encoder_that_has_no_maps_says_so() -> None:
    with pytest.raises(InputError, match="--lora is for encoders of hf"):
        Encoder.lora_of(object.__new__(RobertaEncoder), 3, 6.0, range(1, 2), ())


def test_a_checkpoint_without_maps_gets_none(folder: Path) -> None:
    _, states = built(folder, lora="")
    with pytest.raises(InputError, match="the checkpoint's encoder has no such maps"):
        built(folder, states)
    _, states = built(folder)
    with pytest.raises(InputError, match="the checkpoint's maps have rank 3"):
        built(folder, states, lora="text=4")


def test_without_the_flag_the_library_is_not_imported(folder: Path) -> None:
    code = (
        "import sys; from mia_fairseq.encoders.hf_encoder import HFEncoder; "
        f"HFEncoder.pretrained({str(folder)!r}); print('peft' in sys.modules)"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip().endswith("False")
