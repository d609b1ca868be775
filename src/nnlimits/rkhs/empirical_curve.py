"""Learning curves predicted from a sample of data: from the spectrum of the kernel on it and the coefficients of its targets.

A sample's own eigenvalues and coefficients are not those of its distribution: the small eigenvalues are wrong, and
targets that no eigenfunction within reach explains are spread over all of them, as if they could be learnt. What enters
a learning curve is known all the same. With `D_p(kappa) = sum (mu / (mu + kappa))^p` of the distribution and K of a
sample of m, for any ridge

    kappa = 1 / tr (K + ridge)^(-1),      D_1(kappa) = tr K (K + ridge)^(-1),      D_2 = D_1 + kappa D_1'(kappa),

and the leave-one-out error is the test error, `m / (m - D_2)` times what is missed (Jacot et al. 2020; Wei, Hu &
Steinhardt 2022, who take generalized cross-validation, which is too low where examples have unlike leverages, as those
of images have). Read for all ridges, that gives each function of kappa down to `1 / tr K^(-1)`, and so the error of any
n up to m.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float
from scipy.optimize import brentq

from nnlimits.rkhs.evaluation import check_examples
from nnlimits.rkhs.learning_curve import LearningCurve
from nnlimits.rkhs.spectrum import EmpiricalSpectrum
from nnlimits.rkhs.summary import summary
from nnlimits.validation import check_non_negative

_LOWEST = 1e-15
"""The least ridge that is tried, by the largest eigenvalue."""


class TargetPower(NamedTuple):
    """The mean square of targets on a sample, by eigenfunction."""

    power: Float[np.ndarray, " r"]
    """Summed over outputs."""
    unlearnable: float
    """What is beyond the eigenfunctions."""

    def __repr__(self) -> str:
        return summary(self)


def target_power(spectrum: EmpiricalSpectrum, y: ArrayLike) -> TargetPower:
    """The squared coefficients of targets at the points of a spectrum, summed over outputs, and what they leave.

    **Raises:** `ValueError` for targets of another length, or NaN.
    """
    targets = check_examples(spectrum.points, y).targets
    power = np.square(spectrum.coefficients(targets)).sum(1)
    total = float(np.square(targets).sum(1).mean())
    return TargetPower(power, max(0.0, total - float(power.sum())))


def empirical_learning_curve(
    spectrum: EmpiricalSpectrum, y: ArrayLike, sizes: Any, *, ridge: int | float = 0.0
) -> LearningCurve:
    """The learning curve on the distribution that a sample is from, for training sets up to the size of the sample.

    The theory of `learning_curve`, with the distribution's part in it estimated from the sample as the module says; at the
    sample's own size it is the leave-one-out error. To take the sample for the distribution instead, as Bordelon et al. 2020 and
    Simon et al. 2021 do, give its eigenvalues and `target_power` to `learning_curve`: far below its size that is the same,
    and near it far too low.

    **Arguments:** `spectrum`, all of it, from `empirical_spectrum`; `y`, targets at its points, (m,) or (m, outputs); `sizes`, of
    training sets, below m; `ridge`, what is added to the diagonal.

    **Returns:** a `LearningCurve`; errors are summed over outputs, and learnabilities are those of the sample's eigenvectors.

    **Raises:** `ValueError` for targets of another length, a part of a spectrum, sizes that are not below that of the sample, or
    a negative ridge.
    """
    check_non_negative("ridge", ridge)
    if not spectrum.eigenvalues[0] > 0:
        raise ValueError(
            "spectrum has no positive eigenvalue: its kernel is zero on the sample, and nothing can be learnt"
        )
    m, counts = len(spectrum.points), np.atleast_1d(np.asarray(sizes, np.float64))
    if len(spectrum.eigenvalues) < m:
        raise ValueError(
            f"spectrum has {len(spectrum.eigenvalues)} of the {m} eigenvalues; all are needed, from empirical_spectrum"
        )
    if not ((counts > 0) & (counts < m)).all():
        raise ValueError(f"sizes must be positive and below the {m} examples of the sample; received {counts.tolist()}")
    values = spectrum.eigenvalues * m
    targets = check_examples(spectrum.points, y).targets
    found = [_at(spectrum.eigenvectors, values, targets, _ridge_for(values, n, float(ridge))) for n in counts]
    kappa, second, missed = (np.array([one[i] for one in found]) for i in range(3))
    overfitting = counts / (counts - second)
    test = overfitting * missed
    train = (ridge / (counts * kappa)) ** 2 * test
    return LearningCurve(counts, kappa, test, train, np.stack([one[3] for one in found]), overfitting)


def _at(
    vectors: np.ndarray, values: np.ndarray, targets: np.ndarray, ridge: float
) -> tuple[float, float, float, np.ndarray]:
    """`kappa`, `D_2`, what is missed, and the shares of eigenvectors, for the sample with a ridge."""
    m, inverse = len(values), 1 / (values + ridge)
    kappa, learnt = 1 / inverse.sum(), values * inverse
    second = learnt.sum() - (values * inverse**2).sum() / (kappa * (inverse**2).sum())
    weights = vectors @ (inverse[:, None] * (vectors.T @ targets))
    residuals = weights / (np.square(vectors) @ inverse)[:, None]
    return kappa, second, float((residuals**2).sum(1).mean()) * (1 - second / m), learnt


def _ridge_for(values: np.ndarray, n: float, ridge: float) -> float:
    """The ridge at which a sample of all examples has the `kappa` of `n` of them with the ridge that is asked for."""

    def excess(logarithm: float) -> float:
        delta = math.exp(logarithm)
        inverse = 1 / (values + delta)
        return float(values @ inverse) + ridge * float(inverse.sum()) - n

    low = math.log(_LOWEST * values[0])
    if excess(low) <= 0:
        raise ValueError(
            f"the Gram matrix has {int((values > _LOWEST * values[0]).sum())} eigenvalues above rounding, fewer than the {n:g} "
            "examples of a size; give a ridge, or smaller sizes"
        )
    high = math.log(values.sum() + ridge * len(values)) + 1
    while excess(high) >= 0:
        high += 5
    return math.exp(brentq(excess, low, high, xtol=1e-12, rtol=1e-14))
