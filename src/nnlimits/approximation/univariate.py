"""Functions of one variable by units of one hidden layer, for each shape of an activation."""

import abc
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from nnlimits.approximation.activation_shapes import Bump, Jump, Kink, Power, Ramp
from nnlimits.approximation.ridges import Ridges

Values = Callable[[Float[np.ndarray, " n"]], Float[np.ndarray, "n outputs"]]

_SHARPNESS = 1024.0
"""How many scales of a smooth kink or step fit into one cell."""

_BUMP_DEVIATION = 0.9
"""Standard deviation of a bump, in cells: its sums over the grid are then constant to `_RIPPLE`."""

_BUMP_REACH = 8
"""Standard deviations beyond the interval up to which bumps are placed."""

_RIPPLE = 2.4e-7
"""Above `2 exp(-2 pi^2 0.9^2)`, the next term of the sum included (Poisson summation)."""

_SECOND_RIPPLE = 8e-6
"""The same for second moments: above `2 (2 pi 0.9)^2 exp(-2 pi^2 0.9^2)`."""


class Univariate(abc.ABC):
    """Approximates functions on an interval, cut into cells of equal length.

    **Arguments of its methods:** `cells`, how many; `length`, of the interval; `lipschitz`, a constant of the function;
    `curvature`, a bound of its second derivative, or infinity.
    """

    theorem: str
    """Where the bound comes from."""
    order: int
    """The bound falls as this power of the length of a cell, if the function is smooth enough."""
    fewest_cells: int = 1

    def units(self, cells: int) -> int:
        """How many units."""
        return cells

    @abc.abstractmethod
    def bound(self, cells: int, length: float, lipschitz: float, curvature: float) -> float:
        """Of the largest distance."""

    @abc.abstractmethod
    def ridges(self, values: Values, low: float, high: float, cells: int) -> Ridges:
        """The units, with one input."""


class ByKinks(Univariate):
    """Piecewise linear interpolation: `L h / 2`, and `M h^2 / 8` (de Boor 1978, theorem II.1 and equation II.7).

    One unit bends the line at each node inside, and one with its kink outside is the line. A smooth kink, sharpened by k, differs
    from the sharp one by `tail(k |x|) / k`; the slope changes at a node by at most `min(2 L, M h)`.
    """

    theorem = "Piecewise linear interpolation by one hidden layer (de Boor 1978, chapter II; Pinkus 1999, section 3)"
    order = 2

    def __init__(self, kink: Kink) -> None:
        self._kink = kink
        self._sharpness = 1.0 if kink.tail is None else _SHARPNESS

    def bound(self, cells: int, length: float, lipschitz: float, curvature: float) -> float:  # noqa: D102
        h = length / cells
        exact = min(lipschitz * h / 2, curvature * h**2 / 8)
        if self._kink.tail is None:
            return exact
        bend = min(2 * lipschitz, curvature * h) / abs(self._kink.right - self._kink.left)
        steepest = max(abs(self._kink.left), abs(self._kink.right))
        line = (lipschitz + abs(self._kink.left) * cells * bend) / steepest
        near = 2 * float(np.sum(self._kink.tail(_SHARPNESS * np.arange(cells + 1))))
        far = float(self._kink.tail(np.asarray(_SHARPNESS)))
        return exact + (bend * near + line * far) * h / _SHARPNESS

    def ridges(self, values: Values, low: float, high: float, cells: int) -> Ridges:  # noqa: D102
        nodes = np.linspace(low, high, cells + 1)
        h = (high - low) / cells
        y = values(nodes)
        slopes = np.diff(y, axis=0) / h
        left, right = self._kink.left, self._kink.right
        bends = np.diff(slopes, axis=0) / (right - left)
        outer = max(left, right, key=abs)
        # the unit that is a line has its kink one cell outside, on the side where it then has its larger slope
        place = low - h if outer == right else high + h
        line = (slopes[:1] - left * bends.sum(axis=0)) / outer
        places = np.concatenate([[place], nodes[1:-1]])
        coefficients = np.concatenate([line, bends])
        sharp = self._sharpness / h if self._kink.tail is not None else 1.0
        apart = low - places
        at_low = np.where(apart < 0, left, right) * apart + self._kink.level / sharp
        return Ridges(
            np.full((1, cells), sharp),
            self._kink.at - sharp * places,
            coefficients / sharp,
            y[0] - at_low @ coefficients,
        )


class ByRamps(Univariate):
    """The same interpolation, by ramps from node to node."""

    theorem = ByKinks.theorem
    order = 2

    def __init__(self, ramp: Ramp) -> None:
        self._ramp = ramp

    def bound(self, cells: int, length: float, lipschitz: float, curvature: float) -> float:  # noqa: D102
        h = length / cells
        return min(lipschitz * h / 2, curvature * h**2 / 8)

    def ridges(self, values: Values, low: float, high: float, cells: int) -> Ridges:  # noqa: D102
        nodes = np.linspace(low, high, cells + 1)
        y = values(nodes)
        slope = (self._ramp.high - self._ramp.low) * cells / (high - low)
        biases = self._ramp.low - slope * nodes[:-1]
        rises = np.diff(y, axis=0) / 2
        return Ridges(np.full((1, cells), slope), biases, rises, y[0] + rises.sum(axis=0))


class BySteps(Univariate):
    """Sums of steepened steps between the values at the middles of cells (Cybenko 1989; Pinkus 1999, proposition 3.3).

    With S the activation scaled to run from 0 to 1, the sum is the mean of the values at the cell of `x - xi / k`, where xi
    has the distribution function S (a signed one if S is not monotone), k the steepness; cells beyond the ends count as the
    last ones. A cell's middle is within `h / 2 + |xi| / k` of x, so the error is at most `L (V h / 2 + E|xi| / k)`.
    """

    theorem = "Sums of sigmoidal steps by one hidden layer (Cybenko 1989; Pinkus 1999, proposition 3.3)"
    order = 1
    fewest_cells = 2

    def __init__(self, jump: Jump) -> None:
        self._jump = jump

    def units(self, cells: int) -> int:  # noqa: D102
        return cells - 1

    def bound(self, cells: int, length: float, lipschitz: float, curvature: float) -> float:  # noqa: D102
        return lipschitz * length / cells * (self._jump.variation / 2 + self._jump.moment / _SHARPNESS)

    def ridges(self, values: Values, low: float, high: float, cells: int) -> Ridges:  # noqa: D102
        h = (high - low) / cells
        y = values(low + h * (np.arange(cells) + 0.5))
        places = low + h * np.arange(1, cells)
        rises = np.diff(y, axis=0) / (self._jump.right - self._jump.left)
        sharp = _SHARPNESS / h
        constant = y[0] - self._jump.left * rises.sum(axis=0)
        return Ridges(np.full((1, cells - 1), sharp), -sharp * places, rises, constant)


class ByBumps(Univariate):
    """Sums of Gaussian bumps, one a cell and some beyond the ends, where the function is continued by its last value.

    With p_j(x) the bump of node x_j times its cell, `sum_j p_j = 1` and `sum_j p_j (x - x_j)^2 = s^2` to relative ripples
    that Poisson summation bounds (Maz'ya & Schmidt 2007, section 2.2), s the standard deviation. The error is at most `L s`
    by the inequality of Cauchy and Schwarz, and the ripple of 1 times the range of the function.
    """

    theorem = "Approximate approximations by Gaussian bumps (Maz'ya & Schmidt 2007, section 2.2)"
    order = 1

    def __init__(self, bump: Bump) -> None:
        self._bump = bump

    def units(self, cells: int) -> int:  # noqa: D102
        return cells + 2 * self._beyond

    @property
    def _beyond(self) -> int:
        return math.ceil(_BUMP_REACH * _BUMP_DEVIATION)

    def bound(self, cells: int, length: float, lipschitz: float, curvature: float) -> float:  # noqa: D102
        deviation = _BUMP_DEVIATION * length / cells
        near = lipschitz * deviation * math.sqrt((1 + _RIPPLE) * (1 + _SECOND_RIPPLE))
        # values are taken from that at the middle, so that they are at most L length / 2; 1e-14 is above the bumps left out
        return near + (_RIPPLE + 1e-14) * lipschitz * length / 2

    def ridges(self, values: Values, low: float, high: float, cells: int) -> Ridges:  # noqa: D102
        h = (high - low) / cells
        nodes = low + h * (np.arange(-self._beyond, cells + self._beyond) + 0.5)
        middle = values(np.array([(low + high) / 2]))[0]
        y = values(np.clip(nodes, low, high)) - middle
        deviation = _BUMP_DEVIATION * h
        sharp = self._bump.deviation / deviation
        weight = h / (math.sqrt(2 * math.pi) * deviation * self._bump.height)
        return Ridges(np.full((1, len(nodes)), sharp), -sharp * nodes, weight * y, middle)


class ByPowers(Univariate):
    """B-splines of equal cells, as differences of truncated powers; beyond the ends the function is continued by its last value.

    A B-spline of degree k over k + 2 nodes is the density of a sum of k + 1 uniform numbers, of variance `(k + 1) h^2 / 12`: the
    splines are not negative and sum to one, so that the error is at most `L h sqrt((k + 1) / 12)` (Schoenberg 1946; de Boor
    1978, chapter IX).
    """

    theorem = "Variation-diminishing splines by truncated powers (Schoenberg 1946; de Boor 1978, chapter IX)"
    order = 1

    def __init__(self, power: Power) -> None:
        self._degree = power.degree

    def units(self, cells: int) -> int:  # noqa: D102
        # the splines that meet the interval are cells + k; truncated powers from the last node on vanish on it
        return cells + self._degree

    def bound(self, cells: int, length: float, lipschitz: float, curvature: float) -> float:  # noqa: D102
        return lipschitz * length / cells * math.sqrt((self._degree + 1) / 12)

    def ridges(self, values: Values, low: float, high: float, cells: int) -> Ridges:  # noqa: D102
        k = self._degree
        h = (high - low) / cells
        first = np.arange(-k, cells)  # the first node of each spline, in cells
        middle = values(np.array([(low + high) / 2]))[0]
        y = values(np.clip(low + h * (first + (k + 1) / 2), low, high)) - middle
        signs = [(-1) ** i * math.comb(k + 1, i) / math.factorial(k) for i in range(k + 2)]
        coefficients = np.stack([np.convolve(column, signs)[: len(first)] for column in y.T], axis=1)
        return Ridges(np.full((1, len(first)), 1 / h), -(low / h + first), coefficients, middle)


@functools.singledispatch
def univariate(shape: Any) -> Univariate | None:
    """The construction for a shape; None where there is none."""
    del shape
    return None


univariate.register(Kink, ByKinks)
univariate.register(Ramp, ByRamps)
univariate.register(Jump, BySteps)
univariate.register(Bump, ByBumps)
univariate.register(Power, ByPowers)
