"""Learning curves predicted from a sample of data: from the spectrum of the kernel on it and the coefficients of its targets."""

from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from nnlimits.predict.training_set import training_set
from nnlimits.rkhs.learning_curve import LearningCurve, learning_curve
from nnlimits.rkhs.spectrum import EmpiricalSpectrum


class TargetPower(NamedTuple):
    """The mean square of targets on a sample, by eigenfunction."""

    power: Float[np.ndarray, " r"]
    """Summed over outputs."""
    unlearnable: float
    """What is beyond the eigenfunctions."""


def target_power(spectrum: EmpiricalSpectrum, y: ArrayLike) -> TargetPower:
    """The squared coefficients of targets at the points of a spectrum, summed over outputs, and what they leave.

    **Raises:** `ValueError` for targets of another length, or NaN.
    """
    data = training_set(spectrum.points, np.asarray(y, np.float64))
    power = np.square(spectrum.coefficients(data.y)).sum(1)
    total = float(np.square(np.asarray(data.y)).sum(1).mean())
    return TargetPower(power, max(0.0, total - float(power.sum())))


def empirical_learning_curve(
    spectrum: EmpiricalSpectrum, y: ArrayLike, sizes: Any, *, ridge: int | float = 0.0
) -> LearningCurve:
    """`learning_curve` for the distribution that a sample is from, taken to be the sample (Bordelon et al. 2020; Simon et al. 2021).

    The sample knows the small eigenvalues badly, and what noise its labels have is in their coefficients, as if it could be learnt in
    the end: predictions hold for sizes far below that of the sample, and near it are too low. Errors are summed over outputs.

    **Arguments:** `spectrum`, from `empirical_spectrum` on all of the sample, or its leading part, the rest of which acts as
    ridge; `y`, targets at its points, (n,) or (n, outputs); `sizes`, of training sets, below n; `ridge`.

    **Raises:** `ValueError` for targets of another length, sizes that are not below that of the sample, or as `learning_curve`.
    """
    counts = np.atleast_1d(np.asarray(sizes, np.float64))
    n = len(spectrum.points)
    if counts.max() >= n:
        raise ValueError(
            f"sizes must be below the {n} examples that the spectrum is from, and far below to be trusted; received "
            f"{counts.max():g}"
        )
    found = target_power(spectrum, y)
    return learning_curve(
        spectrum.eigenvalues, found.power, counts, tail=spectrum.tail, unlearnable=found.unlearnable, ridge=ridge
    )
