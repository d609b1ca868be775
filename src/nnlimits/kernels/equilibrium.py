"""Kernel rule of equilibrium networks: infinitely many layers with tied weights that see the input (Feng & Kolter 2023).

Of `z = phi(W z + U x + b)` the preactivations are Gaussian at infinite width, with the covariance and the NTK

    K = w_std^2 E[phi phi]_K + K_injection,    Theta = w_std^2 E[phi phi]_K + Theta_injection + w_std^2 E[phi' phi']_K Theta,

fixed points of the cell's rules; the outputs have those after the activation. The iteration contracts, and the gradients of
infinitely many layers can be summed up, where `chi = w_std^2 E[phi'^2] < 1` for every input: the same factor by which a small
perturbation of the state grows from layer to layer. Rounding is amplified by `1 / (1 - chi)`: relative errors are some
`4 eps / (1 - chi)`, so that a cell with `1 - chi < 4000 eps` (9e-13 in float64, 5e-4 in float32) is refused. (A finite
network of any width has a fixed point for certain only where `2 w_std` times the activation's largest slope is below one.)
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.combinators import merge_rule
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.depth_fixed_point import fixed_point
from nnlimits.kernels.per_input import again, per_input
from nnlimits.kernels.rules import covariance_rule

_LEAST = 4000
"""In units of the last place: what `chi` must be below one by, for three digits."""

_Moving = tuple[Array, Array | None]
"""Deficit and NTK."""


@covariance_rule.register
def _equilibrium(layer: nn.Equilibrium, covariance: Covariance, parameterization: str) -> Covariance:
    cell = layer.cell
    drive = covariance_rule(cell.injection, covariance, parameterization)
    q1, q2 = per_input(partial(_variance, cell, drive, parameterization), drive.q1, drive.q2)
    like = dataclasses.replace(drive, q1=q1, q2=q2, fresh=False)
    rules = again(lambda: _next(cell, drive, like, parameterization))

    def step(moving: _Moving) -> _Moving:
        after = rules(lambda: _next(cell, drive, _with(like, moving), parameterization))
        ntk = None if after.ntk is None else jnp.broadcast_to(after.ntk, shape)
        return jnp.broadcast_to(after.deficit, shape), ntk

    shape = jnp.broadcast_shapes(q1.shape, q2.shape, drive.deficit.shape)
    start = (jnp.broadcast_to(drive.deficit, shape), None if drive.ntk is None else jnp.broadcast_to(drive.ntk, shape))
    settled = dataclasses.replace(_with(like, fixed_point(step, start)), fresh=drive.fresh or covariance.fresh)
    return _activated(cell, settled, parameterization)


def _with(like: Covariance, moving: _Moving) -> Covariance:
    return dataclasses.replace(like, deficit=moving[0], ntk=moving[1])


def _activated(cell: nn.Cell, state: Covariance, parameterization: str) -> Covariance:
    return covariance_rule(cell.activation, state, parameterization)


def _next(cell: nn.Cell, drive: Covariance, state: Covariance, parameterization: str) -> Covariance:
    """The preactivations one layer later."""
    recurrent = covariance_rule(cell.recurrent, _activated(cell, state, parameterization), parameterization)
    if not recurrent.fresh or not recurrent.gaussian:
        raise NotImplementedError(
            f"the recurrent layer of nn.Cell must end in weights, such as nn.Dense or nn.Conv, for a kernel at infinite width; "
            f"received {cell.recurrent!r}"
        )
    return merge_rule(nn.Sum(), [recurrent, dataclasses.replace(drive, fresh=False, width=recurrent.width)])


def of_one_input(drive: Covariance, q: Array, ntk: Array | None) -> Covariance:
    """Inputs paired with themselves."""
    return dataclasses.replace(drive, q1=q, q2=q, deficit=jnp.zeros_like(q), ntk=ntk, seen=None, fresh=False)


def _variance(cell: nn.Cell, drive: Covariance, parameterization: str, q: Array) -> Array:
    """Of preactivations of single inputs; NaN where small perturbations of the state grow."""
    settled = settled_variance(cell, drive, parameterization, q)
    return jnp.where(growth(cell, drive, parameterization, settled) < largest_growth(q.dtype), settled, jnp.nan)


def largest_growth(dtype: Any) -> float:
    """The `chi` below which kernels are computed."""
    return 1 - _LEAST * float(jnp.finfo(dtype).eps)


def settled_variance(cell: nn.Cell, drive: Covariance, parameterization: str, q: Array) -> Array:
    """The variance of preactivations of single inputs, from that of the injection."""
    alone = of_one_input(drive, q, None)

    def step(now: Array) -> Array:
        return jnp.broadcast_to(_next(cell, alone, of_one_input(drive, now, None), parameterization).q1, now.shape)

    return fixed_point(step, q)


def growth(cell: nn.Cell, drive: Covariance, parameterization: str, q: Array) -> Array:
    """`chi = w_std^2 E[phi'^2]` at preactivations of variance `q`; of images, the largest of all positions."""
    alone = of_one_input(drive, q, jnp.zeros_like(q))

    def after(ntk: Array) -> Array:
        found = _next(cell, alone, of_one_input(drive, q, ntk), parameterization).ntk
        assert found is not None
        return jnp.broadcast_to(found, q.shape)

    found = jax.jvp(after, (jnp.zeros_like(q),), (jnp.ones_like(q),))[1]
    return found.max(tuple(range(found.ndim - 1)), keepdims=True) if found.ndim > 1 and drive.positions else found
