"""What is said of activations from afar, against high-precision evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from nnlimits import nn
from nnlimits.approximation.activation_shapes import Jump, Kink, PolynomialShape, Unknown, shape_of
from nnlimits.approximation.detected_shapes import polynomial_degree

KINKS = [
    nn.Relu(), nn.Abs(), nn.LeakyRelu(), nn.ABRelu(0.5, -2.0), nn.Softplus(), nn.Silu(), nn.Gelu(), nn.Gelu(approximate=True),
    nn.Mish(), nn.Elu(), nn.Elu(-0.5), nn.Elu(3.0), nn.Selu(), nn.Elementwise(lambda x: jnp.sqrt(1 + x * x) + x / 4, kinks=()),
]  # fmt: skip
JUMPS = [nn.Tanh(), nn.Sigmoid(), nn.Erf(1.0, 2.0, 3.0), nn.Erf(-1.0, -0.5), nn.Elementwise(jnp.tanh, kinks=())]


def values(activation, x):
    with jax.enable_x64(True):
        return np.asarray(activation(jnp.asarray(x)), np.float64)


@pytest.mark.parametrize("activation", KINKS, ids=str)
def test_tails_bound_the_distance_from_the_kinked_line(activation) -> None:
    shape = shape_of(activation)
    assert isinstance(shape, Kink)
    x = np.concatenate([-np.linspace(0, 60, 20_001)[::-1], np.linspace(0, 60, 20_001)])
    line = shape.level + shape.left * np.minimum(x, 0) + shape.right * np.maximum(x, 0)
    apart = np.abs(values(activation, shape.at + x) - line)
    tail = np.zeros_like(x) if shape.tail is None else shape.tail(np.abs(x))
    # 1e-14 of the sizes is what evaluating the activation and the line rounds
    assert (apart <= tail * (1 + 1e-12) + 1e-14 * (1 + np.abs(line))).all()
    half = tail[len(tail) // 2 :]
    assert (np.diff(half) <= 0).all()
    # the bound is not far above the largest distance
    assert half[0] <= 4 * apart.max() + 1e-12


@pytest.mark.parametrize("activation", JUMPS, ids=str)
def test_moments_of_jumps_against_quadrature(activation) -> None:
    shape = shape_of(activation)
    assert isinstance(shape, Jump)

    def rest(t):
        above, below = values(activation, np.array([t, -t]))
        return (shape.right - above + below - shape.left) / (shape.right - shape.left)

    moment, _ = integrate.quad(rest, 0, 60, limit=200)
    detected = isinstance(activation, nn.Elementwise)
    assert moment <= shape.moment * (1 + 1e-9)
    assert np.isclose(moment, shape.moment, rtol=0.1 if detected else 1e-8)
    assert np.allclose(values(activation, np.array([-40.0, 40.0])), [shape.left, shape.right])


@pytest.mark.parametrize(
    ("function", "degree"),
    [(lambda x: (x + 1) ** 3 - x, 3), (lambda x: x * x / 2 + 1, 2), (nn.Hermite(5), 5), (nn.Polynomial((1.0, 2.0)), 1),
     (jnp.tanh, None), (nn.Relu(), None), (lambda x: 1 / x, None), (lambda x: x**0.5, None)],
)  # fmt: skip
def test_polynomials_are_recognised_from_their_program(function, degree) -> None:
    found = polynomial_degree(function)
    assert found == degree if degree is None else found is not None and found >= degree


@pytest.mark.parametrize("function", [jnp.sinh, jnp.sin, jnp.exp, lambda x: x**2 * jnp.exp(-x)])
def test_what_has_no_shape(function) -> None:
    assert isinstance(shape_of(nn.Elementwise(function, kinks=())), Unknown)


def test_degenerate_parameters_are_polynomials() -> None:
    for activation in (nn.Sin(0.0), nn.Gaussian(1.0, 0.0), nn.Erf(1.0, 0.0), nn.Rbf(0.0), nn.ABRelu(2.0, 2.0)):
        assert isinstance(shape_of(activation), PolynomialShape)
