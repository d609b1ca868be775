"""Cosines and sines of many angles: the hot path of Fourier features.

NumPy's own are vectorised in single precision only, and XLA's are slow on a processor in either. Measured in whole turns, an
angle is reduced by one rounding to an integer and one exact subtraction; an odd polynomial of a quarter turn is then as accurate
as the number type, at more than twice the speed.
"""

import math
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_COEFFICIENTS = {np.dtype(np.float64): 9}
"""The fewest whose interpolation error is far below the rounding unit: 4e-19 in double precision."""
_COEFFICIENTS_BELOW = 6
"""In single precision and below: 2e-11."""


def full_turn(dtype: Any) -> float:
    """The angle of a whole turn, in the unit that `cosine` and `sine` take."""
    return 1.0 if dtype == np.float64 else 2 * math.pi


def cosine(angle: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """To two rounding units of one; the rounding of an angle of many turns adds `2 pi eps turns`."""
    if angle.dtype != np.float64:
        return np.cos(angle)
    # cos(2 pi r) = sin(2 pi (1/4 - |r|)) for r in [-1/2, 1/2]
    quarter = np.rint(angle)
    np.subtract(angle, quarter, out=quarter)
    np.abs(quarter, out=quarter)
    np.subtract(0.25, quarter, out=quarter)
    return _sine_of_quarter(quarter)


def sine(angle: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The error is that of `cosine`."""
    return np.sin(angle) if angle.dtype != np.float64 else cosine(angle - 0.25)


def _sine_of_quarter(u: np.ndarray) -> np.ndarray:
    """`sin(2 pi u)` for `u` in [-1/4, 1/4], by passes over arrays that stay in the cache."""
    square, coefficients = u * u, _sine_coefficients(_COEFFICIENTS[u.dtype])
    value = square * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        value += coefficient
        value *= square
    value += coefficients[0]
    value *= u
    return value


@jax.custom_jvp
def traced_cosine(turns: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`cos(2 pi turns)` under a JAX transformation; the error is that of `cosine`, and derivatives are exact."""
    quarter = 0.25 - jnp.abs(turns - jnp.round(turns))
    square = quarter * quarter
    coefficients = _sine_coefficients(_COEFFICIENTS.get(np.dtype(turns.dtype), _COEFFICIENTS_BELOW))
    value = square * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        value = value * square + coefficient
    return value * quarter


@jax.custom_jvp
def traced_sine(turns: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`sin(2 pi turns)`; as `traced_cosine`."""
    # the shift by a quarter is of the reduced angle, where it is exact
    return traced_cosine((turns - jnp.round(turns)) - 0.25)


@traced_cosine.defjvp
def _cosine_jvp(primals: Any, tangents: Any) -> Any:
    return traced_cosine(primals[0]), -2 * math.pi * traced_sine(primals[0]) * tangents[0]


@traced_sine.defjvp
def _sine_jvp(primals: Any, tangents: Any) -> Any:
    return traced_sine(primals[0]), 2 * math.pi * traced_cosine(primals[0]) * tangents[0]


@cache
def _sine_coefficients(count: int) -> tuple[float, ...]:
    """Of `sin(2 pi u) / u` in powers of `u^2`, by interpolation at the Chebyshev points of `u^2` in [0, 1/16]."""
    points = np.polynomial.chebyshev.chebpts1(count)
    values = 2 * np.pi * np.sinc(2 * np.sqrt((points + 1) / 32))
    fitted = np.polynomial.chebyshev.chebfit(points, values, count - 1)
    series = np.polynomial.Chebyshev(fitted, domain=[0, 1 / 16])
    return tuple(float(c) for c in series.convert(kind=np.polynomial.Polynomial).coef)
