"""`features(network, n_features)`: an infinitely wide network as finitely many random features."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nnlimits import nn
from nnlimits.compute.precision import adopt, aligned_empty, precision_of
from nnlimits.kernels import Kernel
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.random_features.draws import drawn
from nnlimits.random_features.interpret import Plan, asked, compiled, with_units
from nnlimits.validation import check_inputs, check_same_dtype, is_traced

KERNELS = ("ntk", "nngp")

_BATCH_BYTES = 2**26
"""Of one of some five arrays of features of a batch."""


class FeatureError(NamedTuple):
    """How far inner products of features are from the exact kernel, on a probe set."""

    frobenius: float
    """`|A - K|_F / |K|_F`, of the matrices of all pairs."""
    maximum: float
    """The largest difference of an entry, relative to the largest entry of the exact kernel."""


class NetworkFeatures(eqx.Module):
    """Random features of the NNGP or the NTK of a network: `phi(x1) @ phi(x2).T` is the kernel, up to a random error.

    An immutable value: nothing in it comes from data, so all batches have the same features, and some rows at a time give
    those of all together. Made by `features`.
    """

    plan: Plan = eqx.field(static=True)
    drawn: tuple[Any, ...]
    n_features: int = eqx.field(static=True)
    """How many features there are."""

    @property
    def network(self) -> nn.Layer:
        """The network."""
        return self.plan.network

    @property
    def kernel(self) -> str:
        """Which kernel it is that the features have as their inner products, `"ntk"` or `"nngp"`."""
        return self.plan.kernel

    def __call__(self, x: ArrayLike, *, advance: Advance = ignore) -> Float[Array, "n features"]:
        """The features of examples.

        Eager calls go by batches of rows, so that memory beyond inputs and features is some hundred megabytes (more for images
        whose features at all positions take more than 64 megabytes for one example); all batches are padded to powers of two, so
        few programs are compiled. Also works under any JAX transformation, all rows at once.

        **Arguments:** `x` of shape (n, *input_shape), float32 or float64; `advance`, told of every batch.

        **Returns:** features of shape (n, n_features), in the dtype of x.

        **Raises:** `ValueError` for a wrong shape, no rows, or non-finite entries; `TypeError` for non-numeric data.
        """
        x = self._checked("x", x)
        if is_traced(x, self.drawn):
            return compiled(self.plan, self.drawn, jnp.asarray(x))
        with precision_of(x):
            return self._by_batches(np.asarray(x), advance)

    def error(self, x: ArrayLike, x2: ArrayLike | None = None) -> FeatureError:
        """The error of the features' inner products against the exact kernel of the network.

        **Arguments:** `x` of shape (n, *input_shape), a probe set: its exact kernel of n^2 entries is computed; `x2`, another to
        take pairs with, x itself if absent.

        **Returns:** a `FeatureError`.

        **Raises:** as a call; `ValueError` where the exact kernel is zero everywhere.
        """
        x = self._checked("x", x)
        x2 = None if x2 is None else self._checked("x2", x2)
        check_same_dtype(x=x, x2=x2)
        exact_kernel = getattr(Kernel(self.plan.network), self.plan.kernel)
        exact = np.asarray(exact_kernel(x, x2), np.float64)
        first = np.asarray(self(x), np.float64)
        second = first if x2 is None else np.asarray(self(x2), np.float64)
        if not exact.any():
            raise ValueError("the exact kernel of the probe set is zero everywhere, so that there is no relative error")
        difference = first @ second.T - exact
        return FeatureError(
            float(np.linalg.norm(difference) / np.linalg.norm(exact)),
            float(np.abs(difference).max() / np.abs(exact).max()),
        )

    def _checked(self, name: str, x: Any) -> Any:
        shape = self.plan.input_shape
        x = check_inputs(name, x, rank=1 + len(shape))
        if x.shape[1:] != shape:
            raise ValueError(f"{name} must be of shape (n, {', '.join(map(str, shape))}); received {tuple(x.shape)}")
        return x

    def _by_batches(self, x: np.ndarray, advance: Advance) -> Array:
        output = aligned_empty((x.shape[0], self.n_features), x.dtype)
        rows = self._rows_at_once(x.shape[0], x.dtype.itemsize)
        for start in range(0, x.shape[0], rows):
            part = x[start : start + rows]
            padding = [(0, rows - len(part)), *((0, 0) for _ in part.shape[1:])]
            found = compiled(self.plan, self.drawn, jnp.asarray(np.pad(part, padding)))
            output[start : start + rows] = np.asarray(found)[: len(part)]
            advance(f"features of {start + len(part)} of {x.shape[0]} examples")
        return adopt(output)

    def _rows_at_once(self, n: int, itemsize: int) -> int:
        positions = math.prod(self.plan.input_shape[:-1])
        width = max(self.plan.units, min(self.n_features, 10 * self.plan.units))
        size = itemsize * max(self.n_features, positions * width)
        most = 2 ** max(0, int(math.log2(_BATCH_BYTES / size)))
        return min(most, 2 ** math.ceil(math.log2(n)))


def features(
    network: Any,
    n_features: Any,
    *,
    input_shape: Any,
    kernel: str = "ntk",
    key: Any = None,
    units: Any = None,
) -> NetworkFeatures:
    """Random features whose inner products are the NNGP or the NTK of a network (Zandieh et al. 2021; Han et al. 2022).

    The error falls as `n_features^-1/2`; the bias is of the order of one over the units that each nonlinearity has. Every input
    is a feature of its own if they are at most half of `n_features`, and is part of a random projection otherwise. Real
    hyper-parameters of the network must be known, not traced.

    At few positions every nonlinearity has as many units as there are features, and all are sketched at the end. Then in every
    direction of the kernel the error is nearly that of independent Gaussian features with exactly this kernel K. N such features
    add `v(x) y^T K^{-1} y / (N - n - 1)` to the mean squared error at x of n targets y that are interpolated, where `v(x)` is
    the variance of x that K leaves, given the n examples (by the mean of an inverse Wishart matrix): a part `n / (N - n - 1)` of
    the error, if targets are of the kernel's law. Where this is much, take `nystrom_features`, which are exact for `n <= N`.

    The cost of n examples is that of `n units n_features` multiplications for each nonlinearity and position, or of
    `n units^{3/2}` where there are more than 512 units.

    **Arguments:** `network`, an expression of `nnlimits.nn`; `n_features`, the number of features not to exceed; `input_shape`,
    the shape of one example, without the batch axis; `kernel`, `"ntk"` or `"nngp"`; `key`, a JAX random key, that of seed 0 if
    absent; `units`, how many random units each nonlinearity has: by default `n_features`, or at many positions as many as
    `n_features` holds; if there are more than it holds, the features are sketched at the end.

    **Returns:** a `NetworkFeatures`: call it on examples; `.n_features` of them, `.error(probe)` their measured error.

    **Raises:** `TypeError` or `ValueError` for arguments out of range, among them too few features at many positions;
    `NotImplementedError` for a layer without random features.
    """
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {network!r}")
    Kernel(network)  # refuses parameterizations without a kernel limit
    n_features = as_integer("n_features", 1, n_features)
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(map(repr, KERNELS))}; received {kernel!r}")
    if not isinstance(input_shape, tuple | list):
        raise TypeError(
            f"input_shape must be a tuple such as (784,), the batch axis left out; received {input_shape!r}"
        )
    shape = tuple(as_integer("every entry of input_shape", 1, size) for size in input_shape)
    output = network.output_shape(shape)
    if len(output) > 1:
        raise ValueError(
            f"the network's outputs have positions, {output}; features need outputs without: end it in nn.Flatten() or "
            "nn.GlobalAvgPool() and an nn.Dense"
        )
    plan = Plan(network, shape, kernel, _parameterization(network), n_features, max(n_features // 2, 1), 1)
    plan = with_units(plan) if units is None else plan._replace(units=as_integer("units", 1, units))
    count, draws = asked(plan)
    return NetworkFeatures(plan, drawn(jax.random.key(0) if key is None else _as_key(key), draws), count)


def _as_key(key: Any) -> Array:
    """A single random key, of the typed kind or of the old one."""
    if isinstance(key, jax.Array):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
            return key
        if key.dtype == np.uint32 and key.ndim == 1:
            return jax.random.wrap_key_data(key)
    raise TypeError(f"key must be a JAX random key, such as jax.random.key(0); received {key!r}")


def _parameterization(network: nn.Layer) -> str:
    """`"ntk"` or `"standard"`, of a network that has kernels."""
    given = network.parameterization if isinstance(network, nn.Sequential) else "ntk"
    return "standard" if given in ("standard", nn.ABC.named("standard")) else "ntk"
