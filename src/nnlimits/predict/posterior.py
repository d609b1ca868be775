"""Bayesian inference with an infinitely wide network: Gaussian-process regression with its NNGP kernel."""

import math
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.compute.solve import Factor, Scalar, add_to_diagonal, factorize
from nnlimits.predict.leave_one_out import LeaveOneOut, leave_one_out
from nnlimits.predict.training_set import TrainingSet, training_set
from nnlimits.predict.working_precision import (
    Real,
    as_scalar,
    double_precision_for,
    evaluate,
    hash_of_structure,
    joined,
    restored,
    row_blocks,
)
from nnlimits.validation import check_non_negative, is_traced


class Posterior(eqx.Module):
    """The distribution of an infinitely wide Bayesian network's function, given examples; made by `posterior`.

    Outputs are independent, with one covariance: `mean` has the targets' outputs as last axis (none for targets
    `(n,)`), `std` and `cov` have no axis for outputs. Results have the precision of the data.
    """

    kernel: Any
    data: TrainingSet
    noise: Scalar
    factor: Factor
    weights: Float[Array | np.ndarray, "n o"]

    def __hash__(self) -> int:
        return hash_of_structure(self)

    @property
    def jitter(self) -> Scalar:
        """What had to be added to the diagonal of `K + noise I` to solve with it; zero unless it is ill-conditioned."""
        return self.factor.jitter

    def mean(self, x: ArrayLike) -> Float[Array, "m *o"]:
        """The mean at inputs `x` of shape `(m, d)`: `K(x, X) (K + noise I)^{-1} y`.

        **Raises:** `ValueError` or `TypeError` for inputs that do not match the training inputs.
        """
        return self.data.shaped(joined([cross @ self.weights for _, cross in self._blocks(x)]))

    def std(self, x: ArrayLike) -> Float[Array, " m"]:
        """The standard deviation of the function at `x`."""
        return restored(self._variance(x) ** 0.5, self.data.dtype)

    def observation_std(self, x: ArrayLike) -> Float[Array, " m"]:
        """The standard deviation of a new observation at `x`: of the function, and of the noise on it."""
        return restored((self._variance(x) + self.noise) ** 0.5, self.data.dtype)

    def cov(self, x: ArrayLike) -> Float[Array, "m m"]:
        """The covariance of the function between the inputs `x`: `K(x, x) - K(x, X) (K + noise I)^{-1} K(X, x)`."""
        return restored(self._covariance(x), self.data.dtype)

    def observation_cov(self, x: ArrayLike) -> Float[Array, "m m"]:
        """The covariance of new observations at `x`, each with its own noise."""
        covariance = self._covariance(x)
        return restored(covariance + self.noise * np.eye(len(covariance), dtype=covariance.dtype), self.data.dtype)

    def sample(self, key: PRNGKeyArray, x: ArrayLike, n: int = 1) -> Float[Array, "n m *o"]:
        """Draw `n` functions from the posterior, at inputs `x`."""
        mean, covariance = self.mean(x), self._covariance(x)
        values, vectors = (jnp if is_traced(covariance) else np).linalg.eigh(covariance)
        root = restored(
            vectors * values.clip(0) ** 0.5, mean.dtype
        )  # semi-definite: a Cholesky factor would need jitter
        with double_precision_for(mean.dtype):
            normal = jax.random.normal(key, (n, *mean.shape), mean.dtype)
            return mean + jnp.einsum("ij,nj...->ni...", root, normal)

    @property
    def log_marginal_likelihood(self) -> Float[Array, ""]:
        """`log p(y | X)`, summed over outputs (Rasmussen & Williams 2006, equation 2.30).

        For its gradients with respect to hyper-parameters, `log_marginal_likelihood` as a function is quicker.
        """
        n, outputs = self.data.y.shape
        normalizer = self.factor.log_determinant() + n * math.log(2 * math.pi)
        return restored(-((self.data.y * self.weights).sum() + outputs * normalizer) / 2, self.data.dtype)

    def loo(self) -> LeaveOneOut:
        """Predictions of each example from all others, in closed form."""
        return leave_one_out(self.data, self.factor, self.weights)

    def _blocks(self, x: ArrayLike) -> Iterator[tuple[Real, Real]]:
        """Some rows of `x`, and their covariance with the training inputs."""
        for rows in row_blocks(self.data.check_query(x), len(self.data.x)):
            yield rows, evaluate(self.kernel.nngp, rows, self.data.x)

    def _variance(self, x: ArrayLike) -> Float[Array | np.ndarray, " m"]:
        blocks = []
        for rows, cross in self._blocks(x):
            prior = evaluate(self.kernel.diagonal, rows).nngp
            blocks.append((prior - (self.factor.whiten(cross.T) ** 2).sum(0)).clip(0))
        return joined(blocks)

    def _covariance(self, x: ArrayLike) -> Float[Array | np.ndarray, "m m"]:
        whitened = joined([self.factor.whiten(cross.T).T for _, cross in self._blocks(x)])
        return evaluate(self.kernel.nngp, self.data.check_query(x)) - whitened @ whitened.T


def posterior(kernel: Any, x: ArrayLike, y: ArrayLike, *, noise: ArrayLike = 0.0) -> Posterior:
    """Condition the infinitely wide Bayesian network on examples (Lee et al. 2018; Matthews et al. 2018).

    **Arguments:**

    - `kernel`: `nnlimits.kernel(net)`, or any value with its methods.
    - `x`: inputs `(n, d)`; `y`: targets `(n,)` or `(n, outputs)`, of one dtype.
    - `noise`: the variance of the Gaussian noise on the observations.

    **Raises:** `ValueError` or `TypeError` for bad data (NaN, lengths, dtypes) and negative noise;
    `numpy.linalg.LinAlgError` (a `ValueError`) if the Gram matrix cannot be solved with. A jitter, where one is
    needed, is announced by a warning.
    """
    data = training_set(x, y)
    variance = as_scalar("noise", noise)
    check_non_negative("noise", variance)
    factor = factorize(add_to_diagonal(evaluate(kernel.nngp, data.x), variance), data.y)
    return Posterior(kernel, data, variance, factor, factor.solve(data.y))
