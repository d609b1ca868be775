"""Shaped rectifier networks, as deep as they are wide or in another ratio, against the diffusion of their covariance."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits import nn
from nnlimits.infinite_depth.covariance_sde import CovarianceSamples, covariance_samples
from nnlimits.nn.depth_dependent import DepthDependent
from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.validation import check_positive

_AT_ONCE = 512
_DRAWS, _STEPS = 24, 24
"""Of the diffusion: draws for each network, so that what all distances share is little, and steps of its solver."""
_BY_WIDTH = 4
"""Networks of each width for each network of a correlation: distances are small, and noise hides them."""


class ShapedCase(NamedTuple):
    """Networks of one width whose inputs have one correlation, and the diffusion."""

    correlation: float
    """Of the two inputs, whose variances are one."""
    width: int
    depth: int
    networks: CovarianceSamples
    diffusion: CovarianceSamples
    unshaped: CovarianceSamples
    """Of as many plain rectifier networks."""


class Distance(NamedTuple):
    """The largest difference of two distribution functions."""

    value: float
    noise: float
    """What is to be expected of as many draws from one distribution."""


class ShapedNetworks(NamedTuple):
    """By the inputs' correlation, and by the width."""

    activation: nn.ShapedRelu
    depth_to_width: float
    cases: tuple[ShapedCase, ...]
    """One of each correlation."""
    widths: np.ndarray
    distances: tuple["Distance", ...]
    """Of the output correlation, by the width, for the first correlation."""


def shaped(
    correlations: Sequence[float] = (0.0, -0.8, 0.6),
    widths: Sequence[int] = (16, 32, 64, 128),
    *,
    width: int = 128,
    depth_to_width: float = 1.0,
    activation: nn.ShapedRelu = nn.ShapedRelu(1.0, -1.0),
    networks: int = 4096,
    seed: int = 0,
    advance: Advance = ignore,
) -> ShapedNetworks:
    """Random networks of two inputs, drawn layer by layer: given a layer's covariance the next layer's units are Gaussian pairs.

    Distances fall like `width^-1` where `c_plus = -c_minus`, and else like `width^-1/2`.

    **Arguments:** `correlations` of the inputs; `widths`, for the first of them, with four times as many networks; `width`, of
    the networks of all others;
    `depth_to_width`, the ratio of both, positive; `activation`; `networks`, how many, two or more; `seed`; `advance`, told of
    `work(correlations, widths)` parts.

    **Raises:** `ValueError` for numbers out of range.
    """
    check_positive("depth_to_width", depth_to_width)
    as_integer("networks", 2, networks)
    for size in (width, *widths):
        as_integer("width", 2, size)
    if not correlations or not all(-1 < rho < 1 for rho in correlations):
        raise ValueError(f"correlations must be above -1 and below 1; received {tuple(correlations)}")
    key, by_width = jax.random.split(jax.random.key(seed))
    cases = []
    for i, rho in enumerate(correlations):
        own = jax.random.fold_in(key, i)
        cases.append(_case(rho, width, depth_to_width, activation, networks, own))
        advance(f"correlation {rho:g}")
    distances = []
    for size in widths:
        own, depth = jax.random.fold_in(by_width, size), _depth(size, depth_to_width)
        sample = network_samples(correlations[0], activation, depth, size, own, _BY_WIDTH * networks)
        distances.append(correlation_distance(sample, cases[0].diffusion))
        advance(f"width {size}")
    return ShapedNetworks(activation, depth_to_width, tuple(cases), np.asarray(widths), tuple(distances))


def work(correlations: Sequence[float], widths: Sequence[int]) -> int:
    """How often `shaped` calls `advance`."""
    return len(correlations) + len(widths)


def correlation_distance(one: CovarianceSamples, other: CovarianceSamples) -> Distance:
    """The Kolmogorov distance of the correlations of two inputs; of equal laws it is 0.87 sqrt(1/a + 1/b) on average."""
    first, second = (np.sort(sample.correlations[:, 0, 1]) for sample in (one, other))
    at = np.concatenate([first, second])
    shares = [np.searchsorted(values, at, side="right") / len(values) for values in (first, second)]
    noise = 0.8687 * np.sqrt(1 / len(first) + 1 / len(second))
    return Distance(float(np.abs(shares[0] - shares[1]).max()), float(noise))


def network_samples(
    correlation: float, activation: nn.Layer, depth: int, width: int, key: PRNGKeyArray, networks: int
) -> CovarianceSamples:
    """The covariance of two inputs of unit variance behind `depth` layers of `width` units, in random networks.

    **Arguments:** `activation`, a layer without parameters that acts elementwise, such as one that takes the depth; it should
    keep a variance of one.
    """
    layer = activation.at_depth(depth) if isinstance(activation, DepthDependent) else activation
    start = jnp.asarray([[1.0, correlation], [correlation, 1.0]])
    parts = [
        np.asarray(_simulated(layer, start, own, depth, width, min(_AT_ONCE, networks - first)))
        for own, first in ((jax.random.fold_in(key, first), first) for first in range(0, networks, _AT_ONCE))
    ]
    return CovarianceSamples(np.concatenate(parts).astype(np.float64))


@partial(jax.jit, static_argnames=("depth", "width", "count"))
def _simulated(layer: Any, start: Array, key: Array, depth: int, width: int, count: int) -> Float[Array, "count 2 2"]:
    params = layer.init(jax.random.key(0), (count,))

    def step(moments: Array, own: Array) -> tuple[Array, None]:
        q1, q2, covariance = moments
        draws = jax.random.normal(own, (2, width, count), start.dtype)
        root = jnp.sqrt(q1)
        slope = covariance / root
        rest = jnp.sqrt(jnp.maximum(q2 - slope**2, 0.0))
        one, two = (layer.apply(params, x) for x in (root * draws[0], slope * draws[0] + rest * draws[1]))
        return jnp.stack([(one**2).mean(0), (two**2).mean(0), (one * two).mean(0)]), None

    begin = jnp.broadcast_to(jnp.stack([start[0, 0], start[1, 1], start[0, 1]])[:, None], (3, count))
    q1, q2, covariance = jax.lax.scan(step, begin, jax.random.split(key, depth))[0]
    return jnp.stack([jnp.stack([q1, covariance], -1), jnp.stack([covariance, q2], -1)], -2)


def _depth(width: int, depth_to_width: float) -> int:
    return max(1, round(width * depth_to_width))


def _case(
    rho: float, width: int, ratio: float, activation: nn.ShapedRelu, networks: int, key: PRNGKeyArray
) -> ShapedCase:
    own, plain, diffusion = jax.random.split(key, 3)
    depth = _depth(width, ratio)
    start = np.array([[1.0, rho], [rho, 1.0]])
    return ShapedCase(
        rho,
        width,
        depth,
        network_samples(rho, activation, depth, width, own, networks),
        covariance_samples(start, activation, depth / width, diffusion, samples=_DRAWS * networks, steps=_STEPS),
        network_samples(rho, nn.ABRelu(0.0, float(np.sqrt(2))), depth, width, plain, networks),
    )
