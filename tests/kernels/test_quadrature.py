"""Activations without a closed form against independent nested quadrature, and the general way against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf, expit

import nnlimits as nl
from nnlimits import nn
from nnlimits.kernels import dual, moments

S, A = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
C = np.sqrt(2 / np.pi)


def sech2(x):
    e = np.exp(-2 * np.abs(x))
    return 4 * e / (1 + e) ** 2


def softplus(x):
    return np.logaddexp(0, x)


def elu(alpha, scale=1.0):
    def value(x):
        return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))

    def slope(x):
        return scale * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))

    return value, slope


def gelu_slope(x):
    inner = C * (x + 0.044715 * x**3)
    return (1 + np.tanh(inner)) / 2 + x * sech2(inner) * C * (1 + 0.134145 * x**2) / 2


CASES = {
    "tanh": (nn.Tanh(), (), np.tanh, sech2),
    "sigmoid": (nn.Sigmoid(), (), expit, lambda x: expit(x) * expit(-x)),
    "silu": (nn.Silu(), (), lambda x: x * expit(x), lambda x: expit(x) + x * expit(x) * expit(-x)),
    "softplus": (nn.Softplus(), (), softplus, expit),
    "mish": (
        nn.Mish(),
        (),
        lambda x: x * np.tanh(softplus(x)),
        lambda x: np.tanh(softplus(x)) + x * sech2(softplus(x)) * expit(x),
    ),
    "elu": (nn.Elu(), (0.0,), *elu(1.0)),
    "elu_0.5": (nn.Elu(0.5), (0.0,), *elu(0.5)),
    "selu": (nn.Selu(), (0.0,), *elu(A, S)),
    "hard_tanh": (nn.HardTanh(), (-1.0, 1.0), lambda x: np.clip(x, -1, 1), lambda x: (np.abs(x) < 1) * 1.0),
    "gelu_tanh": (
        nn.Gelu(approximate=True),
        (),
        lambda x: x * (1 + np.tanh(C * (x + 0.044715 * x**3))) / 2,
        gelu_slope,
    ),
    "kink_at_half": (
        nn.Elementwise(lambda x: jnp.maximum(x - 0.5, 0.0)),
        (0.5,),
        lambda x: np.maximum(x - 0.5, 0),
        lambda x: (x > 0.5) * 1.0,
    ),
    "jump_at_0.7": (
        nn.Elementwise(lambda x: jnp.where(x > 0.7, 1.0, 0.0)),
        (0.7,),
        lambda x: (x > 0.7) * 1.0,
        lambda x: 0 * x,
    ),
    "jump_and_slopes": (
        nn.Elementwise(lambda x: jnp.where(x > 0.3, x + 1, x / 2)),
        (0.3,),
        lambda x: np.where(x > 0.3, x + 1, x / 2),
        lambda x: np.where(x > 0.3, 1.0, 0.5),
    ),
}
FEW = [
    (1.0, 1.0, 0.0),
    (1.0, 1.0, 1e-8),
    (1e6, 1e6, 1e-8),
    (1.0, 2.0, 0.05),
    (100.0, 10.0, 0.01),
    (1e4, 1e6, 1e-4),
    (1e-6, 1e-3, 0.5),
    (1.5, 1.5, 1.9999),
    (0.3, 1e3, 1.2),
    (1e6, 1e6, 2.0),
]
VARIANCES = (1e-6, 1e-3, 0.3, 1.0, 2.0, 10.0, 1e3, 1e6)
DEFICITS = (0.0, 1e-12, 1e-8, 1e-6, 1e-4, 1e-2, 0.1, 0.3, 0.7, 1.0, 1.3, 1.8, 1.99, 1.9999, 1.999999, 2.0)
ALL = [(a, b, d) for a in VARIANCES for b in VARIANCES if a <= b for d in DEFICITS]


def check(name, cases, nested_quadrature):
    """Both moments, and the dual made of them, to 1e-10 of the geometric mean of the two mean squares."""
    activation, kinks, value, slope = CASES[name]
    # the moments of a unit that almost never reaches the kink underflow: nothing is left to compare with
    cases = [c for c in cases if not (kinks and min(kinks) > 0 and min(c[:2]) < 0.1)]
    arrays = [jnp.asarray(v) for v in np.array(cases).T]
    found, whole = jax.jit(lambda *a: (moments(activation, *a), dual(activation, *a)))(*arrays)
    squares = []
    for f, ours in ((value, found.value), (slope, found.derivative)):
        square = {q: nested_quadrature(f, kinks, q, q, 0.0) for c in cases for q in c[:2]}
        squares.append(np.array([(square[a], square[b]) for a, b, _ in cases]).T)
        scale = np.sqrt(squares[-1].prod(0)) + 1e-90
        expected = np.array([nested_quadrature(f, kinks, *c) for c in cases])
        np.testing.assert_allclose((np.asarray(ours) - expected) / scale, 0, atol=1e-10)
        if f is value:
            np.testing.assert_allclose(whole.deficit, 1 - expected / scale, rtol=0, atol=1e-10)
    np.testing.assert_allclose([whole.q1, whole.q2], squares[0], rtol=1e-10)
    np.testing.assert_array_equal(whole.derivative, found.derivative)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", CASES)
def test_against_nested_quadrature(name, nested_quadrature):
    check(name, FEW, nested_quadrature)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", CASES)
def test_against_nested_quadrature_everywhere(name, nested_quadrature):
    check(name, ALL, nested_quadrature)


def test_the_reference_itself(nested_quadrature):
    """Where there are closed forms the nested quadrature meets them to 1e-13."""
    for q1, q2, d in FEW:
        angle = 2 * np.arcsin(np.sqrt(d / 2))
        root = np.sqrt(q1 * q2)
        relu = root * (np.sin(angle) + (np.pi - angle) * (1 - d)) / (2 * np.pi)
        assert abs(nested_quadrature(lambda x: np.maximum(x, 0), (0.0,), q1, q2, d) - relu) < 1e-13 * root
        step = (np.pi - angle) / (2 * np.pi)
        assert abs(nested_quadrature(lambda x: (x > 0) * 1.0, (0.0,), q1, q2, d) - step) < 1e-13
        k = 2 * root * (1 - d)
        cosine = np.sqrt(1 + 2 * q1 + 2 * q2 + 4 * q1 * q2 * d * (2 - d))
        scale = np.sqrt(np.prod([np.arcsin(2 * q / (1 + 2 * q)) for q in (q1, q2)]))
        assert abs(nested_quadrature(erf, (), q1, q2, d) * np.pi / 2 - np.arctan2(k, cosine)) < 1e-13 * scale


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("general", "closed"),
    [
        (nn.Elementwise(lambda x: jnp.maximum(x, 0.1 * x)), nn.LeakyRelu(0.1)),
        (nn.Elementwise(jax.scipy.special.erf), nn.Erf()),
        (nn.Elementwise(jnp.sin), nn.Sin()),
        (nn.Elementwise(lambda x: jnp.where(x > 0, 1.0, -1.0)), nn.Sign()),
        (nn.Elementwise(lambda x: x * jax.scipy.stats.norm.cdf(x)), nn.Gelu()),
    ],
    ids=["leaky_relu", "erf", "sin", "sign", "gelu"],
)
def test_general_way_against_closed_forms(general, closed):
    """From variances 1e-6 to 1e3, for Sin 10 (Elementwise promises fifty oscillations within the Gaussian)."""
    variances = [q for q in VARIANCES if q < (20 if closed == nn.Sin() else 1e4)]
    cases = [(a, b, d) for a in variances for b in variances if a <= b for d in DEFICITS]
    arrays = [jnp.asarray(v) for v in np.array(cases).T]
    ours, exact = jax.jit(lambda *a: (dual(general, *a), dual(closed, *a)))(*arrays)
    np.testing.assert_allclose(ours.q1, exact.q1, rtol=1e-10)
    np.testing.assert_allclose(ours.deficit, exact.deficit, rtol=0, atol=1e-10)
    zero = jnp.zeros_like(arrays[0])
    slopes = [jax.jit(dual)(closed, q, q, zero).derivative for q in arrays[:2]]
    scale = np.sqrt(np.prod(slopes, axis=0)) + 1e-90
    np.testing.assert_allclose((ours.derivative - exact.derivative) / scale, 0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("general", "named"),
    [
        (nn.Elementwise(jnp.tanh), nn.Tanh()),
        (nn.Elementwise(lambda x: jnp.maximum(x, 0.1 * x)), nn.LeakyRelu(0.1)),
    ],
    ids=["tanh", "leaky_relu"],
)
def test_elementwise_equals_the_named_activation(general, named):
    """As kernels of 3-layer networks, near-duplicates and opposite inputs included."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 5))
    x = np.concatenate([x, x[:3] + 1e-5 * rng.standard_normal((3, 5)), -x[:2], 20 * x[:1]])
    ours, theirs = (
        nl.kernel(nn.Sequential(*([nn.Dense(8, 1.3, 0.2), a] * 3), nn.Dense(1)))(x) for a in (general, named)
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=1e-9 * np.asarray(b).max())


@pytest.mark.usefixtures("x64")
def test_derivatives_of_what_jumps() -> None:
    """In the correlation the value of a function that jumps changes by more than the moment of its derivative: differences."""
    activation = CASES["jump_and_slopes"][0]
    q1, q2, deficit = (jnp.asarray(v) for v in ([1.1, 0.4, 1.1], [1.3, 2.0, 1.3], [1e-4, 0.3, 1.2]))
    steps = 1e-4 * deficit

    def value(d):
        return moments(activation, q1, q2, d).value

    found = jax.jit(lambda d: jax.jvp(value, (d,), (jnp.ones_like(d),))[1])(deficit)
    expected = (value(deficit + steps) - value(deficit - steps)) / (2 * steps)
    np.testing.assert_allclose(found, expected, rtol=1e-7)  # 1e-8 of the step's truncation, 1e-16 / 1e-8 of rounding


@pytest.mark.usefixtures("x64")
def test_derivatives_of_what_jumps_are_finite_at_perfect_correlation() -> None:
    activation, q = CASES["jump_and_slopes"][0], jnp.ones(2)
    slopes = jax.grad(lambda d: moments(activation, q, q, d).value.sum())(jnp.asarray([0.0, 2.0]))
    assert np.isfinite(slopes).all()
