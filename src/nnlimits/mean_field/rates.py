"""Power laws fitted to errors of several runs, with bootstrap bands."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class FittedRate(NamedTuple):
    """`error ~ exp(intercept) scale^slope`, with the band that holds a share of the bootstrap's fits."""

    slope: float
    low: float
    """The lower end of the slope's confidence interval."""
    high: float
    """The upper end."""
    intercept: float
    errors: Float[np.ndarray, " scales"]
    """The root mean square over seeds at each scale."""
    band: Float[np.ndarray, "2 scales"]
    """The lower and upper ends of the confidence intervals of the fitted line."""


def fitted_rate(
    scales: Float[np.ndarray, " scales"],
    errors: Float[np.ndarray, "scales seeds"],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> FittedRate:
    """Least squares in logarithms through root mean squares over seeds; seeds are drawn anew at each scale for the intervals.

    **Arguments:** `scales`, two or more; `errors`, of independent seeds; `confidence`, that of the intervals, between 0 and 1;
    `resamples`, of the bootstrap, which always draws the same.

    **Raises:** `ValueError` for fewer than two scales, errors that are not positive, or a confidence out of range.
    """
    if len(scales) < 2:
        raise ValueError(f"a rate needs errors at two or more scales; received {len(scales)}")
    if not (np.isfinite(errors).all() and (errors > 0).all()):
        raise ValueError("errors must be finite and positive, to have logarithms")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1; received {confidence}")
    x = np.log(scales)
    seeds = errors.shape[1]
    picks = np.random.default_rng(0).integers(0, seeds, (resamples, *errors.shape))
    drawn = np.take_along_axis(np.broadcast_to(errors, picks.shape), picks, -1)
    slopes, intercepts = _line(x, drawn)
    slope, intercept = _line(x, errors)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(slopes, ends)
    band = np.exp(np.quantile(intercepts[:, None] + slopes[:, None] * x, ends, axis=0))
    mean = np.sqrt(np.square(errors).mean(-1))
    return FittedRate(float(slope), float(low), float(high), float(intercept), mean, band)


def _line(x: np.ndarray, errors: np.ndarray) -> tuple[Any, Any]:
    """Slope and intercept through the logarithms of root mean squares over the last axis."""
    y = np.log(np.square(errors).mean(-1)) / 2
    centred = x - x.mean()
    slope = y @ centred / (centred @ centred)
    return slope, y.mean(-1) - slope * x.mean()
