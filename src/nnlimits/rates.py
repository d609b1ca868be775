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
    _check(scales, errors, confidence)
    picks = np.random.default_rng(0).integers(0, errors.shape[1], (resamples, *errors.shape))
    return _fitted(scales, errors, picks, confidence)


def fitted_paired_rate(
    scales: Float[np.ndarray, " scales"],
    errors: Float[np.ndarray, "scales problems"],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> FittedRate:
    """As `fitted_rate`, of the same problems at all scales: intervals draw whole problems anew, so that how hard they are is no
    noise.

    **Arguments:** and **Raises:** as `fitted_rate`.
    """
    _check(scales, errors, confidence)
    picks = np.random.default_rng(0).integers(0, errors.shape[1], (resamples, 1, errors.shape[1]))
    return _fitted(scales, errors, np.broadcast_to(picks, (resamples, *errors.shape)), confidence)


def fitted_mean_rate(
    scales: Float[np.ndarray, " scales"],
    values: Float[np.ndarray, "scales seeds"],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> FittedRate:
    """As `fitted_rate`, through the absolute values of means over seeds of values with signs, such as biases.

    Where a mean is less than three of its standard errors, its logarithm is noise, and the slope is NaN.

    **Arguments:** as `fitted_rate`; `values`, of any sign, of two or more seeds.

    **Raises:** `ValueError` for fewer than two scales or seeds, or values that are not finite.
    """
    values = np.asarray(values, np.float64)
    if len(scales) < 2 or values.shape[1] < 2:
        raise ValueError(f"a rate of means needs two or more scales and seeds; received shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1; received {confidence}")
    seeds = values.shape[1]
    means = values.mean(1)
    resolved = np.abs(means) > 3 * values.std(1, ddof=1) / np.sqrt(seeds)
    if not resolved.all():
        return FittedRate(np.nan, np.nan, np.nan, np.nan, np.abs(means), np.full((2, len(scales)), np.nan))
    x, generator = np.log(scales), np.random.default_rng(0)
    drawn = np.stack(
        [np.take_along_axis(values, generator.integers(0, seeds, values.shape), 1).mean(1) for _ in range(resamples)]
    )
    slopes, intercepts = _line(x, np.abs(drawn)[..., None])
    slope, intercept = _line(x, np.abs(means)[:, None])
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(slopes, ends)
    band = np.exp(np.quantile(intercepts[:, None] + slopes[:, None] * x, ends, axis=0))
    return FittedRate(float(slope), float(low), float(high), float(intercept), np.abs(means), band)


def _check(scales: np.ndarray, errors: np.ndarray, confidence: float) -> None:
    if len(scales) < 2:
        raise ValueError(f"a rate needs errors at two or more scales; received {len(scales)}")
    if not (np.isfinite(errors).all() and (errors > 0).all()):
        raise ValueError("errors must be finite and positive, to have logarithms")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1; received {confidence}")


def _fitted(scales: np.ndarray, errors: np.ndarray, picks: np.ndarray, confidence: float) -> FittedRate:
    """Of the bootstrap's `picks` (resamples, scales, seeds)."""
    x = np.log(scales)
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
