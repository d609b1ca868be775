"""What is learned between mean-field and lazy training."""

import numpy as np
import pytest

from nnlimits.mean_field import experiments


def made_up(alphas, m=16):
    """Changes of `1 / alpha` and `1 / alpha^2`, at levels that differ between two draws."""
    alphas, levels = np.asarray(alphas, float), np.array([0.5, 2.0])
    changes = np.outer(1 / alphas, levels), np.outer(1 / alphas**2, levels)
    return experiments.Regimes(alphas, m, 10.0, *(np.outer(alphas, levels) for _ in range(2)), *changes)


def test_levels_of_draws_do_not_widen_the_interval():
    found = made_up([1.0, 16.0, 32.0, 64.0])
    np.testing.assert_allclose(found.rate("weight_change")[:3], -1)
    np.testing.assert_allclose(found.rate("kernel_change")[:3], -2)
    assert made_up([1.0, 8.0, 16.0]).rate("weight_change") is None


@pytest.mark.slow
def test_features_pay_and_lazy_training_does_not_move():
    """Of the changes' next orders in `1 / alpha`, at alpha = 8 and 16 times sqrt(m), a hundredth is left."""
    told = []
    found = experiments.regimes((1, 64, 128), m=64, dimension=8, examples=120, seeds=2, end=100.0, advance=told.append)
    assert len(told) == 2
    assert found.risks.shape == (3, 2)
    assert found.rate("weight_change").slope == pytest.approx(-1, abs=0.02)
    assert found.rate("kernel_change").slope == pytest.approx(-2, abs=0.05)
    assert (found.test_risks[0] < found.test_risks[2] / 2).all()
    assert (found.kernel_change[0] > 0.5).all()


def test_bad_input():
    with pytest.raises(
        ValueError, match="m must be an even number of at least 2, as neurons come in pairs; received 7"
    ):
        experiments.regimes(m=7)
    with pytest.raises(ValueError, match="examples must be at least 1; received 0"):
        experiments.regimes(examples=0)
    with pytest.raises(ValueError, match="end must be finite and positive; received 0"):
        experiments.regimes(end=0.0)
