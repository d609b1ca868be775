"""Kernel rules of the embeddings of tokens and of positions."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array

from nnlimits import nn
from nnlimits.kernels.covariance import Covariance, sum_of_covariances
from nnlimits.kernels.displacements import join
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.positions import Positions
from nnlimits.kernels.rules import covariance_rule, positions_of


@covariance_rule.register
def _positional_embedding(layer: nn.PositionalEmbedding, covariance: Covariance, parameterization: str) -> Covariance:
    """Adds `std^2 R`, to the NTK as well: the embedding is trained."""
    positions = positions_of(layer, covariance)
    b = jnp.asarray(layer.std**2, covariance.q1.dtype)
    correlation = _correlation(layer, positions, covariance.deficit)
    apart = None if correlation is None else 1 - correlation
    q1, q2, deficit = sum_of_covariances([(covariance.q1, covariance.q2, covariance.deficit), (b, b, apart)])
    ntk = covariance.ntk
    if ntk is not None:
        own = 1.0 if parameterization == "standard" else b
        ntk = ntk + (own if correlation is None else own * correlation)
    gains = 0 if covariance.gains == 0 else None
    return dataclasses.replace(covariance, q1=q1, q2=q2, deficit=deficit, ntk=ntk, gains=gains)


def _correlation(layer: nn.PositionalEmbedding, positions: Positions, like: Array) -> Array | None:
    """Of the embeddings of both positions; `None` where they are the same."""
    if positions.displacement is None:
        return None
    total = jnp.ones((), like.dtype)
    for axis, (grid, d) in enumerate(zip(positions.grid, positions.displacement, strict=True)):
        p = jnp.arange(grid)
        distance = (p + d) % grid - p
        scale = layer.length_scale
        along = jnp.exp(-((distance / scale) ** 2) / 2) if scale else distance == 0
        total = total * along.astype(like.dtype).reshape(grid, *(1,) * (len(positions.grid) - axis))
    pairs = like.shape[-1] // positions.grid[-1]
    return join(jnp.broadcast_to(total, (*positions.grid, pairs)))


@covariance_rule.register
def _embedding(layer: nn.Embedding, covariance: Covariance, parameterization: str) -> Covariance:
    """Tokens are one-hot vectors: `K' = w_std^2` for equal ones, zero for others."""
    weight = layer.w_std**2
    ntk = covariance.ntk
    if ntk is not None:
        ntk = (1 - covariance.deficit) * (1.0 if parameterization == "standard" else weight)
    q1, q2 = per_input(lambda q: weight * q, covariance.q1, covariance.q2)
    width = jnp.asarray(float(layer.width), covariance.width.dtype)
    return dataclasses.replace(covariance, q1=q1, q2=q2, ntk=ntk, width=width, gaussian=True, fresh=True, gains=0)
