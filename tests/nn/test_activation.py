"""Every activation against an independent formula (mpmath), its derivative, its dtype and its kinks."""

import math

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from nnlimits import nn

mp.mp.dps = 40


def _leaky(slope):
    return lambda x: x if x > 0 else slope * x


def _gelu_tanh(x):
    return x * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))) / 2


def _selu(x):
    alpha, scale = mp.mpf("1.6732632423543772848170429916717"), mp.mpf("1.0507009873554804934193349852946")
    return scale * (x if x > 0 else alpha * mp.expm1(x))


def _hermite(degree):
    return lambda x: (
        mp.hermite(degree, x / mp.sqrt(2)) / mp.mpf(2) ** (mp.mpf(degree) / 2) / mp.sqrt(mp.factorial(degree))
    )


def _rbf(gamma):
    return lambda x: mp.sqrt(2) * mp.sin(mp.sqrt(2 * gamma) * x + mp.pi / 4)


def _gelu(x):
    return x * mp.ncdf(x)


# word, the same function in mpmath, its kinks
CASES = [
    (nn.Relu(), _leaky(0), (0.0,)),
    (nn.LeakyRelu(), _leaky(0.01), (0.0,)),
    (nn.LeakyRelu(negative_slope=-0.5), _leaky(-0.5), (0.0,)),
    (nn.ABRelu(0.25, 1.5), lambda x: 1.5 * x if x > 0 else 0.25 * x, (0.0,)),
    (nn.Abs(), abs, (0.0,)),
    (nn.Step(), lambda x: mp.mpf(x > 0), (0.0,)),
    (nn.Sign(), mp.sign, (0.0,)),
    (nn.RectifiedMonomial(0), lambda x: mp.mpf(x > 0), (0.0,)),
    (nn.RectifiedMonomial(1), _leaky(0), (0.0,)),
    (nn.RectifiedMonomial(3), lambda x: x**3 if x > 0 else mp.mpf(0), (0.0,)),
    (nn.Erf(), mp.erf, ()),
    (nn.Erf(a=0.5, b=2, c=-0.25), lambda x: 0.5 * mp.erf(2 * x) - 0.25, ()),
    (nn.Gelu(), _gelu, ()),
    (nn.Gelu(approximate=True), _gelu_tanh, ()),
    (nn.Sin(), mp.sin, ()),
    (nn.Sin(a=0.5, b=2, c=0.75), lambda x: 0.5 * mp.sin(2 * x + 0.75), ()),
    (nn.Cos(), mp.cos, ()),
    (nn.Cos(a=0.5, b=2, c=0.75), lambda x: 0.5 * mp.cos(2 * x + 0.75), ()),
    (nn.Rbf(), _rbf(1), ()),
    (nn.Rbf(gamma=0.25), _rbf(0.25), ()),
    (nn.Gaussian(), lambda x: mp.exp(-(x**2)), ()),
    (nn.Gaussian(a=2, b=-0.125), lambda x: 2 * mp.exp(-(x**2) / 8), ()),
    (nn.Exp(), mp.exp, ()),
    (nn.Exp(a=0.5, b=-0.75), lambda x: mp.exp(-0.75 * x) / 2, ()),
    (nn.Gabor(), lambda x: mp.exp(-(x**2)) * mp.sin(x), ()),
    (nn.Hermite(0), _hermite(0), ()),
    (nn.Hermite(1), _hermite(1), ()),
    (nn.Hermite(7), _hermite(7), ()),
    (nn.Monomial(0), lambda x: mp.mpf(1), ()),
    (nn.Monomial(3), lambda x: x**3, ()),
    (nn.Polynomial((1.0, -0.5, 0.25, 2.0)), lambda x: 1 - x / 2 + x**2 / 4 + 2 * x**3, ()),
    (nn.Polynomial([3]), lambda x: mp.mpf(3), ()),
    (nn.Tanh(), mp.tanh, ()),
    (nn.Sigmoid(), lambda x: 1 / (1 + mp.exp(-x)), ()),
    (nn.Silu(), lambda x: x / (1 + mp.exp(-x)), ()),
    (nn.Softplus(), lambda x: mp.log1p(mp.exp(x)), ()),
    (nn.Elu(), lambda x: x if x > 0 else mp.expm1(x), (0.0,)),
    (nn.Elu(alpha=0.5), lambda x: x if x > 0 else mp.expm1(x) / 2, (0.0,)),
    (nn.Selu(), _selu, (0.0,)),
    (nn.Mish(), lambda x: x * mp.tanh(mp.log1p(mp.exp(x))), ()),
    (nn.HardTanh(), lambda x: max(min(x, mp.mpf(1)), mp.mpf(-1)), (-1.0, 1.0)),
    (nn.Elementwise(jnp.tanh, kinks=()), mp.tanh, ()),
]
IDS = [repr(case[0]) for case in CASES]
# Dyadic numbers, exact in both dtypes; none of them a kink except 0.
POINTS = np.array([-6, -3.25, -1.5, -0.625, -0.0625, 2.0**-20, 0.0, 0.125, 0.75, 1.25, 2.5, 6])


def _reference(function, points):
    return np.array([float(function(mp.mpf(float(point)))) for point in points])


@pytest.mark.parametrize(("word", "function", "kinks"), CASES, ids=IDS)
def test_value_in_both_precisions(word, function, kinks):
    reference = _reference(function, POINTS)
    scale = np.abs(reference).max()
    for dtype in (np.float32, np.float64):
        with jax.enable_x64(True):
            value = jax.jit(word)(jnp.asarray(POINTS, dtype))
        assert value.dtype == dtype
        # A few roundings: of the argument, of the function, of the sum with the largest term.
        np.testing.assert_allclose(
            value, reference, rtol=32 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps * scale
        )


@pytest.mark.parametrize(("word", "function", "kinks"), CASES, ids=IDS)
def test_derivative_away_from_kinks(word, function, kinks, x64):
    points = POINTS[POINTS != 0]
    derivative = jax.jit(jax.vmap(jax.grad(word)))(jnp.asarray(points))
    reference = _reference(lambda x: mp.diff(function, x), points)
    np.testing.assert_allclose(derivative, reference, rtol=1e-11, atol=1e-12 * max(1, np.abs(reference).max()))


@pytest.mark.parametrize(("word", "function", "kinks"), CASES, ids=IDS)
def test_derivative_finite_at_zero_at_kinks_and_far_out(word, function, kinks):
    points = jnp.array([0.0, *kinks, -30.0, 30.0])
    assert np.isfinite(jax.jit(jax.vmap(jax.grad(word)))(points)).all()


@pytest.mark.parametrize(("word", "function", "kinks"), CASES, ids=IDS)
def test_kinks(word, function, kinks):
    assert word.kinks == kinks


@pytest.mark.parametrize(("word", "function", "kinks"), CASES, ids=IDS)
def test_layer_contract(word, function, kinks):
    key, x = jax.random.key(0), jnp.linspace(-2, 2, 12).reshape(2, 2, 3)
    assert word.output_shape((2, 3)) == (2, 3)
    assert word.init(key, (2, 3)) == ()
    np.testing.assert_array_equal(word.apply((), x), word(x))


def test_gelu_keeps_relative_accuracy_in_the_lower_tail(x64):
    points = np.array([-5.0, -10.0, -20.0, -30.0])
    np.testing.assert_allclose(nn.Gelu()(jnp.asarray(points)), _reference(_gelu, points), rtol=1e-12)


def test_hyper_parameters_are_differentiable(x64):
    x = jnp.linspace(-1.0, 1.0, 5)
    slope = jax.grad(lambda word: word(x).sum())(nn.ABRelu(0.1, 1.0))
    assert slope.a == pytest.approx(-1.5)
    assert slope.b == pytest.approx(1.5)
    coefficients = jax.grad(lambda word: word(x).sum())(nn.Polynomial((1.0, 2.0, 3.0))).coefficients
    np.testing.assert_allclose(coefficients, [5.0, 0.0, 2.5], atol=1e-12)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nn.LeakyRelu("0.1"), TypeError, "negative_slope must be a real number; received '0.1'"),
        (lambda: nn.ABRelu(math.nan, 1), ValueError, "a must be finite; received nan"),
        (lambda: nn.Rbf(gamma=-1), ValueError, r"gamma must be at least 0; received -1\.0"),
        (lambda: nn.RectifiedMonomial(-1), ValueError, "degree must be an integer, at least 0; received -1"),
        (lambda: nn.Hermite(2.0), TypeError, r"degree must be an integer; received 2\.0"),
        (lambda: nn.Monomial(True), TypeError, "degree must be an integer; received True"),
        (lambda: nn.Polynomial(()), ValueError, "coefficients must hold at least one number"),
        (lambda: nn.Polynomial(3.0), TypeError, "coefficients must be a sequence"),
        (lambda: nn.Polynomial((1.0, math.inf)), ValueError, r"coefficients\[1\] must be finite"),
        (lambda: nn.Gelu(approximate=1), TypeError, "approximate must be True or False; received 1"),
    ],
)
def test_refuses(build, error, message):
    with pytest.raises(error, match=message):
        build()
