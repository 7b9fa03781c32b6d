"""A model of ours can have a name that fairseq has given to one of its own.

Symptom: a fusion registered as ``transformer`` is not found: ``--arch transformer`` still builds
fairseq's translation model.
Cause: ``fairseq/models/__init__.py``, ``register_model``: ``if name in MODEL_REGISTRY: return
MODEL_REGISTRY[name]``, which keeps the first model of a name in silence.
Delete it when: fairseq lets a plugin replace a model, or our fusion has another name.
Fails without it: ``tests/fairseq_patches/test_model_names.py``.
"""

from mia_fairseq.fairseq_import import import_fairseq


def free_name(name: str) -> None:
    """Moves fairseq's own model from `name` to ``fairseq_{name}``, so that ours can have it.

    fairseq's other architectures of that model, e.g. ``transformer_wmt_en_de``, stay as they are.
    Of the model itself only checkpoints trained under the bare `name` are no longer found by it.
    A name that is free, or taken by another plugin, is left as it is; all are free without fairseq.
    """
    if not import_fairseq():
        return
    from fairseq.models import (
        ARCH_CONFIG_REGISTRY,
        ARCH_MODEL_INV_REGISTRY,
        ARCH_MODEL_NAME_REGISTRY,
        ARCH_MODEL_REGISTRY,
        MODEL_REGISTRY,
    )

    model = MODEL_REGISTRY.get(name)
    if model is None or not model.__module__.startswith("fairseq."):
        return
    moved = f"fairseq_{name}"
    MODEL_REGISTRY[moved] = MODEL_REGISTRY.pop(name)
    for registry in (ARCH_MODEL_REGISTRY, ARCH_CONFIG_REGISTRY, ARCH_MODEL_NAME_REGISTRY):
        registry[moved] = registry.pop(name)
    architectures = ARCH_MODEL_INV_REGISTRY.pop(name)
    ARCH_MODEL_INV_REGISTRY[moved] = [moved if arch == name else arch for arch in architectures]
    for architecture in ARCH_MODEL_INV_REGISTRY[moved]:
        ARCH_MODEL_NAME_REGISTRY[architecture] = moved
