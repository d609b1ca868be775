"""Correlations in an infinitely deep network of shaped rectifiers, in the limit of infinite width first: a flow in closed form.

A share `ds` of all layers adds `strength / (2 pi) (sin(theta) - theta cos(theta)) ds` to the correlation `cos(theta)` of two
inputs, with `strength = (c_plus - c_minus)^2` (Li, Nica & Roy 2022, at infinite width first). In the angle this is
`d theta / ds = -strength / (2 pi) (1 - theta cot(theta))`, so that

    Phi(theta(s)) = Phi(theta(0)) + strength s / (2 pi),    Phi(theta) = integral from theta to pi of d phi / (1 - phi cot(phi)),

and as `Phi` has no parameters, it and its inverse are found once and for all: `theta Phi(theta)` is analytic on [0, pi], and the
inverse is `(1 - v)^2` times an analytic function of `v = sqrt(Phi) / (1 + sqrt(Phi))` in [0, 1].
"""

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.kernels.angles import arc_cosine_deficits

Values = Float[Array, "..."]

_DEGREES = {"product": 26, "inverse": 46, "ratio": 16}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(60)
_NEAR_PI = 2.0
"""Up to this distance from pi, `Phi` is integrated as it stands."""


@jax.custom_jvp
def shaped_flow(deficit: Values, strength: Values) -> Values:
    """One minus the correlation, after all layers, from that before. Exact to rounding, relative to itself, for any strength."""
    angle = math.pi * arc_cosine_deficits(deficit)[1]
    product = _series("product", angle, math.pi)  # theta Phi, which is 3 at angle zero
    inverse = angle / (product + angle * strength / (2 * math.pi))
    root = jnp.sqrt(jnp.where(inverse > 0, inverse, 1.0))
    far = jnp.where(inverse > 0, root / (1 + root), 0.0)
    return 2 * jnp.sin(far**2 * _series("inverse", 1 - far, 1.0) / 2) ** 2


@shaped_flow.defjvp
def _(primals, tangents):
    """The flow carries its own velocity along, so that its derivative is the ratio of those after and before."""
    (deficit, strength), (d_deficit, d_strength) = primals, tangents
    after = shaped_flow(deficit, strength)
    start, end = velocity(deficit), velocity(after)
    ratio = jnp.where(start > 0, end / jnp.where(start > 0, start, 1.0), 1.0)
    return after, ratio * d_deficit - end * d_strength


def velocity(deficit: Values) -> Values:
    """`(sin(theta) - theta cos(theta)) / (2 pi)`, for `cos(theta) = 1 - deficit`: how fast deficits shrink, at unit strength."""
    angle = math.pi * arc_cosine_deficits(deficit)[1]
    return angle**3 * _series("ratio", angle, math.pi) / (2 * math.pi)


def _series(name: str, x: Values, end: float) -> Values:
    """A Chebyshev series on [0, end] (Clenshaw)."""
    y = x * (2 / end) - 1
    first = second = jnp.zeros_like(y)
    coefficients = _coefficients(name)
    for c in coefficients[:0:-1]:
        first, second = 2 * y * first - second + np.asarray(c, y.dtype), first
    return y * first - second + np.asarray(coefficients[0], y.dtype)


@cache
def _coefficients(name: str) -> tuple[float, ...]:
    """Of the interpolants through Chebyshev points."""
    functions = {"product": _product, "inverse": _inverse, "ratio": _ratio}
    degree = _DEGREES[name]
    points = np.polynomial.chebyshev.chebpts1(degree + 1)
    end = 1.0 if name == "inverse" else math.pi
    return tuple(
        float(c) for c in np.polynomial.chebyshev.chebfit(points, functions[name]((points + 1) / 2 * end), degree)
    )


def _bessel(order: int, x: np.ndarray) -> np.ndarray:
    """The spherical Bessel function `j_n(x) / x^n`, by its series: up to pi it does not cancel by more than a digit."""
    term = np.full_like(x, 1 / np.prod(np.arange(1.0, 2 * order + 2, 2)))
    total = np.zeros_like(x)
    for k in range(1, 24):
        total = total + term
        term = term * -(x**2) / (2 * k * (2 * k + 2 * order + 1))
    return total


def _ratio(angle: np.ndarray) -> np.ndarray:
    """`(sin(theta) - theta cos(theta)) / theta^3`."""
    return _bessel(1, angle)


def _near(supplement: np.ndarray) -> np.ndarray:
    """`Phi` by the distance of the angle from pi, where that is not above `_NEAR_PI`."""
    x = supplement[..., None] * (_NODES + 1) / 2
    return supplement / 2 * ((np.sin(x) / (np.sin(x) + (math.pi - x) * np.cos(x))) @ _WEIGHTS)


def _product(angle: np.ndarray) -> np.ndarray:
    """`theta Phi(theta)`. As `1 / (1 - x cot x) = 3 / x^2 - j_2 / (x j_1)`, whose second part is smooth, nothing is singular."""
    start = math.pi - _NEAR_PI
    x = angle[..., None] + (start - angle)[..., None] * (_NODES + 1) / 2
    smooth = (start - angle) / 2 * ((_bessel(2, x) / _bessel(1, x)) @ _WEIGHTS)
    return 3 + angle * (_near(np.asarray([_NEAR_PI]))[0] - 3 / start - smooth)


def _inverse(v: np.ndarray) -> np.ndarray:
    """`theta / (1 - v)^2`, where `sqrt(Phi(theta)) = v / (1 - v)`."""
    wanted = (v / (1 - v)) ** 2
    far = wanted > _near(np.asarray([_NEAR_PI]))[0]
    supplement = _rising_root(_near, np.where(far, 0.0, wanted), _NEAR_PI)
    # by 1 / theta, in which Phi is nearly linear
    reciprocal = _rising_root(lambda r: r * _product(1 / np.maximum(r, 1e-3)), np.where(far, wanted, 1.0), 1e9)
    return np.where(far, 1 / reciprocal, math.pi - supplement) / (1 - v) ** 2


def _rising_root(function, wanted: np.ndarray, end: float) -> np.ndarray:
    """Where in [0, end] an increasing function has the wanted values, by bisection."""
    low, high = np.zeros_like(wanted), np.full_like(wanted, end)
    for _ in range(120):
        middle = (low + high) / 2
        above = function(middle) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2
