"""Exponents of a kernel and of a target: how fast eigenvalues fall, and how smooth the target is beside them."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.nn.fields import as_integer
from nnlimits.validation import check_finite, check_non_negative


class FittedExponent(NamedTuple):
    """An exponent, with the interval of its fit."""

    value: float
    low: float
    high: float


class SourceCondition(NamedTuple):
    """Power laws of eigenvalues and of a target's coefficients.

    `mu_i ~ i^(-capacity)`, and what is left of the target after i eigenfunctions is `sum_(j > i) c_j^2 ~ mu_i^(2
    source)`: the target is `T^s g` of a square-integrable g, with `T` the kernel's integral operator, for s below
    `source`, and in the kernel's Hilbert space if that is above 1/2 (Caponnetto & De Vito 2007; Cui et al. 2021).
    """

    capacity: FittedExponent
    source: FittedExponent
    first: int
    """The first index of the fits, counted from 1."""
    last: int
    """The last."""

    @property
    def noiseless_rate(self) -> float:
        """Test errors without noise fall as `n^(-rate)`: `2 capacity min(source, 1)` (Cui et al. 2021)."""
        return 2 * self.capacity.value * min(self.source.value, 1.0)

    @property
    def noisy_rate(self) -> float:
        """Those beyond the noise, at the best ridge: `2 capacity s / (2 capacity s + 1)` with `s = min(source, 1)`."""
        power = self.noiseless_rate
        return power / (power + 1)


def source_condition(
    eigenvalues: Any,
    coefficients: Any,
    *,
    first: int = 10,
    last: int | None = None,
    remaining: int | float = 0.0,
    noise: int | float = 0.0,
    confidence: int | float = 0.95,
) -> SourceCondition:
    """The capacity and the source exponent, by straight lines through logarithms at indices spread evenly in their logarithm.

    Of an empirical spectrum of n examples trust indices up to n / 10 or so: there eigenvalues are within a third of
    their own, and beyond they fall too fast. Noise of variance `v` on the targets adds `v / n` to each squared
    coefficient, and hides the exponent where that is as much as the rest: give `v / n` as `noise`, and a `last` before it.

    **Arguments:** `eigenvalues`, descending and positive, each as often as it is repeated; `coefficients` of the target,
    one for each, or (r, outputs); `first`, `last`: the range of indices, from 1, all from the tenth on if absent;
    `remaining`, the mean square of the target beyond the coefficients; `noise`, what noise adds to each squared
    coefficient; `confidence`, of the intervals.

    **Returns:** a `SourceCondition`. Intervals are those of the fits, from their scatter: not of a law that is no power.

    **Raises:** `ValueError` for eigenvalues that do not descend, fewer than four points to fit, or a target that is
    hidden by noise.

    """
    values, squares = _checked(eigenvalues, coefficients)
    for name, value in (("remaining", remaining), ("noise", noise)):
        check_non_negative(name, value)
    first, end = as_integer("first", 1, first), len(values) if last is None else as_integer("last", 1, last)
    if not (first + 3 <= end <= len(values)):
        raise ValueError(
            f"first and last must be at least 4 apart, between 1 and the {len(values)} eigenvalues; received {first} and {end}"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1; received {confidence}")
    count = int(min(40, max(4, 12 * np.log10(end / first))))
    indices = np.unique(np.round(np.geomspace(first, end, count)).astype(int))
    left = remaining + np.cumsum((squares - noise)[::-1])[::-1]  # after i - 1 eigenfunctions
    at = indices - 1
    if values[at[-1]] == values[at[0]]:
        raise ValueError(f"eigenvalues {first} to {end} are all equal, and have no exponent; give a wider range")
    if not (left[at] > 0).all():
        raise ValueError(
            f"nothing of the target is left beyond noise after {int(indices[(left[at] > 0).argmin()])} eigenfunctions; give "
            "a smaller last, or what remains beyond the coefficients as remaining"
        )
    capacity = _slope(np.log(indices), -np.log(values[at]), confidence)
    source = _slope(np.log(values[at]), np.log(left[at]), confidence)
    halves = FittedExponent(*(part / 2 for part in source))
    return SourceCondition(capacity, halves, first, end)


def _checked(eigenvalues: Any, coefficients: Any) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
    values, parts = np.asarray(eigenvalues, np.float64), np.asarray(coefficients, np.float64)
    if values.ndim != 1 or parts.ndim not in (1, 2) or len(parts) != len(values):
        raise ValueError(
            f"eigenvalues must be (r,) and coefficients (r,) or (r, outputs); received {values.shape} and {parts.shape}"
        )
    check_finite("eigenvalues", values)
    check_finite("coefficients", parts)
    if not ((values > 0).all() and (np.diff(values) <= 0).all()):
        raise ValueError("eigenvalues must be positive and descend; leave out those that are zero to rounding")
    return values, (parts**2).reshape(len(values), -1).sum(1)


def _slope(x: np.ndarray, y: np.ndarray, confidence: float) -> FittedExponent:
    import scipy.stats

    found = scipy.stats.linregress(x, y)
    spread = float(scipy.stats.t.ppf((1 + confidence) / 2, len(x) - 2)) * found.stderr
    return FittedExponent(float(found.slope), float(found.slope - spread), float(found.slope + spread))
