"""Cosines and sines of many angles, by NumPy: the hot path of Fourier features.

NumPy's own are vectorised in single precision only. In double precision angles are measured in whole turns: then the reduction of
the range is one rounding to an integer and one exact subtraction, and an odd polynomial of a quarter turn is as accurate as the
number type, at twice the speed.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float

_COEFFICIENTS = 9
"""The fewest whose interpolation error, 4e-19, is far below the rounding unit."""


def full_turn(dtype: Any) -> float:
    """The angle of a whole turn, in the unit that the functions below take."""
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
    square, coefficients = u * u, _sine_coefficients()
    value = square * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        value += coefficient
        value *= square
    value += coefficients[0]
    value *= u
    return value


@cache
def _sine_coefficients() -> tuple[float, ...]:
    """Of `sin(2 pi u) / u` in powers of `u^2`, by interpolation at the Chebyshev points of `u^2` in [0, 1/16]."""
    points = np.polynomial.chebyshev.chebpts1(_COEFFICIENTS)
    values = 2 * np.pi * np.sinc(2 * np.sqrt((points + 1) / 32))
    fitted = np.polynomial.chebyshev.chebfit(points, values, _COEFFICIENTS - 1)
    series = np.polynomial.Chebyshev(fitted, domain=[0, 1 / 16])
    return tuple(float(c) for c in series.convert(kind=np.polynomial.Polynomial).coef)
