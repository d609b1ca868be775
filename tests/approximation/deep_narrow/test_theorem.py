"""The theorem on functions of several kinds, and its refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import deep_narrow

UNIT = [(0.0, 1.0)]


def smooth(x):
    return jnp.sin(3 * x[:, 0])


def oscillating(x):
    return jnp.stack([jnp.sin(9 * x[:, 0]), jnp.cos(9 * x[:, 0])], axis=1)


def kinked(x):
    return jnp.abs(x[:, 0] - 0.3)


CASES = {
    "smooth, ReLU": (smooth, {"units": 24, "lipschitz": 3.0}, 3),
    "kinked, tanh": (kinked, {"units": 24, "lipschitz": 1.0, "activation": nn.Tanh()}, 4),
    "oscillating, softplus": (oscillating, {"units": 48, "lipschitz": 9.0, "activation": nn.Softplus()}, 5),
    "smooth, sigmoid": (smooth, {"units": 24, "lipschitz": 3.0, "activation": nn.Sigmoid()}, 4),
    "smooth, ReLU, float32": (smooth, {"tolerance": 0.02, "lipschitz": 3.0, "dtype": np.float32}, 3),
}


@pytest.fixture(scope="module")
def built():
    return {name: deep_narrow(f, UNIT, **options) for name, (f, options, _) in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_measured_below_certificate_in_the_theorems_width(built, name):
    found = built[name]
    constants = found.certificate.constants
    assert found.holds
    assert found.measured > 0.02 * found.certificate.bound
    assert constants["width"] == CASES[name][2]
    assert found.network.layers[0].width == CASES[name][2]
    assert found.network.layers[2].depth + 1 == constants["depth"]
    # depth adds little to the shallow network's distance
    assert constants["truncation"] + constants["rounding of the depth"] < 0.1 * constants["shallow bound"]
    assert found.certificate.rigorous


def test_tolerance_is_met_with_the_depth_counted(built):
    found = built["smooth, ReLU, float32"]
    assert found.measured <= found.certificate.bound <= 0.02


def test_polynomials_are_refused_by_name():
    with pytest.raises(ValueError, match=r"nn.Monomial\(3\) is a polynomial.*Proposition 4.11.*not implemented"):
        deep_narrow(smooth, UNIT, units=20, lipschitz=3.0, activation=nn.Monomial(3))


def test_affine_activations_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="is affine"):
        deep_narrow(smooth, UNIT, units=20, lipschitz=3.0, activation=nn.Monomial(1))


def test_a_tolerance_below_what_rounding_leaves_is_refused_with_what_is_achievable():
    with pytest.raises(ValueError, match=r"is not reached.*achievable is about.*or less in float64"):
        deep_narrow(smooth, UNIT, tolerance=2e-4, lipschitz=3.0, curvature=9.0, dtype=np.float32)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"tolerance": 0.1, "units": 3}, ValueError, "exactly one of tolerance and units; received tolerance=0.1 and"),
        ({"tolerance": -1.0}, ValueError, "tolerance must be finite and positive; received -1"),
        ({"units": 3, "dtype": "x"}, TypeError, "dtype must be a floating-point type"),
    ],
)
def test_wrong_arguments_are_named_as_received(options, kind, message):
    with pytest.raises(kind, match=message):
        deep_narrow(smooth, UNIT, lipschitz=3.0, **options)
