"""Enclosures of whole functions: activations, networks, derivatives, and what is refused."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from nnlimits import nn
from nnlimits.approximation import from_weights, intervals

ACTIVATIONS = [
    nn.Relu(), nn.LeakyRelu(), nn.ABRelu(0.3, -2.0), nn.Abs(), nn.Tanh(), nn.HardTanh(), nn.Sigmoid(), nn.Silu(), nn.Softplus(),
    nn.Mish(), nn.Gelu(), nn.Gelu(approximate=True), nn.Elu(), nn.Selu(), nn.Erf(1.0, 2.0, 3.0), nn.Sin(), nn.Cos(), nn.Rbf(),
    nn.Gaussian(), nn.Gabor(), nn.Exp(), nn.Step(), nn.Sign(), nn.Hermite(4), nn.Monomial(3), nn.Polynomial((1.0, 2.0, 3.0)),
    nn.RectifiedMonomial(0), nn.RectifiedMonomial(2), nn.Elementwise(jnp.arctan),
]  # fmt: skip
BOXES = 64


def boxes(seed: int, dimension: int, largest: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes of sides from 1e-9 to `largest` around the origin, and points inside them, ends included: (boxes, 20, d)."""
    rng = np.random.default_rng(seed)
    lower = 3 * rng.standard_normal((BOXES, dimension))
    upper = lower + 10 ** rng.uniform(-9, np.log10(largest), lower.shape)
    share = np.round(rng.random((BOXES, 20, dimension)) * 1.2 - 0.1, 3).clip(0, 1)
    return lower, upper, np.clip(lower[:, None] + share * (upper - lower)[:, None], lower[:, None], upper[:, None])


def rounding(values: np.ndarray) -> np.ndarray:
    """What evaluating a short function in double precision may be off by: the enclosure is of the function without rounding."""
    return 64 * np.finfo(np.float64).eps * (1 + np.abs(values))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_stay_in_their_enclosures(activation: nn.Activation) -> None:
    lower, upper, inside = boxes(0, 1)
    value, slopes = intervals.enclose_derivatives(activation, lower, upper)
    natural = intervals.enclose(activation, lower, upper)
    with jax.enable_x64(True):
        x = jnp.asarray(inside[..., 0])
        y, slope = jax.jvp(activation, (x,), (jnp.ones_like(x),))
    y, slope, size = np.asarray(y), np.asarray(slope), rounding(np.asarray(y))
    assert np.array_equal(natural.lower, value.lower)
    assert np.array_equal(natural.upper, value.upper)
    assert ((value.lower - size <= y) & (y <= value.upper + size)).all()
    jacobian = slopes.moved(lambda ends: ends[:, 0])
    size = rounding(slope) + rounding(y)
    assert ((jacobian.lower - size <= slope) & (slope <= jacobian.upper + size)).all()


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_small_boxes_have_small_enclosures(activation: nn.Activation) -> None:
    # the natural extension converges linearly (Moore, theorem 6.1): on boxes of side 1e-6 the width is some constant times that;
    # 300 is above the sum of the slopes of the parts of each of these functions for |x| < 8
    lower, _, _ = boxes(1, 1)
    lower = lower[(np.abs(lower) > 1e-3) & (np.abs(np.abs(lower) - 1) > 1e-3)][:, None]
    scale = np.maximum(1.0, np.abs(np.asarray(activation(jnp.asarray(lower)))))
    assert (intervals.enclose(activation, lower, lower + 1e-6).width < 300e-6 * scale * np.maximum(1, lower**2)).all()


def two_layers(activation: nn.Activation, seed: int):
    rng = np.random.default_rng(seed)
    sizes = [2, 7, 5, 2]
    layers = [(rng.standard_normal(shape), rng.standard_normal(shape[1])) for shape in itertools.pairwise(sizes)]
    return from_weights(layers, activation)


@functools.cache
def values_and_jacobians(activation: nn.Activation):
    network, _ = two_layers(activation, 0)

    def at(params, x):
        return network.apply(params, x[None])[0]

    return jax.jit(jax.vmap(lambda params, x: (at(params, x), jax.jacfwd(at, 1)(params, x)), (None, 0)))


SLOW_NETWORKS = nn.Tanh(), nn.Gelu(), nn.Sin(), nn.Softplus(), nn.Gaussian()
NETWORKS = [nn.Relu(), *(pytest.param(activation, marks=pytest.mark.slow) for activation in SLOW_NETWORKS)]


@pytest.mark.parametrize("activation", NETWORKS, ids=str)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**20))
def test_networks_and_their_jacobians_stay_in_their_enclosures(activation, seed) -> None:
    network, params = two_layers(activation, seed)
    lower, upper, inside = boxes(seed, 2)
    value, jacobian = intervals.enclose_derivatives(lambda x: network.apply(params, x), lower, upper)
    with jax.enable_x64(True):
        outputs = values_and_jacobians(activation)(params, inside.reshape(-1, 2))
    y, slopes = (np.asarray(each).reshape(BOXES, 20, *each.shape[1:]) for each in outputs)
    size = 16 * rounding(y)
    assert ((value.lower[:, None] - size <= y) & (y <= value.upper[:, None] + size)).all()
    size = 64 * rounding(slopes)
    assert ((jacobian.lower[:, None] - size <= slopes) & (slopes <= jacobian.upper[:, None] + size)).all()


def test_the_enclosure_of_a_point_is_as_wide_as_rounding() -> None:
    network, params = two_layers(nn.Tanh(), 0)
    points = np.random.default_rng(0).standard_normal((10, 2))
    value = intervals.enclose(lambda x: network.apply(params, x), points, points)
    # three products of at most 7 terms, with widened tanh between: far below 1e-13
    assert (value.width < 1e-13).all()
    assert (value.width > 0).all()


def everything(x: jax.Array) -> jax.Array:
    """A function with most operations that move, compare or sum."""
    first, second = jnp.split(x, 2, axis=1)
    parts = jnp.concatenate([first, jnp.flip(second, 1), x[:, ::2], jnp.pad(first, ((0, 0), (1, 0)))], axis=1)
    sums = jnp.cumsum(parts, axis=1) + jnp.cumsum(parts[:, ::-1], axis=1)
    chosen = jnp.where(
        (sums > 0.3) & ~(parts < -0.1) | (sums == 2.0), jnp.sqrt(jnp.abs(sums)), jnp.clip(parts, -1, 0.5)
    )
    carry, steps = lax.scan(lambda c, row: (jnp.tanh(c + row), c * 0.5), jnp.zeros(x.shape[0]), chosen.T)
    powers = chosen**3 + jnp.exp2(chosen) ** 0.7 + 1 / (2 + chosen**2) + x[:, jnp.array([3, 0])].sum(1, keepdims=True)
    rounded = jnp.floor(sums) + jnp.round(sums) + lax.rsqrt(1 + parts**2) + jnp.arctan(sums) + jnp.log1p(jnp.abs(parts))
    hyperbolic = jnp.cosh(parts / 4) - jnp.sinh(parts / 4) + jnp.cbrt(parts) + jnp.arcsinh(sums) + jnp.tan(parts / 8)
    largest = jnp.max(parts, axis=1) - jnp.min(sums, axis=1) + carry + steps.sum(0) + jnp.minimum(parts[:, 1], 0.2)
    return largest + powers.sum(1) + rounded.sum(1) + hyperbolic.sum(1) + jnp.einsum("ni,nj->n", parts, sums)


def test_all_kinds_of_operations() -> None:
    lower, upper, inside = boxes(3, 4, largest=0.5)
    value = intervals.enclose(everything, lower, upper)
    with jax.enable_x64(True):
        y = np.asarray(jax.jit(everything)(jnp.asarray(inside.reshape(-1, 4)))).reshape(BOXES, 20)
    assert np.isfinite(value.width).all()
    assert ((value.lower[:, None] - 16 * rounding(y) <= y) & (y <= value.upper[:, None] + 16 * rounding(y))).all()


def test_narrow_types_are_enclosed_with_their_rounding() -> None:
    lower, upper, inside = boxes(4, 1)
    value = intervals.enclose(lambda x: x.astype(jnp.float32).astype(jnp.float64), lower, upper)
    rounded = inside.astype(np.float32).astype(np.float64)
    assert ((value.lower[:, None] <= rounded) & (rounded <= value.upper[:, None])).all()


def test_a_network_of_single_precision_is_the_function_of_its_parameters() -> None:
    network, params = two_layers(nn.Tanh(), 0)
    params = jax.tree.map(lambda leaf: leaf.astype(np.float32), params)
    points = np.random.default_rng(0).standard_normal((20, 2))
    value = intervals.enclose(lambda x: network.apply(params, x), points, points)
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    with jax.enable_x64(True):
        y = np.asarray(network.apply(wide, points))
    assert value.contains(y).all()
    assert (value.width < 1e-4).all()


class TestErrors:
    box = np.zeros((2, 1)), np.ones((2, 1))

    def test_division_by_what_may_be_zero(self) -> None:
        with pytest.raises(ZeroDivisionError, match=r"index \(0, 0\) may be any number from -0.5 to 0.5"):
            intervals.enclose(lambda x: 1 / (x - 0.5), *self.box)

    def test_outside_of_where_a_function_is_defined(self) -> None:
        with pytest.raises(ValueError, match=r"log is defined from 0 to inf.*from -1 to 0"):
            intervals.enclose(lambda x: jnp.log(x - 1), *self.box)

    def test_a_primitive_without_a_rule_can_be_given_one(self) -> None:
        with pytest.raises(NotImplementedError, match=r"lgamma has no rule .*register\('lgamma'\)"):
            intervals.enclose(lax.lgamma, *self.box)

    def test_a_rule_of_ones_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from nnlimits.approximation.intervals import registry

        monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))
        from scipy.special import digamma

        @intervals.register("digamma")
        def rule(_, a: intervals.Interval) -> intervals.Interval:
            return intervals.Interval(digamma(a.lower) - 1e-12, digamma(a.upper) + 1e-12)

        value = intervals.enclose(lax.digamma, self.box[0] + 1, self.box[1] + 1)
        assert value.contains(digamma(np.array([[1.3], [2.0]]))).all()

    def test_functions_of_numpy(self) -> None:
        with pytest.raises(TypeError, match="no function of JAX"):
            intervals.enclose(lambda x: np.sin(np.asarray(x)), *self.box)

    def test_no_function(self) -> None:
        with pytest.raises(TypeError, match="int"):
            intervals.enclose(3, *self.box)  # type: ignore[arg-type]

    def test_boxes_out_of_order(self) -> None:
        with pytest.raises(ValueError, match=r"at index \(0, 0\) the box goes from 1.0 to 0.0"):
            intervals.enclose(jnp.sin, self.box[1], self.box[0])

    def test_indices_that_depend_on_the_point(self) -> None:
        table = jnp.arange(4.0)
        with pytest.raises(NotImplementedError, match="gather at indices that depend"):
            intervals.enclose(lambda x: table[x.astype(int)], *self.box)
