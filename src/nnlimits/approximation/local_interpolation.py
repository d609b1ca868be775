"""Chebyshev interpolation of a function around each node of a grid, with explicit bounds of its error."""

import math

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.relu_calculus.local_sum import LocalPolynomials
from nnlimits.approximation.target import Target
from nnlimits.progress import Advance, ignore

_BATCH = 2**16

EVALUATION = 8
"""Of how many units in the last place of its largest value f is assumed to be evaluated right."""


def local_interpolants(target: Target, cells: int, order: int, advance: Advance = ignore) -> LocalPolynomials:
    """At each node of the grid of `cells` cells along each axis, the polynomial of degree below `order` in each variable that
    equals f at Chebyshev's points of the neighbouring cells inside the domain.

    Coefficients are those of powers of `t = (x - node) / step`. Takes `(cells + 1)^d order^d` values of f, and tells `advance`
    of each 65,536.
    """
    d, lower, steps = target.domain.dimension, np.asarray(target.domain.lower), target.domain.sides / cells
    local = _points(cells, order)
    along = (np.arange(cells + 1)[:, None] + local).ravel()
    axes = [np.clip(low + along * step, low, low + cells * step) for low, step in zip(lower, steps, strict=True)]
    sizes = (len(along),) * d
    values = []
    for start in range(0, len(along) ** d, _BATCH):
        index = np.unravel_index(np.arange(start, min(start + _BATCH, len(along) ** d)), sizes)
        points = np.stack([axis[i] for axis, i in zip(axes, index, strict=True)], axis=1)
        values.append(target(np.minimum(points, target.domain.upper)))
        advance("values")
    grid = np.concatenate(values).T.reshape(-1, *(cells + 1, order) * d)
    inverse = np.linalg.inv(_vandermonde(local))
    for axis in range(d):  # to coefficients, at each node by the inverse of its own interpolation matrix
        moved = np.moveaxis(grid, (1 + 2 * axis, 2 + 2 * axis), (0, 1))
        solved = np.einsum("mkp,mp...->mk...", inverse, moved)
        grid = np.moveaxis(solved, (0, 1), (1 + 2 * axis, 2 + 2 * axis))
    nodes, powers = range(1, 2 * d + 1, 2), range(2, 2 * d + 1, 2)
    return LocalPolynomials(np.transpose(grid, (0, *nodes, *powers)))


def interpolation_error(
    cells: int, order: int, sides: Float[np.ndarray, " d"], derivative_bounds: Float[np.ndarray, " d"]
) -> float:
    """How far f can be from the local interpolants, weighed by hats, at most.

    With h the side of a cell and F_i a bound of `|d^n f / dx_i^n|`, interpolation along one axis errs by at most
    `h^n F / (2^{n-1} n!)`, and the d interpolations one after another by `sum_i Lambda^{i-1} h_i^n F_i / (2^{n-1} n!)` with
    Lebesgue's constant Lambda, the largest errors first. For n = 1, half of it: at a share s of a cell the hats weigh the
    distance s by 1 - s and 1 - s by s.
    """
    errors = np.sort((sides / cells) ** order * derivative_bounds)[::-1] / (2 ** (order - 1) * math.factorial(order))
    return float(np.sum(errors * lebesgue_constant(order) ** np.arange(len(errors)))) * (0.5 if order == 1 else 1.0)


def lipschitz_error(cells: int, sides: Float[np.ndarray, " d"], lipschitz: float) -> float:
    """The same for n = 1 and a Lipschitz constant in Euclidean distance: `L |h| / 2`.

    The mean square distance to nodes, weighed by hats, is `sum_i h_i^2 s_i (1 - s_i)`.
    """
    return 0.5 * lipschitz * float(np.linalg.norm(sides)) / cells


def interpolation_rounding(cells: int, order: int, dimension: int, largest: float) -> float:
    """How far rounding moves the local interpolants at most, for values of f up to `largest`.

    Values are assumed right to `EVALUATION` units in the last place; sums of `order` terms follow along each axis.
    """
    inverse = np.abs(np.linalg.inv(_vandermonde(_points(cells, order)))).sum(axis=(1, 2)).max()
    return (EVALUATION + 4 * order * dimension) * np.finfo(np.float64).eps * largest * float(inverse) ** dimension


def lebesgue_constant(order: int) -> float:
    """The norm of interpolation at n points of Chebyshev, `(1/n) sum_k cot((2k - 1) pi / 4n)` (Rivlin 1990, equation 1.50)."""
    angles = (2 * np.arange(1, order + 1) - 1) * np.pi / (4 * order)
    return float(np.mean(1 / np.tan(angles)))


def _points(cells: int, order: int) -> Float[np.ndarray, "nodes n"]:
    """Chebyshev's points around each node in units of a cell: on [-1, 1], at the ends on the half inside the domain.

    For n = 1 the node itself, also at the ends.
    """
    if order == 1:
        return np.zeros((cells + 1, 1))
    chebyshev = np.cos((2 * np.arange(order) + 1) * np.pi / (2 * order))
    points = np.tile(chebyshev, (cells + 1, 1))
    points[0], points[-1] = (1 + chebyshev) / 2, (chebyshev - 1) / 2
    return points


def _vandermonde(points: Float[np.ndarray, "nodes n"]) -> Float[np.ndarray, "nodes n n"]:
    return points[..., None] ** np.arange(points.shape[1])
