"""Kernels of simulated networks of several widths against their limit."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

import nnlimits
from nnlimits import nn
from nnlimits.empirical import ntk
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_mean_rate, fitted_rate

_TOGETHER = 8
_KERNELS = ("NNGP", "NTK")


class SampledKernels(NamedTuple):
    """Kernels of single networks, relative to the limit."""

    widths: Int[np.ndarray, " widths"]
    offsets: dict[str, Float[np.ndarray, "widths draws"]]
    """By kernel, `<K, K_limit> / <K_limit, K_limit> - 1`: how much too large a kernel is along its limit, with sign."""
    deviations: dict[str, Float[np.ndarray, "widths draws"]]
    """By kernel, `|K - K_limit| / |K_limit|` in the Frobenius norm."""

    def bias(self, kernel: str) -> FittedRate:
        """The power of the width with which the mean offset falls; NaN where noise hides it."""
        return fitted_mean_rate(np.asarray(self.widths, float), self.offsets[kernel])

    def scatter(self, kernel: str) -> FittedRate:
        """The power of the width with which deviations of single networks fall, in the root mean square."""
        return fitted_rate(np.asarray(self.widths, float), self.deviations[kernel])


def sampled_kernels(
    make: Callable[[int], nn.Layer],
    limit: nn.Layer,
    x: Float[np.ndarray, "n d"],
    widths: Sequence[int],
    *,
    draws: int,
    seed: int = 0,
    advance: Advance = ignore,
) -> SampledKernels:
    """Draw networks, and compare the kernels of each with those of their limit.

    The NNGP of one network is the mean of products of its outputs, which are as many as it is wide, so that it tends to the
    limit as the NTK does, of which the first output is taken.

    **Arguments:** `make(width)`, a network with `width` outputs; `limit`, one whose `nnlimits.kernel` is the limit; `x`, inputs;
    `draws`, of each width; `seed`; `advance`, told of each width.
    """
    with jax.enable_x64(True):
        limits = [np.asarray(gram) for gram in nnlimits.kernel(limit)(np.asarray(x, np.float64))]
    offsets: dict[str, Any] = {kernel: [] for kernel in _KERNELS}
    deviations: dict[str, Any] = {kernel: [] for kernel in _KERNELS}
    for width in widths:
        keys = jax.random.split(jax.random.key(seed + width, impl="rbg"), draws)
        found = _draw(make(width), jnp.asarray(x, jnp.float32), keys)
        for kernel, gram, reference in zip(_KERNELS, found, limits, strict=True):
            gram = np.asarray(gram, np.float64)
            square = np.sum(reference**2)
            offsets[kernel].append(np.sum(gram * reference, (1, 2)) / square - 1)
            deviations[kernel].append(np.linalg.norm(gram - reference, axis=(1, 2)) / np.sqrt(square))
        advance(f"width {width}")
    stacked = ({kernel: np.stack(rows) for kernel, rows in found.items()} for found in (offsets, deviations))
    return SampledKernels(np.asarray(widths), *stacked)


def _draw(network: nn.Layer, x: Any, keys: Any) -> tuple[Any, Any]:
    """NNGP and NTK of each network, (draws, n, n)."""

    def first(params: Any, x: Any) -> Any:
        return network.apply(params, x)[:, :1]

    def one(key: Any) -> tuple[Any, Any]:
        params = network.init(key, x.shape[1:], dtype=x.dtype)
        outputs = network.apply(params, x)
        return outputs @ outputs.T / outputs.shape[1], ntk(first, params, x, outputs="trace", algorithm="jacobian")

    return jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=_TOGETHER))(keys)
