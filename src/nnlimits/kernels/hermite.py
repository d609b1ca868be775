"""Hermite series of an activation: exact coefficients of polynomials, and the sum over a pair (Mehler's formula).

With `a_j(q) = E[phi(sqrt(q) z) h_j(z)]` and `h_j` the normalised probabilists' Hermite polynomials,
`E[phi(u) phi(v)] = sum_j a_j(q1) a_j(q2) c^j` for correlation `c`: the pairwise work is one short polynomial.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.kernels.covariance import safe_sqrt
from nnlimits.kernels.dual import Moments, moments
from nnlimits.kernels.per_input import per_input

Values = Float[Array, "..."]


def mehler(first: list[Values], second: list[Values], correlation: Values) -> Values:
    """`sum_j first[j] second[j] correlation^j`, by Horner's rule."""
    total = first[-1] * second[-1] + jnp.zeros_like(correlation)
    for a, b in zip(first[-2::-1], second[-2::-1], strict=True):
        total = total * correlation + a * b
    return total


def polynomial_coefficients(powers: list, q: Values) -> list[Values]:
    """`a_j(q)` of `sum_d powers[d] x^d`, from `z^d = sum_j d! / (2^i i! j!) He_j(z)`, `i = (d - j) / 2`."""
    root = safe_sqrt(q)
    degree = len(powers) - 1
    coefficients = []
    for j in range(degree + 1):
        total = jnp.zeros_like(q)
        for d in range(j, degree + 1, 2):
            i = (d - j) // 2
            total += (
                powers[d] * (math.factorial(d) / (2**i * math.factorial(i) * math.sqrt(math.factorial(j)))) * root**d
            )
        coefficients.append(total)
    return coefficients


def _polynomial(powers: list, q1: Values, q2: Values, deficit: Values) -> Moments:
    slopes = [d * p for d, p in enumerate(powers)][1:] or [0.0]
    c = 1 - deficit
    first, second = per_input(
        lambda q: (polynomial_coefficients(powers, q), polynomial_coefficients(slopes, q)), q1, q2
    )
    return Moments(mehler(first[0], second[0], c), mehler(first[1], second[1], c))


@moments.register
def _general(activation: nn.Polynomial, q1: Values, q2: Values, deficit: Values) -> Moments:
    return _polynomial(list(activation.coefficients), q1, q2, deficit)


@moments.register
def _monomial(activation: nn.Monomial, q1: Values, q2: Values, deficit: Values) -> Moments:
    return _polynomial([0.0] * activation.degree + [1.0], q1, q2, deficit)


@moments.register
def _hermite(activation: nn.Hermite, q1: Values, q2: Values, deficit: Values) -> Moments:
    return _polynomial(hermite_powers(activation.degree), q1, q2, deficit)


def hermite_powers(degree: int) -> list[float]:
    """Coefficients of the normalised Hermite polynomial `He_k / sqrt(k!)`, from degree zero up."""
    powers = [0.0] * (degree + 1)
    for i in range(degree // 2 + 1):
        d = degree - 2 * i
        powers[d] = (-1) ** i * math.factorial(degree) / (2**i * math.factorial(i) * math.factorial(d))
    return [p / math.sqrt(math.factorial(degree)) for p in powers]
