"""The two ways in which an infinitely wide network learns, with one face: what they predict, and how it is distributed.

Predicting an example from all others needs no other training: if residuals on the training set are a linear map `B` of targets
minus initial outputs, those of an example left out are `(B r)_i / B_ii`, exactly where learning solves a linear system, and
to first order where it is stopped before (Rasmussen & Williams 2006, section 5.4.2; Hastie, Tibshirani & Friedman 2009,
equation 7.64).
"""

import abc
import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import nnlimits
from nnlimits.compute.solve import add_to_diagonal
from nnlimits.compute.spectrum import eigendecomposition
from nnlimits.kernels import Kernel
from nnlimits.predict import GradientFlow, Posterior

Examples = Float[np.ndarray, "n ..."]
Outputs = Float[np.ndarray, "n o"]
Vector = Float[np.ndarray, " n"]
Square = Float[np.ndarray, "n n"]

KERNELS = {"bayesian": "nngp", "trained": "ntk"}
"""The kernel by which each regime predicts."""


class LeftOut(NamedTuple):
    """The mean and the variance of the function at each training input, as predicted from all other examples."""

    mean: Outputs
    variance: Vector


class Learned(eqx.Module):
    """A network that has learned from examples."""

    @property
    @abc.abstractmethod
    def jitter(self) -> float:
        """What was added to the diagonal of the Gram matrix beside the noise."""

    @abc.abstractmethod
    def mean(self, x: Examples) -> Outputs:
        """The mean at `x`."""

    @abc.abstractmethod
    def std(self, x: Examples) -> Vector:
        """The standard deviation of the function at `x`."""

    @abc.abstractmethod
    def cov(self, x: Examples) -> Square:
        """The covariance of the function between the inputs `x`."""

    @abc.abstractmethod
    def log_marginal_likelihood(self) -> float:
        """The log density of the targets under the Gaussian process with the kernel that the network predicts by."""

    @abc.abstractmethod
    def leave_one_out(self) -> LeftOut:
        """What is predicted at each training input from all other examples."""


class Bayesian(Learned):
    """Conditioned on the examples: the NNGP posterior."""

    posterior: Posterior

    @property
    def jitter(self) -> float:
        """That of the posterior."""
        return float(self.posterior.jitter)

    def mean(self, x: Examples) -> Outputs:
        """The posterior mean."""
        return np.asarray(self.posterior.mean(x))

    def std(self, x: Examples) -> Vector:
        """The posterior standard deviation."""
        return np.asarray(self.posterior.std(x))

    def cov(self, x: Examples) -> Square:
        """The posterior covariance."""
        return np.asarray(self.posterior.cov(x))

    def log_marginal_likelihood(self) -> float:
        """The evidence."""
        return float(self.posterior.log_marginal_likelihood)

    def leave_one_out(self) -> LeftOut:
        """Exact."""
        loo = self.posterior.loo()
        return LeftOut(np.asarray(loo.mean), (np.asarray(loo.variance) - float(self.posterior.noise)).clip(0))


class Trained(Learned):
    """Trained by gradient flow from random initial parameters to time `time`: the ensemble of such networks."""

    flow: GradientFlow
    time: float

    @property
    def jitter(self) -> float:
        """That of the neural tangent kernel's matrix."""
        return float(self.flow.jitter)

    def mean(self, x: Examples) -> Outputs:
        """The ensemble's mean."""
        return np.asarray(self.flow.mean(x, self.time))

    def std(self, x: Examples) -> Vector:
        """The ensemble's standard deviation."""
        return np.asarray(self.flow.std(x, self.time))

    def cov(self, x: Examples) -> Square:
        """The ensemble's covariance."""
        return np.asarray(self.flow.cov(x, self.time))

    def log_marginal_likelihood(self) -> float:
        """The evidence of a Gaussian process whose covariance is the neural tangent kernel, ridge included."""
        factor, y = self.flow.factor, np.asarray(self.flow.data.y)
        n, outputs = y.shape
        log_determinant = factor.log_determinant() + n * math.log(2 * math.pi)
        return -float((y * factor.solve(y)).sum() + outputs * log_determinant) / 2

    def leave_one_out(self) -> LeftOut:
        """Exact at infinite time; at a finite one, to first order."""
        y = np.asarray(self.flow.data.y)
        residual = self._residual_map()
        own = np.maximum(np.diagonal(residual), np.finfo(np.float64).tiny)
        variance = np.einsum("ij,ij->i", residual @ self.flow.nngp, residual) / own**2
        return LeftOut(y - residual @ y / own[:, None], variance)

    def _residual_map(self) -> Square:
        """The map from targets minus initial outputs to residuals, up to a factor."""
        flow = self.flow
        if math.isinf(self.time):
            return np.asarray(flow.factor.solve(np.eye(len(flow.theta))))
        ridge = float(flow.ridge) + self.jitter
        values, vectors = map(np.asarray, eigendecomposition(add_to_diagonal(flow.theta, ridge)))
        with jax.enable_x64(True):
            gain = np.asarray(flow.gain(jnp.asarray(values), *flow.gain_parameters(self.time)))
        return (vectors * (1 - gain * (values - ridge))) @ vectors.T


def learn(regime: str, kernel: Kernel, x: Examples, y: Outputs, *, noise: float, time: float) -> Any:
    """A network of that regime, having learned from the examples with noise of variance `noise` on their targets.

    **Raises:** `numpy.linalg.LinAlgError` (a `ValueError`) if the Gram matrix cannot be solved with.
    """
    if regime == "bayesian":
        return Bayesian(nnlimits.posterior(kernel, x, y, noise=noise))
    scale = float(np.mean(np.asarray(kernel.diagonal(x).ntk)))
    ridge = noise / scale if scale > 0 else 0.0
    return Trained(nnlimits.gradient_flow(kernel, x, y, ridge=ridge), float(time))
