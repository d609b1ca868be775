"""Deep ReLU networks on smooth, kinked, oscillating and discontinuous functions, and the rates of their errors."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from nnlimits.approximation.approximation import Approximation
from nnlimits.approximation.local_interpolation import interpolation_error
from nnlimits.approximation.piecewise_polynomial import PiecewisePolynomial
from nnlimits.approximation.piecewise_polynomial_network import approximate_piecewise_polynomial
from nnlimits.approximation.size import Size, size
from nnlimits.approximation.yarotsky import yarotsky
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate


class ReluRow(NamedTuple):
    """A target, its network, and how far apart they are."""

    target: str
    """The function, in words."""
    dimension: int
    """Its number of inputs."""
    approximation: Approximation
    """The network with its certificate."""
    size: Size
    """Its counts."""


class ReluRate(NamedTuple):
    """Errors of one function against the size of its networks."""

    dimension: int
    """d, the number of inputs."""
    order: int
    """n, that of the derivatives used."""
    rows: tuple[ReluRow, ...]
    """A network for each grid."""
    cells: FittedRate
    """Of the measured error against cells along each axis; promised is -n."""
    weights: FittedRate
    """The same against non-zero weights, of the finer half of the grids; promised is -n / d, once grids outweigh products."""


class ReluExperiment(NamedTuple):
    """What `relu_networks` returns."""

    rows: tuple[ReluRow, ...]
    rates: tuple[ReluRate, ...]

    @property
    def holds(self) -> bool:
        """Whether every measured error is below its certificate."""
        every = [*self.rows, *(row for rate in self.rates for row in rate.rows)]
        return all(row.approximation.holds for row in every)


class _Case(NamedTuple):
    name: str
    function: Callable[[Any], Any]
    domain: Any
    claim: dict[str, Any]
    tolerance: float


_CASES = (
    _Case("smooth: sin(3 x)", lambda x: jnp.sin(3 * x[:, 0]), (0, 1), {"order": 4, "derivative_bound": 81.0}, 1e-6),
    _Case("kinked: |x - 0.3|", lambda x: jnp.abs(x[:, 0] - 0.3), (0, 1), {"lipschitz": 1.0}, 1e-2),
    _Case(
        "kinked derivative: x |x|",
        lambda x: x[:, 0] * jnp.abs(x[:, 0]),
        (-1, 1),
        {"order": 2, "derivative_bound": 2.0},
        1e-4,
    ),
    _Case(
        "oscillating: sin(40 x)",
        lambda x: jnp.sin(40 * x[:, 0]),
        (0, 1),
        {"order": 5, "derivative_bound": 40.0**5},
        1e-4,
    ),
    _Case(
        "smooth: exp(-x - y)", lambda x: jnp.exp(-x.sum(1)), [(0, 1)] * 2, {"order": 4, "derivative_bound": 1.0}, 1e-5
    ),
    _Case("kinked: |(x, y)|", lambda x: jnp.sqrt((x**2).sum(1)), [(-1, 1)] * 2, {"lipschitz": 1.0}, 5e-2),
    _Case(
        "oscillating: sin(9 x + 5 y)",
        lambda x: jnp.sin(9 * x[:, 0] + 5 * x[:, 1]),
        [(0, 1)] * 2,
        {"order": 4, "derivative_bound": (9.0**4, 5.0**4)},
        1e-3,
    ),
    _Case(
        "smooth: sin(x + y + z)", lambda x: jnp.sin(x.sum(1)), [(0, 1)] * 3, {"order": 3, "derivative_bound": 1.0}, 1e-3
    ),
    _Case(
        "kinked: |(x, y, z) - c|", lambda x: jnp.sqrt(((x - 0.4) ** 2).sum(1)), [(0, 1)] * 3, {"lipschitz": 1.0}, 0.1
    ),
    _Case("kinked: max |x_i - 0.4|", lambda x: jnp.abs(x - 0.4).max(1), [(0, 1)] * 4, {"lipschitz": 1.0}, 0.25),
    _Case(
        "smooth: exp(-sum x_i / 2)",
        lambda x: jnp.exp(-x.sum(1) / 2),
        [(0, 1)] * 4,
        {"order": 2, "derivative_bound": 0.25},
        0.1,
    ),
    _Case("kinked: |sum x_i - 2| / 2.5", lambda x: jnp.abs(x.sum(1) - 2) / 2.5, [(0, 1)] * 6, {"lipschitz": 1.0}, 0.7),
)

_SPLINE = PiecewisePolynomial([-1, 0, 1, 2], [[0, 1, 1], [0, 1, -2, 1], [1, -1]])
_JUMPS = PiecewisePolynomial([-1, 0, 1, 2], [[0, 1, 1], [1, 1, -2, 1], [0, -1]])

_RATES = (
    (1, 2, (8, 32, 128, 512, 1024, 2048)),
    (1, 3, (8, 32, 128, 256, 512)),
    (1, 4, (4, 8, 16, 32, 64, 128)),
    (2, 2, (5, 10, 20, 40, 80)),
    (2, 3, (5, 10, 20, 40, 80)),
)
"""Dimension, order, and cells along each axis."""


def relu_networks(*, advance: Advance = ignore) -> ReluExperiment:
    """Yarotsky's theorem and that of piecewise polynomials on fourteen targets in one to six dimensions, and fitted rates.

    **Arguments:** `advance`, told of each network.
    """
    rows = []
    for case in _CASES:
        rows.append(_row(case.name, yarotsky(case.function, case.domain, tolerance=case.tolerance, **case.claim)))
        advance(case.name)
    rows.append(_row("piecewise cubic, continuous", approximate_piecewise_polynomial(_SPLINE, tolerance=1e-6)))
    rows.append(_row("piecewise cubic with jumps", approximate_piecewise_polynomial(_JUMPS, tolerance=1e-3, p=2.0)))
    advance("piecewise polynomials")
    return ReluExperiment(tuple(rows), tuple(relu_rate(*one, advance=advance) for one in _RATES))


def relu_rate(dimension: int, order: int, cells: tuple[int, ...], *, advance: Advance = ignore) -> ReluRate:
    """Errors of `sin(3 (x_1 + ... + x_d) / sqrt(d))` on the unit cube for several grids, with their fitted rates.

    **Arguments:** `dimension`, d; `order`, n, at least 2; `cells`, along each axis, three numbers or more; `advance`, told of
    each.
    """
    frequency = 3 / np.sqrt(dimension)
    rows = []
    for count in cells:
        # the tolerance of which interpolation on that grid takes nine tenths, up to rounding
        tolerance = _tolerance(dimension, order, count, frequency**order)
        approximation = yarotsky(
            lambda x: jnp.sin(frequency * x.sum(1)),
            [(0, 1)] * dimension,
            tolerance=tolerance,
            order=order,
            derivative_bound=float(frequency**order),
        )
        rows.append(_row(f"{count} cells", approximation))
        advance(f"{dimension} dimensions, order {order}, {count} cells")
    errors = np.array([row.approximation.error.sup for row in rows])[:, None]
    sizes = np.array([row.size.nonzero for row in rows], np.float64)
    found = np.array([row.approximation.certificate.constants["cells"] for row in rows])
    finer = len(rows) // 2
    return ReluRate(
        dimension, order, tuple(rows), fitted_rate(found, errors), fitted_rate(sizes[finer:], errors[finer:])
    )


def _tolerance(dimension: int, order: int, cells: int, derivative_bound: float) -> float:
    """The tolerance for which `yarotsky` takes so many cells on the unit cube."""
    bounds = np.full(dimension, derivative_bound)
    return interpolation_error(cells, order, np.ones(dimension), bounds) / 0.9 * (1 + 1e-9)


def _row(name: str, approximation: Approximation) -> ReluRow:
    return ReluRow(name, approximation.target.domain.dimension, approximation, size(approximation))
