"""Kernel rules of the layers that act linearly on units: `Dense`, `Identity`, `Flatten`, `Dropout`, `LayerNorm`."""

import dataclasses

import jax.numpy as jnp

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, Term, safe_sqrt, sum_of_covariances, tiny
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.rules import covariance_rule, require_gaussian


@covariance_rule.register
def _dense(layer: nn.Dense, covariance: Covariance, parameterization: str) -> Covariance:
    """`K' = w_std^2 K + b_std^2`; `Theta' = K' + w_std^2 Theta` (Jacot et al. 2018, Theorem 1).

    In the standard parameterization the weights' own part is `fan_in K + 1` in the place of `K'` (Sohl-Dickstein et al.
    2020).
    """
    weight = layer.w_std**2
    terms: list[Term] = [(weight * covariance.q1, weight * covariance.q2, covariance.deficit)]
    if layer.b_std is not None:  # `prepare` drops a bias whose scale is the number zero
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
    )
    if covariance.ntk is None:
        return after
    own = after.nngp if parameterization == "ntk" else covariance.width * covariance.nngp + 1
    return dataclasses.replace(after, ntk=own + weight * covariance.ntk)


@covariance_rule.register
def _identity(layer: nn.Identity, covariance: Covariance, parameterization: str) -> Covariance:
    return covariance


@covariance_rule.register
def _flatten(layer: nn.Flatten, covariance: Covariance, parameterization: str) -> Covariance:
    return covariance


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

    def normalized(q):
        scale = 1 / (q + layer.epsilon + tiny(q.dtype))
        return q * scale, safe_sqrt(scale)

    (q1, gain1), (q2, gain2) = per_input(normalized, covariance.q1, covariance.q2)
    ntk = None if covariance.ntk is None else covariance.ntk * gain1 * gain2
    return dataclasses.replace(covariance, q1=q1, q2=q2, ntk=ntk)
