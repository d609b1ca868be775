"""`E[phi_a phi_b phi_c phi_d]` of all units, for a smooth nonlinearity.

As in `products`, two units are integrated by nodes in the plane, and the others, given these, by Hermite series. As no kink
asks for nodes of its own, the nodes of a pair serve all other units: one matrix product a term of the series gives all
fourth moments with this pair. Of the six pairs among four units, the one counts that leaves little covariance.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from nnlimits import nn
from nnlimits.fluctuations.derivatives import Function, as_function
from nnlimits.fluctuations.pairs import angle_of, two_units
from nnlimits.fluctuations.piecewise_linear import hermite_polynomials
from nnlimits.fluctuations.quadrature import inner_rule, line_rule

_TERMS = 28


def smooth_moments(activation: nn.Layer, kernel: Float[Array, "n n"]) -> Float[Array, "n n n n"]:
    """The expectations for units of covariance `kernel`, with variances that are not zero."""
    n = kernel.shape[0]
    i, j = np.triu_indices(n)
    place = np.empty((n, n), np.int32)
    place[i, j] = place[j, i] = np.arange(len(i))
    of_pair = jax.checkpoint(lambda pair: _of_pair(activation, kernel, pair))
    values, scores = jax.lax.map(of_pair, jnp.asarray(np.stack([i, j], axis=1), jnp.int32))
    values, scores = values[place], scores[place]
    best, least = values, scores
    for order in ((0, 2, 1, 3), (0, 3, 1, 2), (1, 2, 0, 3), (1, 3, 0, 2), (2, 3, 0, 1)):
        back = tuple(order.index(axis) for axis in range(4))
        value, score = jnp.transpose(values, back), jnp.transpose(scores, back)
        best = jnp.where(score < least, value, best)
        least = jnp.minimum(score, least)
    unit = np.arange(n)
    return best.at[unit, unit, unit, unit].set(jax.vmap(lambda q: _alone(activation, q))(jnp.diagonal(kernel)))


def _alone(activation: nn.Layer, q: Float[Array, ""]) -> Float[Array, ""]:
    z, w = line_rule((), jnp.sqrt(q))
    return w @ as_function(activation)(jnp.sqrt(q) * z) ** 4


def _of_pair(
    activation: nn.Layer, kernel: Float[Array, "n n"], pair: Int[Array, "2"]
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """All fourth moments with one pair of units, and their scores, least where the pair serves best."""
    q1, q2, between = kernel[pair[0], pair[0]], kernel[pair[1], pair[1]], kernel[pair[0], pair[1]]
    angle, sine, degenerate = angle_of(q1, q2, between)
    plane = two_units((), q1, q2, angle, order=16)
    along, deviation = _given(kernel, pair, angle, sine, degenerate)
    left = kernel - along @ along.T
    function = as_function(activation)
    both = function(jnp.sqrt(q1) * plane.z1) * function(
        jnp.sqrt(q2) * (plane.z1 * jnp.cos(angle) + plane.z2 * jnp.sin(angle))
    )
    mean = along @ jnp.stack([plane.z1, plane.z2])
    found = _of_others(function, plane.weights * both, mean, deviation, left)
    return found, jax.lax.stop_gradient(_scores(kernel, left, q1 * q2 * jnp.sin(angle) ** 2, q1 * q2))


def _of_others(
    function: Function,
    weights: Float[Array, " nodes"],
    mean: Float[Array, "n nodes"],
    deviation: Float[Array, " n"],
    left: Float[Array, "n n"],
) -> Float[Array, "n n"]:
    """`sum_nodes weights E[f(u_c) f(u_d)]` of units with these means at the nodes, deviations, and covariance `left`."""
    x, w = (v[0] for v in inner_rule((), mean[0], deviation[0]))
    values = function(mean[..., None] + deviation[:, None, None] * x)
    series = jnp.einsum("cnx,tx->tcn", values, w * hermite_polynomials(x, _TERMS))
    each = jnp.einsum("tcn,tdn->tcd", series * weights, series)
    scale = deviation[:, None] * deviation
    rho = jnp.where(scale > 0, jnp.clip(left / jnp.where(scale > 0, scale, 1.0), -1.0, 1.0), 0.0)
    found = each[-1]
    for term in reversed(range(_TERMS - 1)):
        found = each[term] + rho * found
    squares = values**2 @ w @ weights  # the series of a unit with itself converges slowly
    return jnp.where(np.eye(len(mean), dtype=bool), squares[:, None], found)


def _scores(kernel: Float[Array, "n n"], left: Float[Array, "n n"], area: Array, largest: Array) -> Float[Array, "n n"]:
    """The correlation that a pair leaves between two other units, and where this is nothing, less for a larger area."""
    q = jnp.diagonal(kernel)
    left = jnp.where(np.eye(len(q), dtype=bool), 0.0, jnp.abs(left) / jnp.sqrt(q[:, None] * q))
    spread = area > 4 * math.sqrt(jnp.finfo(q.dtype).eps) * largest  # or `angle_of` takes both for one
    return jnp.where(spread, left - 1e-3 * area / q.max() ** 2, 9.0)


def _given(
    kernel: Float[Array, "n n"], pair: Int[Array, "2"], angle: Array, sine: Array, degenerate: Array
) -> tuple[Float[Array, "n 2"], Float[Array, " n"]]:
    """Each unit given the pair: `along[0] z1 + along[1] z2 + deviation x`."""
    first = kernel[pair[0]] / jnp.sqrt(kernel[pair[0], pair[0]])
    beside = kernel[pair[1]] / jnp.sqrt(kernel[pair[1], pair[1]]) - jnp.cos(angle) * first
    second = jnp.where(degenerate, 0.0, beside / jnp.where(degenerate, 1.0, sine))
    variance = jnp.diagonal(kernel) - first**2 - second**2
    known = (jnp.arange(len(first)) == pair[0]) | (jnp.arange(len(first)) == pair[1])
    positive = (variance > 8 * jnp.finfo(variance.dtype).eps * jnp.diagonal(kernel)) & ~known
    return jnp.stack([first, second], axis=1), jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), 0.0)
