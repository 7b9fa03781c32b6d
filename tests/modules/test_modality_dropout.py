"""Whole modalities taken away: how often, from whom, and never everything."""

import pytest
import torch

from mia_fairseq.errors import InputError
from mia_fairseq.modules.modality_dropout import ModalityDropout

ROWS = 4000


def lengths(**given: int) -> dict[str, torch.Tensor]:
    return {name: torch.full((ROWS,), value) for name, value in given.items()}


def test_each_auxiliary_goes_with_the_probability_on_its_own() -> None:
    torch.manual_seed(0)
    given = lengths(text=3, audio=2, video=5)
    left = ModalityDropout("text", 0.3)(given)
    assert torch.equal(left["text"], given["text"])
    gone = {name: left[name] == 0 for name in ("audio", "video")}
    for name, count in (("audio", 2), ("video", 5)):
        assert set(left[name].unique().tolist()) == {0, count}
        assert gone[name].float().mean().item() == pytest.approx(0.3, abs=0.03)
    both = (gone["audio"] & gone["video"]).float().mean().item()
    assert both == pytest.approx(0.09, abs=0.02)


def test_a_row_without_a_main_modality_never_loses_everything() -> None:
    torch.manual_seed(0)
    given = lengths(text=0, audio=2, video=5)
    given["video"][:2000] = 0
    left = ModalityDropout("text", 0.9)(given)
    assert ((left["audio"] > 0) | (left["video"] > 0)).all()
    assert (left["audio"][:2000] == 2).all()  # the only one that there is
    assert 0.05 < (left["audio"][2000:] == 0).float().mean() < 0.95


def test_nothing_is_drawn_in_evaluation_or_at_probability_0() -> None:
    given = lengths(text=1, audio=1)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    for layer, values in (
        (ModalityDropout("text", 0.5, 0.5).eval(), given),
        (ModalityDropout("text", 0.0), given),
        (ModalityDropout("text", 0.5, 0.5), lengths(text=1)),
    ):
        assert all(torch.equal(layer(values)[name], values[name]) for name in values)
    assert torch.equal(state, torch.get_rng_state())


def test_the_main_modality_goes_with_a_probability_of_its_own_but_never_with_all_others() -> None:
    torch.manual_seed(0)
    given = lengths(text=3, audio=2)
    left = ModalityDropout("text", 0.0, 0.4)(given)
    assert (left["text"] == 0).float().mean().item() == pytest.approx(0.4, abs=0.03)
    assert torch.equal(left["audio"], given["audio"])
    left = ModalityDropout("text", 0.5, 0.5)(given)
    assert ((left["text"] > 0) | (left["audio"] > 0)).all()
    # Both stay with 1/4, and with another 1/4, where both would have gone.
    both = ((left["text"] > 0) & (left["audio"] > 0)).float().mean().item()
    assert both == pytest.approx(0.5, abs=0.03)
    given["audio"][:] = 0
    assert torch.equal(ModalityDropout("text", 0.5, 0.9)(given)["text"], given["text"])


@pytest.mark.parametrize("probability", [-0.1, 1.0, float("nan")])
def test_a_probability_out_of_range_is_refused(probability: float) -> None:
    with pytest.raises(InputError, match=r"--modality-dropout is .*, expected a probability"):
        ModalityDropout("text", probability)
    with pytest.raises(InputError, match=r"--main-dropout is .*, expected a probability"):
        ModalityDropout("text", 0.0, probability)
