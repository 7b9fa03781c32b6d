"""What the training loop reads of its settings again and again, it does not look up again."""

import copy
import pickle

import pytest
from fairseq.trainer import Trainer
from omegaconf import DictConfig, OmegaConf, open_dict

import mia_fairseq.plugin
from mia_fairseq.fairseq_patches.updates.settings_reads import RememberedConfig, remember


@pytest.fixture
def settings() -> DictConfig:
    entries = {"common": {"seed": 1, "twice": "${common.seed}"}, "optimization": {"lr": [0.5]}}
    settings: DictConfig = remember(OmegaConf.create(entries))
    return settings


def test_the_trainer_remembers_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    mia_fairseq.plugin.register()
    cfg = OmegaConf.create({"common": {"cpu": True}})
    with pytest.raises(AttributeError):  # it reads more settings than these
        Trainer(cfg, None, None, None)
    assert isinstance(cfg, RememberedConfig)
    assert cfg.common.cpu is True
    monkeypatch.setattr(DictConfig, "_get_impl", None)
    assert cfg.common.cpu is True, "read without omegaconf the second time"


def test_what_is_set_anew_is_read_anew(settings: DictConfig) -> None:
    assert (settings.common.seed, settings.common.twice) == (1, 1)
    settings.common.seed = 2
    assert (settings.common.seed, settings.common.twice) == (2, 2)
    settings.common["seed"] = 3
    assert (settings.common.seed, settings.common.twice) == (3, 3)
    settings.merge_with({"common": {"seed": 4}})
    OmegaConf.update(settings, "optimization.lr", [0.25])
    assert (settings.common.seed, list(settings.optimization.lr)) == (4, [0.25])
    with open_dict(settings):
        del settings.common.seed
        settings.optimization = {"lr": [1.0]}
    assert "seed" not in settings.common
    assert list(settings.optimization.lr) == [1.0]
    with pytest.raises(AttributeError):
        OmegaConf.set_struct(settings, True)
        _ = settings.common.seed


def test_copies_and_what_a_checkpoint_keeps_are_as_before(settings: DictConfig) -> None:
    plain = OmegaConf.to_container(settings, resolve=True)
    assert settings.common.seed == 1
    assert OmegaConf.to_container(settings, resolve=True) == plain
    for other in (copy.deepcopy(settings), pickle.loads(pickle.dumps(settings))):
        assert other == settings
        other.common.seed = 2
        assert (other.common.seed, settings.common.seed) == (2, 1)
