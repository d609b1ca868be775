"""The dual of an activation: what it makes of a pair of jointly Gaussian units.

    E[phi(u) phi(v)]  and  E[phi'(u) phi'(v)],   (u, v) ~ N(0, [[q1, k], [k, q2]]),   k = sqrt(q1 q2) (1 - deficit).

An activation takes part in the kernel interpreter by registering one of two things for its type: with `moments`, the
two expectations (the usual case: anything smooth); or with `dual`, the variances, the deficit and the derivative
themselves (kinked activations, whose deficit must not be formed by subtraction).
"""

import dataclasses
from functools import singledispatch
from typing import NamedTuple

from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.rules import covariance_rule, require_gaussian


class Dual(NamedTuple):
    """Second moments after an activation; all arrays broadcast as those of `Covariance` do."""

    q1: Float[Array, "..."]
    """`E[phi(u)^2]`."""
    q2: Float[Array, "..."]
    """`E[phi(v)^2]`."""
    deficit: Float[Array, "..."]
    """`1 - E[phi(u) phi(v)] / sqrt(E[phi(u)^2] E[phi(v)^2])`."""
    derivative: Float[Array, "..."]
    """`E[phi'(u) phi'(v)]`."""


class Moments(NamedTuple):
    """Two expectations over a pair of jointly Gaussian units."""

    value: Float[Array, "..."]
    """`E[phi(u) phi(v)]`."""
    derivative: Float[Array, "..."]
    """`E[phi'(u) phi'(v)]`."""


@singledispatch
def moments(
    activation: nn.Layer, q1: Float[Array, "..."], q2: Float[Array, "..."], deficit: Float[Array, "..."]
) -> Moments:
    """`E[phi(u) phi(v)]` and `E[phi'(u) phi'(v)]` of an activation."""
    raise NotImplementedError(
        f"{type(activation).__name__} has no dual; register one with nnlimits.kernels.moments.register, or use "
        "nn.Elementwise(function), whose dual is found by quadrature"
    )


@singledispatch
def dual(activation: nn.Layer, q1: Float[Array, "..."], q2: Float[Array, "..."], deficit: Float[Array, "..."]) -> Dual:
    """Variances, deficit and derivative after an activation; by default, from its `moments`."""
    from nnlimits.kernels.smooth import smooth_dual

    return smooth_dual(lambda p1, p2, d: moments(activation, p1, p2, d), q1, q2, deficit)


@covariance_rule.register(nn.Activation)
@covariance_rule.register(nn.ExpNormalized)
def _activation(layer: nn.Layer, covariance: Covariance, parameterization: str) -> Covariance:
    """`K' = E[phi phi]`, `Theta' = E[phi' phi'] Theta`."""
    require_gaussian(layer, covariance)
    after = dual(layer, covariance.q1, covariance.q2, covariance.deficit)
    return dataclasses.replace(
        covariance,
        q1=after.q1,
        q2=after.q2,
        deficit=after.deficit,
        ntk=_ntk_after(layer, covariance, after),
        gaussian=False,
        gains=0,
    )


def _ntk_after(layer: nn.Layer, covariance: Covariance, after: Dual) -> Array | None:
    if covariance.ntk is None or covariance.gains == 0:
        return None if covariance.ntk is None else after.derivative * covariance.ntk
    from nnlimits.kernels.gains import ntk_after

    return ntk_after(layer, covariance, after)
