"""Leave-one-out predictions of a Gaussian process in closed form."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.solve import Factor
from nnlimits.predict.training_set import TrainingSet
from nnlimits.predict.working_precision import restored
from nnlimits.validation import is_traced


class LeaveOneOut(eqx.Module):
    """What all other examples predict for each example.

    - `mean`: of the left-out observation, in the shape of the targets.
    - `variance`: of the left-out observation, noise included, `(n,)`; that of the function is `variance - noise`.
    - `log_density`: of the left-out observation, in the shape of the targets; their sum is the log pseudo-likelihood.
    """

    mean: Float[Array, "n *o"]
    variance: Float[Array, " n"]
    log_density: Float[Array, "n *o"]


def leave_one_out(data: TrainingSet, factor: Factor, weights: Float[Array | np.ndarray, "n o"]) -> LeaveOneOut:
    """`mean_i = y_i - alpha_i / Q_ii` and `variance_i = 1 / Q_ii`, where `Q = (K + noise I)^{-1}` and `alpha = Q y`.

    Rasmussen & Williams 2006, equations 5.10 to 5.12. **Arguments:** `factor`, of `K + noise I`; `weights`, `alpha`.
    """
    variance = 1 / factor.inverse_diagonal()
    residual = weights * variance[:, None]
    log = jnp.log if is_traced(variance) else np.log
    log_density = -(residual**2 / variance[:, None] + log(2 * math.pi * variance)[:, None]) / 2
    return LeaveOneOut(data.shaped(data.y - residual), restored(variance, data.dtype), data.shaped(log_density))
