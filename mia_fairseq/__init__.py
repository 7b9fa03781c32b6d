"""MIA-Net, the Multi-modal Interactive Attention Network, as a fairseq plugin.

Importing this package loads neither fairseq nor torch, except in fairseq's own commands: there,
as ``--user-dir mia_fairseq`` does, it registers the task ``multimodal_affect``, the architectures,
the criteria and an optimizer.
"""

from typing import TYPE_CHECKING, Any

from mia_fairseq.plugin import in_fairseq_command, register

if TYPE_CHECKING:
    from mia_fairseq.predict.predictor import load_model as load_model

__all__ = ["load_model"]


def __getattr__(name: str) -> Any:
    """`load_model` when it is asked for: it needs torch (PEP 562)."""
    if name == "load_model":
        from mia_fairseq.predict.predictor import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if in_fairseq_command():
    register()
