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
    lambda x: jnp.where(x <= 1.5, jnp.sin(x), jnp.sin(1.5) + (x - 1.5)),
    lambda x: jnp.max(jnp.abs(x), axis=1),
    looped(lambda x: jnp.sin(2 * x)),
]  # fmt: skip
UNKNOWN = [
    nn.Step(), nn.Sign(), jnp.floor, lambda x: jnp.where(x > 1, x**2, 2 * x), lambda x: (x > 0) * 1.0,
    lambda x: jnp.where(x[:, :1] > 0, x[:, 1:] * 0, x[:, 1:]),
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
