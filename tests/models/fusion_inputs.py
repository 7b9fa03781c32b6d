"""Random inputs for fusions taken by themselves."""

from collections.abc import Mapping

import torch

from mia_fairseq.models.affect_model import FusionShape, ModalityInput

DIMS = {"text": 4, "audio": 3, "video": 2}


def shape_of(dims: Mapping[str, int] = DIMS, channels: int = 2) -> FusionShape:
    """The first modality is the main one."""
    main, *auxiliaries = dims
    return FusionShape(main, tuple(auxiliaries), dims, channels)


def inputs_of(
    dims: Mapping[str, int] = DIMS, channels: int = 2, rows: int = 3, steps: int = 3
) -> dict[str, ModalityInput]:
    """Every modality whole, in float64."""
    torch.manual_seed(3)
    return {
        name: ModalityInput(
            torch.randn(rows, channels, dim).double(),
            torch.randn(rows, steps, dim).double(),
            torch.ones(rows, steps, dtype=torch.bool),
        )
        for name, dim in dims.items()
    }


def without(inputs: Mapping[str, ModalityInput], name: str) -> dict[str, ModalityInput]:
    """The same with one modality missing from every row."""
    gone = ModalityInput(*(torch.zeros_like(tensor) for tensor in inputs[name]))
    return {**inputs, name: gone}
