"""Kernels of a random network as averages over its initializations."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.compute.progress import Progress
from nnlimits.empirical.nngp import nngp
from nnlimits.empirical.ntk import ntk
from nnlimits.validation import check_inputs, check_same_dtype

_TOGETHER = 16
"""Networks that are drawn one after another in one call of the device."""


class MonteCarloKernel(NamedTuple):
    """Means over random networks, and the standard errors of these means, each (n1, n2)."""

    nngp: Float[np.ndarray, "n1 n2"]
    ntk: Float[np.ndarray, "n1 n2"]
    nngp_error: Float[np.ndarray, "n1 n2"]
    ntk_error: Float[np.ndarray, "n1 n2"]


class _Moments(NamedTuple):
    """A number of draws, their mean, and the sum of their squared distances from it, for both kernels."""

    count: Any
    mean: Any
    squares: Any


class MonteCarlo:
    """Kernels of a finite network, estimated; made by `monte_carlo`."""

    def __init__(self, network: nn.Layer, samples: int, devices: Sequence[Any], progress: bool | None) -> None:
        self.network, self.samples, self.devices, self.progress = network, samples, devices, progress

    def __call__(self, key: PRNGKeyArray, x1: Any, x2: Any = None) -> MonteCarloKernel:
        """The kernels between two batches, `(n1, ...)` and `(n2, ...)`; `x2=None` is `x1` with itself.

        The result depends on `key` alone, not on the number of devices.

        **Raises:** `ValueError` or `TypeError` for bad inputs, or those that the network cannot take.
        """
        inputs = {"x1": x1} if x2 is None else {"x1": x1, "x2": x2}
        inputs = {name: check_inputs(name, x, rank=np.ndim(x)) for name, x in inputs.items()}
        check_same_dtype(**inputs)
        for x in inputs.values():
            self.network.output_shape(tuple(x.shape[1:]))
        with precision_of(*inputs.values()):
            arrays = [jnp.asarray(x) for x in inputs.values()]
            moments = self._accumulated(key, [*arrays, None][:2])
        errors = [np.sqrt(squares / (self.samples - 1) / self.samples) for squares in moments.squares]
        return MonteCarloKernel(*(a.astype(arrays[0].dtype) for a in (*moments.mean, *errors)))

    def _accumulated(self, key: PRNGKeyArray, inputs: Sequence[Any]) -> _Moments:
        """Batches of draws, one on each device at a time, merged in their order."""
        count = math.ceil(self.samples / _TOGETHER)
        batches = np.array_split(np.arange(self.samples), count)
        held = [jax.device_put(inputs, device) for device in self.devices]
        total = None
        with Progress("drawing networks", self.samples, self.progress) as progress:
            for first in range(0, count, len(self.devices)):
                running = [
                    _draw(self.network, jax.device_put(_keys(key, batch), device), *on_device)
                    for batch, device, on_device in zip(batches[first:], self.devices, held, strict=False)
                ]
                for moments in running:
                    total = _merged(total, moments)
                    progress.advance(int(moments.count))
        assert total is not None
        return total


def monte_carlo(
    network: Any, samples: int, *, devices: Sequence[Any] | None = None, progress: bool | None = None
) -> MonteCarlo:
    """Kernels of a finite network at random initialization, by drawing it many times.

    As the widths grow the means tend to the kernels of `nnlimits.kernel(network)`; a mean's distance from its expectation
    is of the order of the standard error, which falls as `samples^{-1/2}`. Dropout, if there is any, is on, with masks of
    their own for each example. Memory does not grow with `samples`.

    **Arguments:** `network`, an expression of `nnlimits.nn`; `samples`, how many initializations, at least 2; `devices`,
    JAX devices that share the work, all local ones if absent; `progress`, show a progress bar (if absent, when a person is
    watching).

    **Returns:** an object called as a kernel is, with a random key first: `(key, x1, x2=None)`. It returns
    `MonteCarloKernel`, with `.nngp` and `.ntk`, the means over draws and outputs, and `.nngp_error` and `.ntk_error`, as
    NumPy arrays in the precision of the inputs.

    **Raises:** `TypeError` if `network` is not such an expression; `ValueError` for fewer than 2 samples or no devices.
    """
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 2:
        raise ValueError(f"samples must be a whole number, at least 2, for there to be an error; received {samples!r}")
    chosen = list(jax.local_devices() if devices is None else devices)
    if not chosen:
        raise ValueError("devices must name at least one JAX device; received none")
    return MonteCarlo(network, samples, chosen, progress)


def _keys(key: PRNGKeyArray, indices: np.ndarray) -> Shaped[Array, "draws ..."]:
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.asarray(indices, jnp.uint32))


@eqx.filter_jit
def _draw(network: nn.Layer, keys: Shaped[Array, "draws ..."], x1: Array, x2: Array | None) -> _Moments:
    """The moments over a batch of draws, by Welford's recurrence."""

    def kernels(key: PRNGKeyArray) -> tuple[Array, Array]:
        init_key, dropout_key = jax.random.split(key)
        params = network.init(init_key, x1.shape[1:], dtype=x1.dtype)
        f, first, second = network.apply, x1, x2
        if _has_dropout(network):
            f, first, second = _with_dropout(network, dropout_key, x1, x2)
        return nngp(f, params, first, second), ntk(f, params, first, second, outputs="trace")

    def step(moments: _Moments, key: PRNGKeyArray) -> tuple[_Moments, None]:
        count, found = moments.count + 1, kernels(key)
        before = [value - mean for value, mean in zip(found, moments.mean, strict=True)]
        mean = tuple(m + b / count for m, b in zip(moments.mean, before, strict=True))
        after = [value - m for value, m in zip(found, mean, strict=True)]
        squares = tuple(s + b * a for s, b, a in zip(moments.squares, before, after, strict=True))
        return _Moments(count, mean, squares), None

    zeros = jnp.zeros((len(x1), len(x1 if x2 is None else x2)), x1.dtype)
    empty = _Moments(jnp.zeros((), x1.dtype), (zeros, zeros), (zeros, zeros))
    return jax.lax.scan(step, empty, keys)[0]


def _has_dropout(network: nn.Layer) -> bool:
    nodes = jax.tree.leaves(network, is_leaf=lambda node: isinstance(node, nn.Dropout))
    return any(isinstance(node, nn.Dropout) for node in nodes)


def _with_dropout(network: nn.Layer, key: PRNGKeyArray, x1: Array, x2: Array | None) -> tuple[Any, Array, Array | None]:
    """A function whose masks depend on the example, whichever batch it is in: its number is appended to its entries."""

    def numbered(x: Array, first: int) -> Array:
        numbers = jnp.arange(first, first + len(x), dtype=x.dtype)
        return jnp.concatenate([x.reshape(len(x), -1), numbers[:, None]], axis=1)

    def one(params: Any, entries: Array) -> Array:
        mask_key = jax.random.fold_in(key, entries[-1].astype(jnp.uint32))
        return network.apply(params, entries[:-1].reshape(1, *x1.shape[1:]), key=mask_key)[0]

    return jax.vmap(one, (None, 0)), numbered(x1, 0), None if x2 is None else numbered(x2, len(x1))


def _merged(total: _Moments | None, batch: _Moments) -> _Moments:
    """Moments of both together, in double precision (Chan, Golub & LeVeque 1979)."""
    batch = jax.tree.map(lambda a: np.asarray(a, np.float64), batch)
    if total is None:
        return batch
    count = total.count + batch.count
    changes = [b - a for a, b in zip(total.mean, batch.mean, strict=True)]
    mean = tuple(a + c * batch.count / count for a, c in zip(total.mean, changes, strict=True))
    between = [c**2 * (total.count * batch.count / count) for c in changes]
    squares = tuple(sum(parts) for parts in zip(total.squares, batch.squares, between, strict=True))
    return _Moments(count, mean, squares)
