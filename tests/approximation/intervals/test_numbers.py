"""Integers, truth values, narrow types, what overflows, and operations along axes: values against enclosures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from nnlimits.approximation.intervals import enclose, unbounded_where_undefined

# functions of one variable, on boxes between plus and minus the number
ONE = {
    "truth values": (lambda x: x.astype(bool) * 1.0, 2.0),
    "integers": (lambda x: (100 * x).astype(jnp.int8).astype(float), 1.2),
    "integers that are too large for their type": (lambda x: (100 * x).astype(jnp.int8).astype(float), 2.0),
    "narrower integers": (lambda x: (100 * x).astype(int).astype(jnp.int8).astype(float), 2.0),
    "quotients of integers": (lambda x: lax.div(x.astype(int), 3).astype(float), 20.0),
    "rounded quotients of integers": (lambda x: (x.astype(int) // 3).astype(float), 20.0),
    "products of integers that wrap": (lambda x: ((x * 1e9).astype(jnp.int32) * 4).astype(float), 2.0),
    "differences without sign": (lambda x: (jnp.abs(x).astype(jnp.uint8) - jnp.uint8(1)).astype(float), 20.0),
    "what overflows": (lambda x: jnp.minimum(jnp.exp(x), 3.0), 1000.0),
    "what overflows below": (lambda x: 1 - 2 * jnp.clip(jnp.sinh(x), -5.0, 5.0), 1000.0),
    "poles of powers": (lambda x: jnp.minimum(jnp.abs(x) ** -0.5, 3.0), 2.0),
    "poles of roots": (lambda x: jnp.minimum(lax.rsqrt(jnp.abs(x)), 3.0), 2.0),
    "poles of logarithms": (lambda x: jnp.maximum(jnp.log(jnp.abs(x)), -3.0), 2.0),
    "half precision": (lambda x: x.astype(jnp.float16).astype(float), 2.0),
    "bfloat16": (lambda x: (x.astype(jnp.bfloat16)).astype(float), 2.0),
    "what vanishes in single precision": (lambda x: (x * 1e-39).astype(jnp.float32).astype(float) * 1e39, 2.0),
    "remainders": (lambda x: lax.rem(x, 0.7), 3.0),
    "remainders of the sign of the divisor": (lambda x: x % -0.7, 3.0),
    "quotients rounded down": (lambda x: x // 0.3, 3.0),
    "choices by numbers": (lambda x: jax.vmap(lambda y: lax.switch((2 * y).astype(int), [jnp.sin, jnp.cos, jnp.exp], y))(x), 2.0),
}  # fmt: skip
SEVERAL = {
    "axes exchanged by a reshape": lambda x: lax.reshape(x, (3, x.shape[0]), (1, 0))[1],
    "products": lambda x: jnp.prod(x, 1),
    "running products": lambda x: jnp.cumprod(x, 1).sum(1) + lax.cumprod(x, 1, reverse=True)[:, 1],
    "running extremes": lambda x: lax.cummax(x, 1)[:, 1] - lax.cummin(x, 1, reverse=True)[:, 1],
    "order": lambda x: jnp.sort(x, 1) @ jnp.array([1.0, -2.0, 4.0]),
    "entries put": lambda x: x.at[:, 1].set(x[:, 0] ** 2).sum(1),
    "places counted": lambda x: jnp.roll(x, 1, axis=1) @ jnp.linspace(0.0, 1.0, 3),
    "logarithms of sums of exponentials": lambda x: jax.nn.logsumexp(x, 1) + jax.nn.softmax(x, 1)[:, 0],
}


def check(function, lower: np.ndarray, upper: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    with unbounded_where_undefined():
        found = enclose(function, lower, upper)
    assert not np.isnan(np.asarray([found.lower, found.upper], float)).any()
    share = rng.random((30, *lower.shape))
    share[0], share[1] = 0, 1
    inside = np.clip(lower + share * (upper - lower), lower, upper)
    with jax.enable_x64(True):
        y = np.asarray(jax.jit(jax.vmap(function))(jnp.asarray(inside)), np.float64)
    rounding = 1e-14 * (1 + np.abs(y))
    assert ((found.lower - rounding <= y) & (y <= found.upper + rounding) | ~np.isfinite(y)).all()


@pytest.mark.parametrize("name", ONE)
def test_numbers_of_all_kinds(name: str) -> None:
    function, largest = ONE[name]
    rng = np.random.default_rng(0)
    lower = rng.uniform(-largest, largest, (40, 1))
    upper = np.minimum(lower + largest * 10 ** rng.uniform(-3, 0, lower.shape), largest)
    lower[0], upper[0], lower[1], upper[1] = -largest, 0, 0, largest
    check(lambda x: function(x[:, 0]), lower, upper)


@pytest.mark.parametrize("name", SEVERAL)
def test_operations_along_axes(name: str) -> None:
    rng = np.random.default_rng(0)
    lower = rng.uniform(-2, 2, (40, 3))
    check(SEVERAL[name], lower, lower + 10 ** rng.uniform(-3, 0.3, lower.shape))


def test_a_large_remainder_is_close() -> None:
    # of 7 to 7.1 by 2 the quotient is 3 everywhere, so that the remainder is known to rounding
    found = enclose(lambda x: lax.rem(x, 2.0), np.array([[7.0]]), np.array([[7.1]]))
    assert 1 - 1e-14 < found.lower <= 1
    assert 1.1 - 1e-14 <= found.upper < 1.1 + 1e-14


def test_sums_of_squares_have_roots() -> None:
    found = enclose(lambda x: jnp.sqrt((x**2).sum(1)), np.array([[-0.3, 0.0]]), np.array([[0.3, 0.4]]))
    assert found.lower == 0
    assert 0.5 <= found.upper < 0.5 + 1e-14


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x + jax.random.normal(jax.random.key(0), x.shape), "drawn at random have no enclosure"),
        (lambda x: jnp.abs(jnp.exp(1j * x)), "which has no order"),
        (lambda x: x.at[x.astype(int)].set(1.0), "scatter at indices that depend on the point"),
        (lambda x: jnp.argsort(x, 1), "sort of several arrays in the order of one"),
    ],
)
def test_what_has_no_enclosure(function, message) -> None:
    with pytest.raises(NotImplementedError, match=message):
        enclose(function, np.zeros((1, 2)), np.ones((1, 2)))
