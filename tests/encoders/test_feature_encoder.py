"""Feature statistics against NumPy's, and what normalisation does to padding."""

import numpy as np
import torch

from mia_fairseq.encoders.feature_encoder import FeatureEncoder, column_statistics


def test_statistics_equal_numpys_in_any_division() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(1e4, 3, size=(1000, 5))  # a far mean is where naive sums fail
    for parts in (1, 7, 1000):
        mean, deviation = column_statistics(np.array_split(values, parts), 5)
        assert np.allclose(mean, values.mean(axis=0), rtol=1e-12)
        assert np.allclose(deviation, values.std(axis=0), rtol=1e-9)


def test_a_column_that_does_not_vary_keeps_its_unit() -> None:
    values = np.stack([np.full(9, 1234.567), np.arange(9.0)], axis=1)
    mean, deviation = column_statistics([values], 2)
    assert deviation[0] == 1 and np.isclose(deviation[1], np.arange(9).std())
    assert np.isclose(mean[0], 1234.567)


def test_no_vectors_leave_the_identity() -> None:
    mean, deviation = column_statistics([np.empty((0, 3))], 3)
    assert not mean.any() and (deviation == 1).all()


def test_normalised_and_zero_behind_the_end() -> None:
    encoder = FeatureEncoder(3)
    rng = np.random.default_rng(0)
    encoder.fit([rng.normal(5, 2, size=(5000, 3))])
    sequence = torch.from_numpy(rng.normal(5, 2, size=(2, 4, 3))).float()
    output = encoder(sequence, torch.tensor([4, 2]))
    assert not output[1, 2:].any()
    expected = (sequence[0] - encoder.mean) / encoder.scale
    assert torch.allclose(output[0], expected) and output[0].abs().max() < 4
    assert {"mean", "scale"} <= encoder.state_dict().keys()
