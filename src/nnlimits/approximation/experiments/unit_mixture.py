"""Controls for rates: mixtures of ridge units, whose variation is known."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.approximation.targets import NamedTarget

_SEED = 16
_LARGEST_THRESHOLD = 0.7


def unit_mixture(dimension: int, degree: int, units: int = 32) -> NamedTarget:
    """The mean of ridge units of degree 0 or 1 in random directions, of variation 1, which no cancellation wastes.

    Directions have no negative entries, so that units are positively correlated and their mean is not small beside the variation:
    bounds fall at their rate from few units on.

    **Arguments:** `dimension`; `degree`, 0 for steps, 1 for rectifiers; `units`, how many.

    **Raises:** `ValueError` for another degree.
    """
    if degree not in (0, 1):
        raise ValueError(f"degree must be 0, for steps, or 1, for rectifiers; received {degree}")
    rng = np.random.default_rng(_SEED)
    directions = np.abs(rng.standard_normal((units, dimension)))
    directions /= np.abs(directions).sum(axis=1, keepdims=True)
    points = rng.uniform(-1, 1, (units, dimension))
    thresholds = np.minimum((directions * points).sum(axis=1), _LARGEST_THRESHOLD)

    def mixture(x: Float[Array | np.ndarray, "n d"]) -> Float[Array, " n"]:
        ridge = x @ directions.T - thresholds
        values = jnp.where(ridge > 0, 1.0, 0.0) if degree == 0 else jnp.maximum(ridge, 0) / (1 - thresholds)
        return jnp.mean(values, axis=1)

    steepest = float(np.mean(np.linalg.norm(directions, axis=1) / (1 - thresholds)))
    return NamedTarget(
        "mixture",
        "discontinuous" if degree == 0 else "kinked",
        f"the mean of {units} {'steps' if degree == 0 else 'rectifiers'} of ridges",
        mixture,
        dimension,
        None if degree == 0 else steepest,
        None,
        {degree: 1.0},
    )
