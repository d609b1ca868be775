"""Lazy, catapult, divergent: what the curvature at initialization says of a learning rate."""

from typing import NamedTuple

from jaxtyping import PRNGKeyArray

from nnlimits.training.curvature import gauss_newton_product, hessian_product, leading_pairs
from nnlimits.training.problem import Problem
from nnlimits.validation import check_positive


class Phases(NamedTuple):
    """The phases of full-batch training by its learning rate."""

    curvature: float
    """The largest eigenvalue of the Gauss-Newton matrix: for half the mean squared error, the NTK's over the number N of
    entries."""
    sharpness: float
    """The largest eigenvalue of the Hessian."""

    @property
    def lazy_below(self) -> float:
        """`2 / curvature`: the linearized network trains stably below."""
        return 2 / self.curvature

    @property
    def divergent_above(self) -> float:
        """`4 / curvature`: the two-layer linear network diverges above, in the limit of large width."""
        return 4 / self.curvature

    def phase(self, learning_rate: float) -> str:
        """`"lazy"`, `"catapult"` or `"divergent"`, by the boundaries of the two-layer linear network.

        For other networks the upper one is a guide: with ReLU, training often survives up to about `12 / curvature`
        (Lewkowycz et al. 2020, section 3); `measured_thresholds` tells.

        **Raises:** `ValueError` for a learning rate that is not positive.
        """
        return phase(learning_rate, self.curvature)


def phase(learning_rate: float, curvature: float) -> str:
    """The phase of descent at `learning_rate` from where the NTK's curvature is `curvature` (Lewkowycz et al. 2020).

    **Returns:** `"lazy"` below `2 / curvature`, `"catapult"` below `4 / curvature`, else `"divergent"`.

    **Raises:** `ValueError` unless both are positive.
    """
    check_positive("learning_rate", learning_rate)
    check_positive("curvature", curvature)
    if learning_rate * curvature < 2:
        return "lazy"
    return "catapult" if learning_rate * curvature < 4 else "divergent"


def phases(problem: Problem, key: PRNGKeyArray) -> Phases:
    """The phases of any network on any data, from the largest eigenvalues of two operators that are never formed.

    **Arguments:** `problem`, at whose parameters curvature is found; `key`, for Lanczos' iteration.

    **Raises:** `ImportError` without `matfree`; `ValueError` where the outputs do not depend on the parameters.
    """
    with problem.precision():
        curvature = float(leading_pairs(problem, gauss_newton_product, 1, key)[0][0])
        sharpness = float(leading_pairs(problem, hessian_product, 1, key)[0][0])
    check_positive("the curvature (do the outputs depend on the parameters?)", curvature)
    return Phases(curvature, sharpness)
