"""An evaluation tells the same whatever --batch-size is, over the registry."""

from types import SimpleNamespace

import pytest
import torch
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from omegaconf import OmegaConf

from mia_fairseq.criterions.mae_krl import MaeKrlCriterion
from mia_fairseq.data.format.labels import LabelSpec
from mia_fairseq.models.affect_model import AffectModel, FusionShape

FUSIONS = sorted(name for name, model in MODEL_REGISTRY.items() if issubclass(model, AffectModel))
DIMS = {"text": 6, "audio": 5, "video": 4}
ROWS = 14


def evaluated(model: AffectModel, size: int) -> dict[str, float]:
    """What an evaluation in batches of a size logs, as means over all rows."""
    torch.manual_seed(1)
    features = {name: torch.randn(ROWS, 3, dim) for name, dim in DIMS.items()}
    lengths = {name: torch.full((ROWS,), 3) for name in DIMS}
    for place, name in enumerate(DIMS):  # each is missing in rows of its own, unevenly
        gone = torch.arange(place, ROWS, 4 + 3 * place)
        features[name][gone], lengths[name][gone] = 0, 0
    target, label = torch.linspace(-3, 3, ROWS), LabelSpec("regression")
    schema = SimpleNamespace(label=label, corpus="test", class_counts=())
    criterion = MaeKrlCriterion(SimpleNamespace(schema=schema), gamma=0.3).eval()
    totals = dict.fromkeys(("loss", "mae_loss", "krl"), 0.0)
    for start in range(0, ROWS, size):
        part = slice(start, start + size)
        inputs = {
            "features": {name: tensor[part] for name, tensor in features.items()},
            "lengths": {name: tensor[part] for name, tensor in lengths.items()},
        }
        rows = len(target[part])
        sample = {"net_input": inputs, "target": target[part], "nsentences": rows, "ntokens": rows}
        with torch.no_grad():
            _, _, logged = criterion(model, sample)
        totals = {name: total + float(logged[name]) / ROWS for name, total in totals.items()}
    return totals


@pytest.mark.parametrize("name", FUSIONS)
def test_the_validation_loss_is_one_for_all_batch_sizes(name: str) -> None:
    torch.manual_seed(0)
    cfg = OmegaConf.structured(MODEL_DATACLASS_REGISTRY[name]())
    cfg._name, cfg.channels = name, 2
    auxiliaries = ("audio", "video") if MODEL_REGISTRY[name].needs_auxiliaries else ()
    model = MODEL_REGISTRY[name](FusionShape("text", auxiliaries, DIMS, 2), 1, cfg).eval()
    once = evaluated(model, 4)
    assert once["loss"] > 0
    for size in (1, 7, ROWS):
        assert evaluated(model, size) == pytest.approx(once, rel=1e-4), size
