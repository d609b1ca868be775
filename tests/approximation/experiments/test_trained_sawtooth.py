"""Shallow networks trained on a sawtooth stay above what their pieces allow."""

import numpy as np
import pytest

from nnlimits.approximation.experiments import trained_sawtooth
from nnlimits.approximation.optimal_pieces import least_error_of_pieces


def test_trained_networks_obey_the_bound() -> None:
    found = trained_sawtooth(3, (4,), seeds=2, steps=100)
    assert found.errors.shape == (1, 2)
    # a network of N units has at most N + 1 pieces; midpoints of the grid and single precision change the norm by 1e-4 at most
    bound = least_error_of_pieces(3, 5)[4]
    assert (found.errors >= bound - 1e-4).all()
    assert (found.errors <= np.sqrt(1 / 3)).all()  # the norm of the sawtooth itself


@pytest.mark.slow
def test_one_tooth_is_learned() -> None:
    """The tent is two units, and eight find it: no less than half of the constant's error would mean that nothing trains."""
    found = trained_sawtooth(1, (8,), seeds=2, steps=400)
    assert found.errors.min() < 0.1 * np.sqrt(1 / 12)


def test_errors() -> None:
    with pytest.raises(ValueError, match="learning_rate must be finite and positive"):
        trained_sawtooth(2, (2,), learning_rate=0.0)
    with pytest.raises(ValueError, match="units must be an integer, at least 1"):
        trained_sawtooth(2, (0,))
