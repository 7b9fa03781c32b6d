"""``--arch transformer`` is this plugin's, and fairseq's own is still there."""

from pathlib import Path

from fairseq.models import (
    ARCH_MODEL_INV_REGISTRY,
    ARCH_MODEL_NAME_REGISTRY,
    ARCH_MODEL_REGISTRY,
    MODEL_REGISTRY,
)
from fairseq.models.transformer import TransformerModel
from harness import train

from mia_fairseq.fairseq_patches.model_names import free_name
from mia_fairseq.models.attention_fusion.transformer import Transformer


def test_the_name_is_ours_and_fairseqs_model_has_another() -> None:
    assert MODEL_REGISTRY["transformer"] is ARCH_MODEL_REGISTRY["transformer"] is Transformer
    assert MODEL_REGISTRY["fairseq_transformer"] is TransformerModel
    assert ARCH_MODEL_REGISTRY["fairseq_transformer"] is TransformerModel
    assert ARCH_MODEL_INV_REGISTRY["transformer"] == ["transformer"]


def test_fairseqs_other_architectures_still_find_its_model() -> None:
    names = ARCH_MODEL_INV_REGISTRY["fairseq_transformer"]
    assert "transformer_wmt_en_de_big" in names
    assert all(MODEL_REGISTRY[ARCH_MODEL_NAME_REGISTRY[n]] is TransformerModel for n in names)
    assert all(ARCH_MODEL_REGISTRY[n] is TransformerModel for n in names)


def test_a_name_that_is_not_fairseqs_is_left_alone() -> None:
    before = dict(MODEL_REGISTRY)
    free_name("transformer")
    free_name("no_such_model")
    assert before == MODEL_REGISTRY


def test_fairseq_train_builds_ours(corpus: Path, tmp_path: Path) -> None:
    flags = ("--arch", "transformer", "--fusion-dim", "8", "--max-epoch", "1")
    result = train(corpus, tmp_path, *flags)
    assert "(fusion): TransformerFusion(" in result.stdout
