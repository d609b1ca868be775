"""Learning curves on labelled data: predicted from the spectrum of a sample, and measured."""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from nnlimits.progress import Advance, ignore
from nnlimits.rkhs.empirical_curve import empirical_learning_curve, target_power
from nnlimits.rkhs.evaluation import KernelFunction
from nnlimits.rkhs.learning_curve import LearningCurve, learning_curve
from nnlimits.rkhs.measured_curve import MeasuredCurve, measured_learning_curve
from nnlimits.rkhs.spectrum import EmpiricalSpectrum, empirical_spectrum
from nnlimits.validation import check_finite


class DataCurve(NamedTuple):
    """Test errors of kernel ridge regression on random parts of a sample, summed over outputs."""

    spectrum: EmpiricalSpectrum
    """Of all of the sample, from which errors are predicted."""
    variance: float
    """The mean square of the targets, summed over outputs: the error of predicting zero."""
    ridge: float
    predicted: LearningCurve
    plug_in: LearningCurve
    """With the sample taken for the distribution (Bordelon et al. 2020): too low for sizes near that of the sample."""
    measured: MeasuredCurve

    @property
    def ratios(self) -> Float[np.ndarray, " sizes"]:
        """Predicted over measured."""
        return self.predicted.test / self.measured.mean


def data_learning_curve(
    kernel: KernelFunction,
    x: ArrayLike,
    y: ArrayLike,
    x_test: ArrayLike,
    y_test: ArrayLike,
    sizes: Any,
    *,
    ridge: int | float = 0.0,
    draws: int = 5,
    seed: int = 0,
    advance: Advance = ignore,
) -> DataCurve:
    """Predict the learning curve from the kernel's eigenvalues and the targets' coefficients on a sample, and measure it.

    The prediction sees the labels of the sample, and none of the test examples; training sets are random parts of the
    sample. Test examples must be of the same distribution: those of MNIST's own test file are not, by 15 % of the error
    of its first 2,000.

    **Arguments:** `kernel`; `x`, `y`, the sample; `x_test`, `y_test`; `sizes`, of training sets, below that of the
    sample; `ridge`; `draws`, training sets of each size; `seed`; `advance`, told of each size.

    **Raises:** as `empirical_learning_curve` and `measured_learning_curve`.
    """
    spectrum = empirical_spectrum(kernel, x)
    advance("spectrum")
    targets = np.asarray(y, np.float64)
    predicted = empirical_learning_curve(spectrum, targets, sizes, ridge=ridge)
    power = target_power(spectrum, targets).power
    plug_in = learning_curve(spectrum.eigenvalues, power, sizes, ridge=ridge)
    measured = measured_learning_curve(
        kernel, x, y, x_test, y_test, sizes, ridge=ridge, draws=draws, seed=seed, advance=advance
    )
    variance = float(np.square(targets).reshape(len(targets), -1).sum(1).mean())
    return DataCurve(spectrum, variance, float(ridge), predicted, plug_in, measured)


def standardised_rows(x: Any) -> Float[np.ndarray, "n d"]:
    """Examples as rows of mean zero and unit mean square each, on the sphere of radius sqrt(d).

    **Raises:** `ValueError` for NaN, or an example whose entries are all alike, which has no direction.
    """
    rows = np.asarray(x, np.float64).reshape(len(x), -1)
    check_finite("x", rows)
    rows = rows - rows.mean(1, keepdims=True)
    scale = np.sqrt((rows**2).mean(1, keepdims=True))
    if not (scale > 0).all():
        raise ValueError(f"example {int(np.argmin(scale))} has entries that are all alike, and cannot be standardised")
    return rows / scale
