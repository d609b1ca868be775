"""Kernel rules of `Scale` and of `ChannelAffine`, whose gains are trained.

The gradient of unit i in its gain is the unit itself, so after a gain the NTK differs from unit to unit: it is
`ntk + u_i v_i - K`, with the mean `ntk` over all units. The mean is all that layers with weights take. An activation weighs
it with `phi'(u_i) phi'(v_i)`, so that it needs the expectation of `u phi'(u) v phi'(v)` as well.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.dual import Dual
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.quadrature import quadrature_moments
from nnlimits.kernels.rules import covariance_rule

Values = Float[Array, "..."]


@covariance_rule.register
def _scale(layer: nn.Scale, covariance: Covariance, parameterization: str) -> Covariance:
    square = layer.factor**2
    q1, q2 = per_input(lambda q: square * q, covariance.q1, covariance.q2)
    return dataclasses.replace(
        covariance, q1=q1, q2=q2, ntk=None if covariance.ntk is None else square * covariance.ntk
    )


@covariance_rule.register
def _channel_affine(layer: nn.ChannelAffine, covariance: Covariance, parameterization: str) -> Covariance:
    """The NTK grows by `u_i v_i` for the gain, on average `K`, and by 1 for the offset."""
    ntk, gains = covariance.ntk, covariance.gains
    if ntk is not None and layer.offset:
        ntk = ntk + 1
    if ntk is not None and layer.gain:
        ntk = ntk + covariance.nngp
    if layer.gain and gains is not None:
        gains += 1
    return dataclasses.replace(covariance, ntk=ntk, gains=gains)


def ntk_after(layer: nn.Layer, covariance: Covariance, after: Dual) -> Values:
    """`E[phi'(u) phi'(v) (ntk + gains (u v - K))]`."""
    assert covariance.ntk is not None
    if covariance.gains is None:
        raise NotImplementedError(
            f"{layer!r} receives a sum of which one term ends in a trainable gain (nn.ChannelAffine), so that its NTK depends on "
            "that term alone; put a layer with weights before the activation, or leave the gain out (gain=False)"
        )
    same_gain = covariance.gains * _twice_tilted(layer, covariance, after)
    return after.derivative * (covariance.ntk - covariance.gains * covariance.nngp) + same_gain


def _twice_tilted(layer: nn.Layer, covariance: Covariance, after: Dual) -> Values:
    """`E[u phi'(u) v phi'(v)]`: that of the activation itself, times its degree squared, where it is homogeneous."""
    degree = _degree(layer)
    if degree is None:
        if not isinstance(layer, nn.Activation):
            raise NotImplementedError(f"{layer!r} is no function of single units, so it cannot follow a trainable gain")
        return quadrature_moments(_Tilted(layer), covariance.q1, covariance.q2, covariance.deficit).value
    return degree**2 * dataclasses.replace(covariance, q1=after.q1, q2=after.q2, deficit=after.deficit).nngp


class _Tilted(nn.Activation):
    """`x phi'(x)`."""

    activation: nn.Activation

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return x * jax.jvp(self.activation, (x,), (jnp.ones_like(x),))[1]

    @property
    def kinks(self) -> tuple[float, ...]:
        return self.activation.kinks


def _degree(activation: nn.Layer) -> int | None:
    """The degree of a positively homogeneous activation, for which `x phi'(x) = degree phi(x)`."""
    if isinstance(activation, nn.Relu | nn.LeakyRelu | nn.ABRelu | nn.Abs):
        return 1
    if isinstance(activation, nn.Step | nn.Sign):
        return 0
    return activation.degree if isinstance(activation, nn.RectifiedMonomial | nn.Monomial) else None
