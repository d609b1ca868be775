"""One small network and its data, shared so that each function of it is compiled once."""

import jax
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.infinite_depth import mean_field_residual as residual

DRAW = np.random.default_rng(0)
X = DRAW.standard_normal((5, 2))
Y = DRAW.standard_normal((5, 2))


@pytest.fixture(scope="session")
def paths():
    return residual.TorusPaths(residual.ResidualUnit(nn.Tanh(), 3), 0.7)


@pytest.fixture(scope="session")
def law(paths):
    """Six layers of four neurons, two outputs, ends that learn."""
    particles = np.asarray(paths.followed(jax.random.key(0), 6, 4, np.float64))
    readout = np.random.default_rng(1).standard_normal((3, 2))
    return residual.ResidualLaw(
        paths.unit, particles, residual.padded(2, 3, np.float64), readout, residual.EndRates(0.5, 0.7)
    )


@pytest.fixture(scope="session")
def fixed(law):
    """The same with fixed ends."""
    return residual.ResidualLaw(law.unit, law.particles, law.encoder, law.readout)


@pytest.fixture(scope="session")
def risk():
    return residual.ResidualRisk(X, Y)
