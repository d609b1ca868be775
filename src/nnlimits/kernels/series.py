"""Hermite series of any activation: coefficients of each input by one-dimensional quadrature, and their sum over pairs.

The series of a pair converges like the smaller of `|c|^j` and the decay of the coefficients, so it is short for smooth activations
at any correlation `c`, and for kinked ones away from `c = +-1`. It is summed to the length that the data need, and says for each
pair how much it may have left out.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.kernels.covariance import safe_sqrt
from nnlimits.kernels.panels import GRADED, gaussian_panels, graded_rule, panel_ends

Values = Float[Array, "..."]
Function = Callable[[Values], Values]

TERMS = 128
"""Longest series that is summed."""
_STRIDE = 8
_ORDER = 14


class Row(NamedTuple):
    """What one batch contributes to its pairs."""

    coefficients: Float[Array, "terms ..."]
    """`a_j(q) = E[phi(sqrt(q) z) h_j(z)]`."""
    square: Values
    """`E[phi(sqrt(q) z)^2]`."""


@cache
def _hermite_rule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights, and weights times normalised Hermite polynomials (terms, nodes)."""
    z, w = graded_rule(_ORDER)
    table = [w, w * z]
    for j in range(1, TERMS - 1):
        table.append((z * table[j] - np.sqrt(j) * table[j - 1]) / np.sqrt(j + 1))
    return z, w, np.stack(table)


def row(function: Function, kinks: tuple[float, ...], q: Values) -> Row:
    """Coefficients and second moment of `function` at each variance `q`."""
    if all(k == 0 for k in kinks):
        z, w, table = (jnp.asarray(v, q.dtype) for v in _hermite_rule())
        values = function(safe_sqrt(q)[..., None] * z)
        coefficients = jnp.tensordot(table, values, axes=(1, -1), precision=jax.lax.Precision.HIGHEST)
        return Row(coefficients, (values**2 * w).sum(-1))
    root = safe_sqrt(q)
    z, w = gaussian_panels(panel_ends(GRADED, [k / root for k in kinks if k != 0]), _ORDER)
    values = w * function(root[..., None] * z)

    def next_term(carry, j):
        older, old = carry
        new = (z * old - jnp.sqrt(j) * older) / jnp.sqrt(j + 1)
        return (old, new), (old * values).sum(-1)

    start = (jnp.zeros_like(z), jnp.ones_like(z))
    _, coefficients = jax.lax.scan(next_term, start, jnp.arange(TERMS, dtype=q.dtype))
    return Row(coefficients, (values * function(root[..., None] * z)).sum(-1))


def pair_sums(
    first: list[Row], second: list[Row], correlation: Values, tolerance: float
) -> tuple[list[Values], Values]:
    """Several series over the same pairs, `sum_j a_j(q1) a_j(q2) c^j`, and the largest relative size of what they leave out.

    The truncation error is at most `|c|^TERMS sqrt(tail(q1) tail(q2))` (Cauchy & Schwarz) with `tail` the sum of the squares of the
    coefficients left out, estimated from the last ones that were kept.
    """
    length = jnp.stack([_length(a, b, tolerance) for a, b in zip(first, second, strict=True)]).max()
    tables = [(a.coefficients, b.coefficients) for a, b in zip(first, second, strict=True)]

    def body(state):
        start, sums = state
        start = start - _STRIDE
        for k, (a, b) in enumerate(tables):
            rows_a = jax.lax.dynamic_slice_in_dim(a, start, _STRIDE)
            rows_b = jax.lax.dynamic_slice_in_dim(b, start, _STRIDE)
            for j in range(_STRIDE - 1, -1, -1):
                sums[k] = sums[k] * correlation + rows_a[j] * rows_b[j]
        return start, sums

    zeros = [
        jnp.zeros(jnp.broadcast_shapes(correlation.shape, a[0].shape, b[0].shape), correlation.dtype) for a, b in tables
    ]
    _, sums = jax.lax.while_loop(lambda state: state[0] > 0, body, (length, zeros))
    missing = jnp.stack([safe_sqrt(_tail(a)) for a in first]), jnp.stack([safe_sqrt(_tail(b)) for b in second])
    return sums, jnp.abs(correlation) ** TERMS * (missing[0] * missing[1]).max(0)


def _length(a: Row, b: Row, tolerance: float) -> Array:
    """Number of terms, a multiple of the stride, after which the coefficients of every pair are negligible."""
    size = _relative(a) * _relative(b)
    needed = jnp.where(size * TERMS > tolerance, jnp.arange(1, TERMS + 1), 1).max()
    return jnp.minimum(-(-needed // _STRIDE) * _STRIDE, TERMS)


def _relative(r: Row) -> Float[Array, " terms"]:
    scale = safe_sqrt(r.square)
    return (jnp.abs(r.coefficients) / scale).reshape(TERMS, -1).max(1)


def _tail(r: Row) -> Values:
    """Relative weight of the coefficients left out, from the decay `j^(-3/2)` or faster of the last ones."""
    return TERMS * (r.coefficients[-6:] ** 2).max(0) / (r.square + jnp.finfo(r.square.dtype).tiny)
