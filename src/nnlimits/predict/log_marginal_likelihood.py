"""The evidence for a network's hyper-parameters, and its gradients."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.compute.solve import Factor, Matrix, Scalar, add_to_diagonal, factorize
from nnlimits.predict.training_set import training_set
from nnlimits.predict.working_precision import Real, as_scalar, evaluate, restored
from nnlimits.validation import check_non_negative, is_traced


def log_marginal_likelihood(kernel: Any, x: ArrayLike, y: ArrayLike, *, noise: ArrayLike = 0.0) -> Float[Array, ""]:
    """`log p(y | X)` under the infinitely wide Bayesian network, summed over outputs.

    Rasmussen & Williams 2006, equation 2.30; the gradient, equation 5.9, costs one inverse whatever the number of
    hyper-parameters. A kernel is a PyTree of its hyper-parameters, so all gradients come from

        jax.value_and_grad(lambda kernel, noise: log_marginal_likelihood(kernel, x, y, noise=noise), (0, 1))(kernel,
        noise)

    with or without `jax.jit` around it.

    **Arguments and errors:** as `posterior`.
    """
    data = training_set(x, y)
    variance = as_scalar("noise", noise)
    check_non_negative("noise", variance)
    return restored(log_density(add_to_diagonal(evaluate(kernel.nngp, data.x), variance), data.y), data.dtype)


@jax.custom_jvp
def _traced_log_density(covariance: Float[Array, "n n"], y: Float[Array, "n o"]) -> Float[Array, ""]:
    return jnp.asarray(_log_density(factorize(covariance, y), y)[0])


@_traced_log_density.defjvp
def _traced_log_density_jvp(primals: Any, tangents: Any) -> Any:
    covariance, y = primals
    d_covariance, d_y = tangents
    factor = factorize(covariance, y)
    density, weights = _log_density(factor, y)
    inverse = factor.solve(jnp.eye(len(y), dtype=y.dtype))
    sensitivity = (weights @ weights.T - y.shape[1] * inverse) / 2
    return density, (sensitivity * d_covariance).sum() - (weights * d_y).sum()


def log_density(covariance: Matrix, y: Real) -> Any:
    """The log density of the columns of `y` under `N(0, covariance)`, summed over columns."""
    if is_traced(covariance, y):
        return _traced_log_density(jnp.asarray(covariance), jnp.asarray(y))
    return _log_density(factorize(covariance, y), y)[0]


def _log_density(factor: Factor, y: Real) -> tuple[Scalar, Real]:
    n, outputs = y.shape
    weights = factor.solve(y)
    return -((y * weights).sum() + outputs * (factor.log_determinant() + n * math.log(2 * math.pi))) / 2, weights
