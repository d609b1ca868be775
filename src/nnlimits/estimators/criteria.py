"""What a set of hyper-parameters is judged by: the evidence, or the predictions of each example from all others."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float

from nnlimits.predict.log_marginal_likelihood import log_density

Covariance = Float[Array, "n n"]
Targets = Float[Array, "n o"]
Mask = Float[Array, " n"]


def marginal_likelihood(covariance: Covariance, y: Targets, mask: Mask) -> Float[Array, ""]:
    """`log p(y)` for an output, the mean over outputs (Rasmussen & Williams 2006, equation 2.30).

    Rows where `mask` is zero are padding: independent, of unit variance and target zero, of which only a constant is left.
    """
    padding = (1 - mask).sum() * math.log(2 * math.pi) / 2
    return log_density(covariance, y) / y.shape[1] + padding


def leave_one_out(covariance: Covariance, y: Targets, mask: Mask) -> Float[Array, ""]:
    """The log density of each example given all others, for an output, the mean over outputs.

    Rasmussen & Williams 2006, equations 5.10 to 5.12.
    """
    lower = jnp.linalg.cholesky(covariance)
    inverse = cho_solve((lower, True), jnp.eye(len(y), dtype=y.dtype))
    precision = jnp.diagonal(inverse)
    quadratic = ((inverse @ y) ** 2 / precision[:, None]).mean(1)
    return -(mask * (quadratic + jnp.log(2 * jnp.pi) - jnp.log(precision))).sum() / 2


CRITERIA = {"marginal_likelihood": marginal_likelihood, "leave_one_out": leave_one_out}
