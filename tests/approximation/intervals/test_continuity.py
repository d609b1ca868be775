"""Which functions are certainly continuous."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation.intervals import is_continuous


def looped(step) -> object:
    """A function that repeats `step` three times in a loop of JAX."""
    return lambda x: jax.lax.scan(lambda carry, _: (step(carry), None), x, length=3)[0]


CONTINUOUS = [
    nn.Relu(), nn.LeakyRelu(), nn.ABRelu(0.3, -2.0), nn.HardTanh(), nn.Softplus(), nn.Mish(), nn.Gelu(), nn.Elu(), nn.Selu(),
    lambda x: jnp.where(x > 1, x**2, 2 * x - 1),
    lambda x: jnp.where(x < 0, jnp.exp(x), 1 + x),
    lambda x: jnp.where(jnp.abs(x) <= 0.5, x**2 / 2, 0.5 * (jnp.abs(x) - 0.25)),  # Huber (1964)
    lambda x: jnp.where(x > 0, jnp.where(x > 0, x, 1) ** 2, 0),
    lambda x: jnp.max(jnp.abs(x), axis=1), lambda x: jax.nn.logsumexp(x, axis=1), nn.RectifiedMonomial(2),
    looped(lambda x: jnp.sin(2 * x)),
]  # fmt: skip
UNKNOWN = [
    nn.Step(), nn.Sign(), jnp.floor, lambda x: jnp.where(x > 1, x**2, 2 * x), lambda x: (x > 0) * 1.0,
    lambda x: jnp.where(x[:, :1] > 0, x[:, 1:] * 0, x[:, 1:]),
    # each entry of a case must depend on that of what is compared, and on nothing else
    lambda x: jnp.where(x > 0, x[:, ::-1], x), lambda x: jnp.where(x > 0, x.sum(1, keepdims=True) + 0 * x, x),
    # what agrees but for rounding may be enlarged by what follows
    lambda x: jnp.where(x > 0, 1e-14, 0.0) * 1e14, lambda x: jnp.where(x <= 1.5, jnp.sin(x), jnp.sin(1.5) + (x - 1.5)),
    # two results of one operation are two values
    lambda x: jnp.where(jnp.not_equal(*jnp.split(x, 2, axis=1)), 1.0, 0.0),
    # a choice that another one hides, but for what the other adds
    lambda x: jnp.where(x > 0, jnp.where(x > 0, x, 1) ** 2 + 1, 0), lambda x: jnp.where(x > 0, jnp.where(x < 0, x, 1), 0),
    looped(jnp.floor), looped(jax.jit(lambda x: x + jnp.sign(x))),
]  # fmt: skip


@pytest.mark.parametrize("function", CONTINUOUS)
def test_continuous(function) -> None:
    assert is_continuous(function, 2)


@pytest.mark.parametrize("function", UNKNOWN)
def test_jumps(function) -> None:
    assert not is_continuous(function, 2)


def test_networks() -> None:
    x = np.ones((1, 2))
    for activation, expected in [(nn.Elu(), True), (nn.Step(), False)]:
        network = nn.Sequential(nn.Dense(3), activation, nn.Dense(1))
        params = network.init(jax.random.key(0), x.shape[1:])
        assert is_continuous(lambda x, network=network, params=params: network.apply(params, x), 2) == expected
