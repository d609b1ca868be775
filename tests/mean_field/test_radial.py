"""Radial neurons against uniform directions, and against neurons in the full space."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

from nnlimits import mean_field, nn


def ramp(t):
    """That of Mei, Montanari & Nguyen 2018, section 3.1."""
    return jnp.clip(-2.5 + 10 * (t - 0.5), -2.5, 7.5)


RAMP = nn.Elementwise(ramp)
CLASSES = [(0.5, 1.0, 1.8), (0.5, -1.0, 0.2)]


@pytest.mark.parametrize(("dimension", "t"), [(3, 1.7), (40, 6.0)])
def test_average_over_directions(dimension, t):
    """By adaptive integration; to 1e-5, what 2,000 nodes leave of a kink."""
    norm = special.beta(0.5, (dimension - 1) / 2)
    value, _ = integrate.quad(
        lambda c: float(np.clip(-2.5 + 10 * (t * c - 0.5), -2.5, 7.5)) * (1 - c * c) ** ((dimension - 3) / 2) / norm,
        -1,
        1,
        points=[0.5 / t, 1.5 / t],
        epsabs=1e-12,
    )
    with jax.enable_x64(True):
        found = mean_field.Radial(RAMP, dimension).unit(np.array([t / 2]), np.array([[2.0]]))
    np.testing.assert_allclose(found[0, 0], value, atol=1e-5)


@pytest.mark.slow
def test_risk_is_that_of_uniform_directions():
    """With 4,000 random directions, whose risk is larger by the mean of `|sigma|^2 / (2 m)`, below 0.01."""
    d, m = 20, 4000
    normal = np.random.default_rng(0).standard_normal((m, d))
    directions = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    full = mean_field.GaussianClasses(mean_field.TwoLayer(nn.Relu(), d, readout=False), CLASSES)
    radial = mean_field.radial_classes(mean_field.Radial(nn.Relu(), d), CLASSES)
    with jax.enable_x64(True):
        ours = float(radial(mean_field.Neurons(np.full((1, 1), 0.6))))
        theirs = float(full(mean_field.Neurons(0.6 * directions)))
    assert 0 < theirs - ours < 0.01


def test_bad_input():
    with pytest.raises(ValueError, match="dimension must be a whole number of at least 2; received 1"):
        mean_field.Radial(RAMP, 1)
    with pytest.raises(ValueError, match="std must be positive"):
        mean_field.radial_classes(mean_field.Radial(RAMP, 3), [(1.0, 1.0, 0.0)])
