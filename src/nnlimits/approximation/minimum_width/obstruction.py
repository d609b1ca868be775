"""What no network of width max(d_in, d_out) - 1 can do, whatever its depth and its activation.

With fewer units than inputs, the first layer maps some direction to zero, and the network is constant along it (Lu et al. 2017;
Hanin & Sellke 2017). With fewer units than outputs, the last layer maps into a hyperplane (Park, Yun, Lee & Shin 2021).
"""

import itertools
import math

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.domain import Box
from nnlimits.approximation.target import Target
from nnlimits.nn.fields import as_integer


def bowl(dimension: int) -> Target:
    """`|x|^2` on the cube [-1, 1]^d, which is constant along no line."""
    dimension = as_integer("dimension", 2, dimension)
    lipschitz = 2 * math.sqrt(dimension)
    return Target(lambda x: (x**2).sum(axis=1), Box.cube(dimension, -1.0, 1.0), lipschitz)


def bowl_floor(dimension: int) -> float:
    """A lower bound of the L^2 distance from `bowl` to every function that is constant along a direction.

    On the chord of the unit ball at distance r from the centre, `|x|^2` is `r^2 + t^2` for |t| < h, `h^2 = 1 - r^2`. The
    best constant leaves the variance of t^2, which is 4 h^4 / 45, over a length 2 h; the integral over all chords of one
    direction, divided by the volume of the cube, is the square of the bound. By symmetry it is the same for all directions.
    """
    dimension = as_integer("dimension", 2, dimension)
    across = (dimension - 1) / 2
    chords = (
        math.pi**across * math.gamma(3.5) / math.gamma(3.5 + across)
    )  # of (1 - r^2)^(5/2), over the ball of dimension d - 1
    return math.sqrt(8 / 45 * chords / 2**dimension)


def bowl_sup_floor() -> float:
    """The same in the sup norm: a line through the centre meets values 0 and 1, and no constant is nearer to both than 1/2."""
    return 0.5


def simplex_curve(outputs: int) -> Target:
    """The polygon on [0, 1] from 0 through the unit vectors e_1, e_2, ..., e_d, the corners of a simplex: in no hyperplane."""
    outputs = as_integer("outputs", 2, outputs)

    def curve(t: Float[np.ndarray, "n 1"]) -> Float[np.ndarray, "n outputs"]:
        return np.maximum(0.0, 1 - np.abs(outputs * t - np.arange(1, outputs + 1)))

    return Target(curve, Box((0.0,), (1.0,)), float(outputs))


def simplex_covariance(outputs: int) -> Float[np.ndarray, "outputs outputs"]:
    """The covariance of the curve's point at a uniform time."""
    outputs = as_integer("outputs", 2, outputs)
    squares = np.full(outputs, 2 / 3)
    mean = np.ones(outputs)
    squares[-1], mean[-1] = 1 / 3, 1 / 2  # the last corner is reached, not passed
    neighbours = np.full(outputs - 1, 1 / 6)
    second = np.diag(squares) + np.diag(neighbours, 1) + np.diag(neighbours, -1)
    return second / outputs - np.outer(mean, mean) / outputs**2


def hyperplane_floor(covariance: Float[np.ndarray, "outputs outputs"]) -> float:
    """A lower bound of the L^2 distance, of the worst output, from a function to every one whose values lie in a hyperplane.

    On the hyperplane `a y = b`, `|a|_1` times the worst output's distance is at least the norm of `a f - b`, so at least
    `sqrt(a C a)`, C the covariance of f. The least of `sqrt(a C a) / |a|_1` is `1 / sqrt(s C^-1 s)` for the signs s of a, at
    the worst of all signs.

    **Raises:** `ValueError` if the covariance is not positive definite: then the function lies in a hyperplane itself.
    """
    covariance = np.asarray(covariance, np.float64)
    if np.linalg.eigvalsh(covariance)[0] <= 0:
        raise ValueError(
            "covariance must be positive definite; a function with values in a hyperplane is no obstruction"
        )
    inverse = np.linalg.inv(covariance)
    signs = np.asarray(list(itertools.product((-1.0, 1.0), repeat=len(covariance))))
    return float(1 / math.sqrt(np.einsum("si,ij,sj->s", signs, inverse, signs).max()))


def simplex_sup_floor(outputs: int) -> float:
    """The same for `simplex_curve` in the sup norm.

    With `|a|_1 = 1`, a takes the values 0 and a_i at the corners; they spread over 1 / d at least, whatever the signs, and
    `a y = b` misses one end by half of that.
    """
    return 1 / (2 * as_integer("outputs", 2, outputs))
