"""Hermite series of any activation: coefficients of each input by one-dimensional quadrature, and their sum over pairs.

The series of a pair converges like the smaller of `|c|^j` and the decay of the coefficients, so it is short for smooth
activations at any correlation `c`, and for kinked ones away from `c = +-1`. It is summed to the length that the data
need, and says for each pair how much it may have left out.
"""

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.covariance import safe_sqrt
from nnlimits.kernels.panels import graded_rule, kink_correction

Values = Float[Array, "..."]


class Accuracy(NamedTuple):
    """How far a dtype is worth going."""

    tolerance: float
    """Relative error at which a pair's series is long enough."""
    terms: int
    """Longest series."""
    order: int
    """Nodes on a panel."""


ACCURACY = {jnp.dtype("float32"): Accuracy(3e-7, 128, 10), jnp.dtype("float64"): Accuracy(3e-12, 256, 16)}
_STRIDE = 8


class Row(NamedTuple):
    """What one input contributes to its pairs: for the activation and for its derivative (leading axis of length two)
    the coefficients, the root mean square and what the coefficients leave of it, and how the activation answers to a change
    of variance.
    """

    coefficients: Float[Array, "2 terms ..."]
    """`a_j(q) = E[phi(sqrt(q) z) h_j(z)]`."""
    root: Float[Array, "2 ..."]
    """The root of `E[phi(sqrt(q) z)^2]`."""
    curvature: Values
    """The deficit at unit log-ratio of two variances and correlation one, to second order."""
    tail: Float[Array, "2 ..."]
    """The root of the relative weight of the coefficients left out."""
    envelope: Float[Array, "strides ..."]
    """The largest coefficient of each stride, of either and relative to the root mean square."""


@cache
def _hermite_table(order: int, terms: int) -> np.ndarray:
    """Weights times normalised Hermite polynomials at the nodes of the graded rule, (terms, nodes)."""
    z, w = graded_rule(order)
    table = [w, w * z]
    for j in range(1, terms - 1):
        table.append((z * table[j] - np.sqrt(j) * table[j - 1]) / np.sqrt(j + 1))
    return np.stack(table)


def row(activation: nn.Activation, q: Values) -> Row:
    """Coefficients and moments of an activation and its derivative at each variance `q`."""
    accuracy = ACCURACY[jnp.dtype(q.dtype)]
    z, w = (jnp.asarray(v, q.dtype) for v in graded_rule(accuracy.order))
    root = safe_sqrt(q).ravel()
    x = z[:, None] * root
    value, slope = jax.jvp(activation, (x,), (jnp.ones_like(x),))
    table = _hermite_table(accuracy.order, accuracy.terms)
    coefficients = jnp.stack([_by_parity(table, value), _by_parity(table, slope)])
    moments = _moments(x, jnp.broadcast_to(w[:, None], x.shape), value, slope)
    kinks = [k for k in activation.kinks if k != 0]
    if kinks:
        z, w = (v.T for v in kink_correction(jnp.asarray(kinks, q.dtype) / root[:, None], accuracy.order))
        x = z * root
        value, slope = jax.jvp(activation, (x,), (jnp.ones_like(x),))
        coefficients += _coefficients(z, w * value, w * slope, accuracy.terms)
        moments += _moments(x, w, value, slope)
    square, stretch, along = moments[:2], moments[2], moments[3]
    # factor by factor: the square of a small variance is below all numbers
    unit = 1 / safe_sqrt(square[0])
    curvature = jnp.maximum(stretch * unit * unit - (along * unit * unit) ** 2, 0.0) / 2
    root = safe_sqrt(square)
    found = Row(coefficients, root, curvature, _tail(coefficients, square), _envelope(coefficients, root))
    return jax.tree.map(lambda v: v.reshape(*v.shape[:-1], *q.shape), found)


def _by_parity(table: np.ndarray, values: Float[Array, "nodes rows"]) -> Float[Array, "terms rows"]:
    """The table times the values. Its nodes lie symmetrically and `h_j(-z) = (-1)^j h_j(z)`, so half of the work is enough."""
    half = table.shape[1] // 2
    left, right = values[:half][::-1], values[half:]
    parts = [
        jnp.matmul(jnp.asarray(table[start::2, half:], values.dtype), folded, precision=jax.lax.Precision.HIGHEST)
        for start, folded in enumerate((right + left, right - left))
    ]
    return jnp.stack(parts, axis=1).reshape(table.shape[0], -1)


def _moments(x: Values, w: Values, value: Values, slope: Values) -> Float[Array, "4 rows"]:
    """`E[phi^2]`, `E[phi'^2]`, and, since `phi(e^(t/2) x)` moves by `x phi'(x) / 2`, that motion's square and overlap."""
    motion = x * slope / 2
    return jnp.stack([(w * f).sum(0) for f in (value**2, slope**2, motion**2, value * motion)])


def _coefficients(z: Values, value: Values, slope: Values, terms: int) -> Float[Array, "2 terms rows"]:
    """`sum_n f_n h_j(z_n)` for all `j`, by the recurrence, where every row has nodes of its own."""

    def next_term(carry, j):
        older, old = carry
        sums = jnp.stack([(old * value).sum(0), (old * slope).sum(0)])
        return (old, (z * old - jnp.sqrt(j) * older) / jnp.sqrt(j + 1)), sums

    start = (jnp.zeros_like(z), jnp.ones_like(z))
    _, coefficients = jax.lax.scan(next_term, start, jnp.arange(terms, dtype=z.dtype))
    return jnp.moveaxis(coefficients, 0, 1)


def _envelope(coefficients: Float[Array, "2 terms rows"], root: Float[Array, "2 rows"]) -> Float[Array, "strides rows"]:
    largest = jnp.abs(coefficients).reshape(2, -1, _STRIDE, root.shape[1]).max(2)
    return (largest / root[:, None]).max(0)


def _tail(coefficients: Float[Array, "2 terms rows"], square: Float[Array, "2 rows"]) -> Float[Array, "2 rows"]:
    """From what Parseval's identity misses, where that is above rounding, or from what the decay `j^(-3/2)` or faster of the
    last coefficients says.
    """
    square = square + jnp.finfo(square.dtype).tiny
    by_decay = coefficients.shape[1] * (coefficients[:, -6:] ** 2).max(1) / square
    by_parseval = 1 - (coefficients**2).sum(1) / square
    noise = 1e3 * jnp.finfo(square.dtype).eps
    return safe_sqrt(jnp.where(by_parseval > noise, by_parseval, 0.0) + by_decay)


class Sums(NamedTuple):
    """The two series of each pair, `sum_j a_j(q1) a_j(q2) c^j`."""

    value: Values
    slope: Values
    worst: Float[Array, ""]
    """At most this, relative to the root mean squares, is missing in any pair; see `missing`."""


def pair_sums(first: Row, second: Row, correlation: Values, settled: Array) -> Sums:
    """Both series, as long as the data need; pairs marked `settled` do not lengthen them."""
    a, b = first.coefficients, second.coefficients
    largest = jnp.where(settled, 0.0, jnp.abs(correlation)).max()

    def body(state):
        start, sums = state
        start = start - _STRIDE
        rows_a, rows_b = (jax.lax.dynamic_slice_in_dim(c, start, _STRIDE, axis=1) for c in (a, b))
        value, slope = jnp.real(sums), jnp.imag(sums)
        for j in range(_STRIDE - 1, -1, -1):
            value = value * correlation + rows_a[0, j] * rows_b[0, j]
            slope = slope * correlation + rows_a[1, j] * rows_b[1, j]
        return start, jax.lax.complex(value, slope)  # one array, so that a CPU makes one pass

    zero = jnp.zeros(jnp.broadcast_shapes(correlation.shape, a.shape[2:], b.shape[2:]), correlation.dtype)
    start = _needed(first, second, largest), jax.lax.complex(zero, zero)
    _, sums = jax.lax.while_loop(lambda state: state[0] > 0, body, start)
    worst = largest ** a.shape[1] * first.tail.max() * second.tail.max()
    return Sums(jnp.real(sums), jnp.imag(sums), worst)


def missing(first: Row, second: Row, correlation: Values) -> Values:
    """The relative size of what the series of each pair leave out.

    At most `|c|^terms sqrt(tail(q1) tail(q2))` (Cauchy & Schwarz) with `tail` the sum of the squares of the coefficients
    left out.
    """
    value, slope = first.tail * second.tail
    return jnp.abs(correlation) ** first.coefficients.shape[1] * jnp.where(value > slope, value, slope)


def _needed(first: Row, second: Row, largest: Array) -> Array:
    """Number of terms, a multiple of the stride, after which all terms are negligible for correlations up to `largest`."""
    terms = first.coefficients.shape[1]
    starts = jnp.arange(0, terms, _STRIDE)
    first_size, second_size = (r.envelope.reshape(starts.size, -1).max(1) for r in (first, second))
    size = first_size * second_size * largest**starts
    matters = size * terms > ACCURACY[jnp.dtype(size.dtype)].tolerance
    return jnp.where(matters, starts + _STRIDE, 0).max()
