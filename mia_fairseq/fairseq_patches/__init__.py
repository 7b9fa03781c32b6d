"""What fairseq 0.12 gets wrong and no interface of it lets a plugin mend, one file a patch.

Each file says the symptom, where in fairseq 0.12.3 the cause is, when the patch can be deleted,
and which test fails without it. `model_names` is applied by the model that takes a name over.
"""

from importlib import import_module

PATCHES = (
    "atomic_copies",
    "best_checkpoint",
    "bf16_without_tpu",
    "checkpoint_errors",
    "divergence",
    "early_stopping",
    "full_precision_weights",
    "gathering_on_cpu",
    "half_precision",
    "help_of_components",
    "known_models",
    "mean_of_whole_numbers",
    "one_training",
    "start_warnings",
    "updates.cpu_seeding",
    "updates.settings_reads",
)


def apply() -> None:
    """Applies all patches; a second call changes nothing. Loads fairseq."""
    from fairseq import checkpoint_utils

    if getattr(checkpoint_utils, "_patched_by_mia_fairseq", False):
        return
    checkpoint_utils._patched_by_mia_fairseq = True
    for patch in PATCHES:
        import_module(f"{__name__}.{patch}").apply()
