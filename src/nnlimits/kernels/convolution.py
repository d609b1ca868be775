"""Kernel rules of the layers that see patches: `Conv` and `LocallyConnected` (Novak et al. 2019; Arora et al. 2019)."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.linear import trained_bias
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.positions import Positions, window_sum, windows
from nnlimits.kernels.rules import covariance_rule, positions_of
from nnlimits.kernels.semivariance import deficit_of, joined, parted, visible, visible_variance

Values = Float[Array, "..."]


Sum = Callable[[Array, Positions], tuple[Array, Positions]]
"""Sums over what the outputs see through every tap, at equal displacement, and the positions of the outputs."""


class _Patch(NamedTuple):
    """Of one input: the variance of a patch, per tap and unit, and of what is made of it."""

    mean: Values
    q: Values


@covariance_rule.register
def _conv(layer: nn.Conv, covariance: Covariance, parameterization: str) -> Covariance:
    """A patch keeps the displacement: `K'(p, p') = w_std^2 mean_o K(p + o, p' + o) + b_std^2`, zeros beyond the edges."""
    return patches(layer, covariance, parameterization, *_windows(layer, covariance))


@covariance_rule.register
def _locally_connected(layer: nn.LocallyConnected, covariance: Covariance, parameterization: str) -> Covariance:
    """As a convolution at one position; two positions have weights of their own and are independent."""
    after = patches(layer, covariance, parameterization, *_windows(layer, covariance))
    assert after.positions is not None
    moved = after.positions.displacement
    if moved is None:
        return after
    apart = jnp.stack(moved).any()
    ntk = None if after.ntk is None else jnp.where(apart, 0.0, after.ntk)
    deficit = jnp.where(apart, 1.0, after.deficit)
    return dataclasses.replace(after, deficit=deficit, ntk=ntk)


def _windows(layer: nn.Conv | nn.LocallyConnected, covariance: Covariance) -> tuple[Sum, int]:
    through = windows(layer, positions_of(layer, covariance).alive)
    return partial(window_sum, through=through), math.prod(window.taps for window in through)


def patches(
    layer: nn.Conv | nn.LocallyConnected | nn.ConvTranspose,
    covariance: Covariance,
    parameterization: str,
    sums: Sum,
    taps: int,
) -> Covariance:
    """The covariance after weights of variance `w_std^2 / taps` for every tap."""
    before = positions_of(layer, covariance)
    weight = layer.w_std**2
    first, second = per_input(partial(_patch, before, sums, taps, layer), covariance.q1, covariance.q2)
    total, positions = sums(joined(*visible(covariance)), before)
    s, ntk = parted(total / taps, covariance.ntk)
    after = dataclasses.replace(
        covariance,
        q1=first.q,
        q2=second.q,
        deficit=deficit_of(weight * s, first.q, second.q),
        width=jnp.asarray(float(layer.width), covariance.width.dtype),
        same=thinned(covariance.same, before, positions),
        gaussian=True,
        fresh=True,
        positions=positions,
        gains=0,
        seen=None,
    )
    if ntk is None:
        return after
    nngp = (first.mean + second.mean) / 2 - s
    own = after.nngp if parameterization == "ntk" else taps * covariance.width * nngp + trained_bias(layer)
    return dataclasses.replace(after, ntk=own + weight * ntk)


def _patch(
    positions: Positions, sums: Sum, taps: int, layer: nn.Conv | nn.LocallyConnected | nn.ConvTranspose, q: Values
) -> _Patch:
    mean = sums(visible_variance(positions, q), positions)[0] / taps
    q = layer.w_std**2 * mean
    return _Patch(mean, q if layer.b_std is None else q + layer.b_std**2)


def thinned(same: Array | None, before: Positions, after: Positions) -> Array | None:
    """Which pairs are of one example, for fewer positions; where they lie along an axis of positions, it is the last."""
    if same is None or before.displacement is None:
        return same
    return same.reshape(before.grid[-1], -1)[: after.grid[-1]].reshape(-1)
