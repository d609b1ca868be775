"""A small problem that the tests of this folder share, so that it is compiled once."""

import jax
import numpy as np
import pytest

from nnlimits import mean_field, nn


@pytest.fixture(scope="session")
def units():
    return mean_field.TwoLayer(nn.Tanh(), 3, 2, bias=True)


@pytest.fixture(scope="session")
def risk(units):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 3))
    return mean_field.EmpiricalRisk(units, x, np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2]], 1), decay=0.01)


@pytest.fixture(scope="session")
def neurons(units):
    sample = mean_field.gaussian(units.size).sample(jax.random.key(0), 12, np.float64)
    masses = np.random.default_rng(1).uniform(0.5, 1.5, 12)
    return mean_field.Neurons(np.asarray(sample.positions), masses / masses.sum())
