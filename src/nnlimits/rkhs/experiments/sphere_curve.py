"""Learning curves on spheres: predicted from Mercer's eigenvalues, and measured."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnlimits.nn.fields import as_integer
from nnlimits.progress import Advance, ignore
from nnlimits.rkhs.evaluation import KernelFunction, seeded
from nnlimits.rkhs.experiments.random_harmonics import random_harmonics
from nnlimits.rkhs.learning_curve import LearningCurve, zonal_learning_curve
from nnlimits.rkhs.measured_curve import MeasuredCurve, measured_learning_curve
from nnlimits.rkhs.mercer import MercerSpectrum, mercer


class SphereCurve(NamedTuple):
    """Test errors of kernel ridge regression on uniform inputs of a sphere, with the noise of the test targets."""

    spectrum: MercerSpectrum
    power: Float[np.ndarray, " k"]
    """The mean square of targets by degree."""
    noise: float
    ridge: float
    predicted: LearningCurve
    measured: MeasuredCurve
    """Of samples that share nothing: inputs, targets and test inputs are new in each."""

    @property
    def ratios(self) -> Float[np.ndarray, " sizes"]:
        """Predicted over measured."""
        return self.predicted.test / self.measured.mean


def sphere_learning_curve(
    kernel: KernelFunction,
    dimension: int,
    power: Any,
    sizes: Any,
    *,
    ridge: int | float = 0.0,
    noise: int | float = 0.0,
    draws: int = 8,
    tests: int = 2000,
    degrees: int = 40,
    seed: int = 0,
    advance: Advance = ignore,
) -> SphereCurve:
    """Kernel ridge regression on targets of random spherical harmonics, and what the spectrum predicts of it.

    **Arguments:** `kernel`, zonal; `dimension`, d; `power`, the targets' mean square by degree; `sizes`, of training
    sets; `ridge`, `noise`, as of `learning_curve`; `draws`, samples, at least 2; `tests`, test inputs of each;
    `degrees`, of the spectrum; `seed`; `advance`, told of each sample.

    **Raises:** as `mercer`, `zonal_learning_curve` and `measured_learning_curve`.
    """
    counts = np.atleast_1d(np.asarray(sizes))
    repeats, number = as_integer("draws", 2, draws), as_integer("tests", 1, tests)
    spectrum = mercer(kernel, dimension, degrees)
    predicted = zonal_learning_curve(spectrum, power, counts, noise=noise, ridge=ridge)
    advance("spectrum")
    generator, found = seeded(seed), []
    for i in range(repeats):
        target = random_harmonics(dimension, power, generator)
        x, test = (_uniform(generator, n, spectrum) for n in (int(counts.max()), number))
        y = target(x) + math.sqrt(noise) * generator.standard_normal(len(x))
        # two subsets of each sample: of small sizes they have little in common
        found.append(
            measured_learning_curve(kernel, x, y, test, target(test), counts, ridge=ridge, draws=2, seed=seed + i)
        )
        advance(f"sample {i + 1} of {repeats}")
    test = np.stack([one.test.mean(1) for one in found], 1) + noise
    train = np.stack([one.train.mean(1) for one in found], 1)
    measured = MeasuredCurve(counts.astype(float), test, train)
    return SphereCurve(spectrum, np.asarray(power, np.float64), float(noise), float(ridge), predicted, measured)


def _uniform(generator: np.random.Generator, n: int, spectrum: MercerSpectrum) -> Float[np.ndarray, "n d"]:
    x = generator.standard_normal((n, spectrum.dimension))
    return spectrum.radius * x / np.linalg.norm(x, axis=1, keepdims=True)
