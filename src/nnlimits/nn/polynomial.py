"""Polynomials."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.nn.activation import SmoothActivation
from nnlimits.nn.fields import Scalar, as_real, integer_field


class Hermite(SmoothActivation):
    """The normalised probabilists' Hermite polynomial `He_k(x) / sqrt(k!)`, k = `degree`.

    These are orthonormal under N(0, 1); the dual of `Hermite(k)` at unit variances and correlation c is `c^k`
    (O'Donnell 2014, Proposition 11.31; Daniely, Frostig & Singer 2016).
    """

    degree: int = integer_field("degree", 0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        previous, current = jnp.zeros_like(x), jnp.ones_like(x)
        for k in range(self.degree):
            previous, current = current, (x * current - math.sqrt(k) * previous) / math.sqrt(k + 1)
        return current


class Monomial(SmoothActivation):
    """`x^degree`."""

    degree: int = integer_field("degree", 0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return x**self.degree


def _as_coefficients(coefficients: Any) -> tuple[Any, ...]:
    try:
        entries = tuple(coefficients)
    except TypeError:
        raise TypeError(f"coefficients must be a sequence of real numbers; received {coefficients!r}") from None
    if not entries:
        raise ValueError("coefficients must hold at least one number; received none")
    return tuple(as_real(f"coefficients[{i}]", entry) for i, entry in enumerate(entries))


class Polynomial(SmoothActivation):
    """`coefficients[0] + coefficients[1] x + coefficients[2] x^2 + ...`."""

    coefficients: tuple[Scalar, ...] = eqx.field(converter=_as_coefficients)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        value = jnp.zeros_like(x)
        for coefficient in reversed(self.coefficients):
            value = value * x + coefficient
        return value
