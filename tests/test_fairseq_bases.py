"""Without fairseq, all models are still there to be built."""

import json

from fairseq.models import ARCH_MODEL_REGISTRY
from harness import run_cli

from mia_fairseq.models.affect_model import AffectModel

CODE = """
import sys
sys.modules["fairseq"] = None
import json
import mia_fairseq.data.dataset
import mia_fairseq.models
from mia_fairseq.encoders.registry import find_encoder
from mia_fairseq.fairseq_bases import architectures, has_fairseq
assert not has_fairseq() and find_encoder("roberta:x")
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"omegaconf", "hydra", "transformers", "peft", "preprocess"}, loaded
print(json.dumps({name: cls.needs_auxiliaries for name, cls in architectures().items()}))
"""


def test_every_model_of_ours_is_known_without_fairseq() -> None:
    known = json.loads(run_cli("python", "-c", CODE).stdout)
    ours = {
        name: cls.needs_auxiliaries
        for name, cls in ARCH_MODEL_REGISTRY.items()
        if isinstance(cls, type)
        and issubclass(cls, AffectModel)
        and cls.__module__.startswith("mia_fairseq.")
    }
    assert known == ours and "mia_net" in known
