"""Kernel rules of the layers that act linearly on units: `Dense`, `Linear`, `Identity`, `Flatten`, `Dropout`, `LayerNorm`."""

import dataclasses
import math
from functools import partial
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, Term, safe_sqrt, sum_of_covariances, tiny
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.positions import Positions
from nnlimits.kernels.rules import covariance_rule, require_gaussian
from nnlimits.kernels.semivariance import deficit_of, visible, visible_variance


@covariance_rule.register
def _dense(layer: nn.Dense, covariance: Covariance, parameterization: str) -> Covariance:
    """`K' = w_std^2 K + b_std^2`; `Theta' = K' + w_std^2 Theta` (Jacot et al. 2018, Theorem 1)."""
    return affine(layer, contracted(covariance), parameterization)


@covariance_rule.register
def _linear(layer: nn.Linear, covariance: Covariance, parameterization: str) -> Covariance:
    """As a dense layer, over the average of the contracted positions."""
    positions = covariance.positions
    if positions is None or positions.flat:
        return affine(layer, contracted(covariance), parameterization)
    axes = layer.contracted((*positions.alive, 1))[:-1]
    return affine(layer, averaged(covariance, axes) if axes else covariance, parameterization)


def affine(layer: nn.Dense | nn.Linear, covariance: Covariance, parameterization: str) -> Covariance:
    """A dense map of the units; in the standard parameterization the weights' own part of the NTK is `fan_in K` in the place
    of `w_std^2 K`, and the bias' is 1, if there is one, in the place of `b_std^2` (Sohl-Dickstein et al. 2020).
    """
    weight = layer.w_std**2
    terms: list[Term] = [(weight * covariance.q1, weight * covariance.q2, covariance.deficit)]
    if layer.b_std is not None:
        b = jnp.asarray(layer.b_std**2, covariance.q1.dtype)
        terms.append((b, b, None))
    q1, q2, deficit = sum_of_covariances(terms)
    after = dataclasses.replace(
        covariance,
        q1=q1,
        q2=q2,
        deficit=deficit,
        width=jnp.asarray(float(layer.width), covariance.width.dtype),
        gaussian=True,
        fresh=True,
        gains=0,
    )
    if covariance.ntk is None:
        return after
    own = after.nngp if parameterization == "ntk" else covariance.width * covariance.nngp + trained_bias(layer)
    return dataclasses.replace(after, ntk=own + weight * covariance.ntk)


def trained_bias(layer: Any) -> float:
    """What the bias of a layer adds to its NTK in the standard parameterization: 1 if it has one, whatever its scale."""
    return 0.0 if layer.b_std is None else 1.0


def contracted(covariance: Covariance) -> Covariance:
    """Units without positions: those of a flattened image are averaged, as every layer with weights for each does."""
    positions = covariance.positions
    if positions is None:
        return covariance
    if not positions.flat:
        raise NotImplementedError(
            f"nn.Dense receives positions {positions.alive}; add nn.Flatten() or a global pooling before it, or use nn.Linear"
        )
    return averaged(covariance, tuple(range(len(positions.alive))))


def averaged(covariance: Covariance, axes: tuple[int, ...]) -> Covariance:
    """The average of the covariances at equal positions along some axes, which go; the units of all of them count as width."""
    positions = covariance.positions
    assert positions is not None
    assert not positions.cyclic
    q1, q2 = per_input(lambda q: visible_variance(positions, q).mean(axes), covariance.q1, covariance.q2)
    s, ntk = visible(covariance)
    rest = tuple(size for axis, size in enumerate(positions.alive) if axis not in axes)
    count = positions.count / max(math.prod(rest), 1)
    return dataclasses.replace(
        covariance,
        q1=q1,
        q2=q2,
        deficit=deficit_of(s.mean(axes), q1, q2),
        ntk=None if ntk is None else ntk.mean(axes),
        width=covariance.width * count,
        positions=dataclasses.replace(positions, alive=rest, grid=rest, mask=None, masked=False) if rest else None,
    )


@covariance_rule.register
def _identity(layer: nn.Identity, covariance: Covariance, parameterization: str) -> Covariance:
    return covariance


@covariance_rule.register
def _flatten(layer: nn.Flatten, covariance: Covariance, parameterization: str) -> Covariance:
    """Positions stay apart, as units at different positions have different variances, until weights mix them.

    Those that are masked are zeros from here on, and count as any others.
    """
    positions = covariance.positions
    if positions is None:
        return covariance
    flat = dataclasses.replace(positions, flat=True, mask=None, masked=False)
    if not positions.masked:
        return dataclasses.replace(covariance, positions=flat)
    q1, q2 = per_input(partial(visible_variance, positions), covariance.q1, covariance.q2)
    s, ntk = visible(covariance)
    return dataclasses.replace(covariance, q1=q1, q2=q2, deficit=deficit_of(s, q1, q2), ntk=ntk, positions=flat)


@covariance_rule.register
def _dropout(layer: nn.Dropout, covariance: Covariance, parameterization: str) -> Covariance:
    """Independent masks leave the covariance of two examples and multiply the variance of each by `1 / keep`."""
    keep = 1 - layer.rate
    q1, q2 = covariance.q1 / keep, covariance.q2 / keep
    apart = 1 - keep * (1 - covariance.deficit)
    same = covariance.same
    if same is None:
        return dataclasses.replace(covariance, q1=q1, q2=q2, deficit=apart, gaussian=False)
    ntk = covariance.ntk
    if ntk is not None:
        ntk = jnp.where(same, ntk / keep, ntk)
    deficit = jnp.where(same, covariance.deficit, apart)
    return dataclasses.replace(covariance, q1=q1, q2=q2, deficit=deficit, ntk=ntk, gaussian=False)


@covariance_rule.register
def _layer_norm(layer: nn.LayerNorm, covariance: Covariance, parameterization: str) -> Covariance:
    """Divides every example by its own standard deviation (mean zero for Gaussian units): the correlation stays."""
    require_gaussian(layer, covariance)
    scale = partial(_scale, _normalized_axes(layer, covariance), covariance.positions, layer.epsilon)
    (q1, gain1), (q2, gain2) = per_input(scale, covariance.q1, covariance.q2)
    ntk = None if covariance.ntk is None else covariance.ntk * gain1 * gain2
    return dataclasses.replace(covariance, q1=q1, q2=q2, ntk=ntk)


def _normalized_axes(layer: nn.LayerNorm, covariance: Covariance) -> tuple[int, ...]:
    """The axes of positions over which `layer` averages."""
    positions = covariance.positions
    if positions is None:
        return ()
    rank = 1 if positions.flat else len(positions.alive) + 1
    axes = sorted(axis % rank for axis in layer.axes)
    if axes[-1] != rank - 1:
        raise NotImplementedError(
            f"{layer!r} leaves out the channels, over which alone an average settles at infinite width; add -1 to axes"
        )
    return tuple(range(len(positions.alive))) if positions.flat else tuple(axes[:-1])


def _scale(axes: tuple[int, ...], positions: Positions | None, epsilon, q: Array) -> tuple[Array, Array]:
    """The variance of each unit after, and the factor of its standard deviation."""
    mean = q
    if axes and positions is not None:
        seen = positions.seen(q)
        mean = jnp.where(seen, q, 0.0).sum(axes, keepdims=True) / seen.sum(axes, keepdims=True)
    scale = 1 / (mean + epsilon + tiny(q.dtype))
    return jnp.broadcast_to(q * scale, q.shape), jnp.broadcast_to(safe_sqrt(scale), q.shape)
