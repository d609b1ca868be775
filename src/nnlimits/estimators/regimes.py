"""The two ways in which an infinitely wide network learns, with one face: what they predict, and how it is distributed."""

import abc
import functools
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

import nnlimits
from nnlimits.compute.solve import add_to_diagonal
from nnlimits.compute.spectrum import eigendecomposition
from nnlimits.kernels import Kernel
from nnlimits.predict import GradientFlow, Posterior

Table = Float[np.ndarray, "n d"]
Outputs = Float[np.ndarray, "n o"]
KERNELS = {"bayesian": "nngp", "trained": "ntk"}
"""The kernel by which each regime predicts."""


class Learned(eqx.Module):
    """A network that has learned from examples `(x, y)`, with noise of variance `noise` on the targets."""

    noise: float

    @property
    @abc.abstractmethod
    def jitter(self) -> float:
        """What was added to the diagonal of the Gram matrix beside the noise."""

    @abc.abstractmethod
    def mean(self, x: Table) -> Outputs:
        """The mean at `x`."""

    @abc.abstractmethod
    def std(self, x: Table) -> Float[np.ndarray, " n"]:
        """The standard deviation of the function at `x`."""

    @abc.abstractmethod
    def cov(self, x: Table) -> Float[np.ndarray, "n n"]:
        """The covariance of the function between the inputs `x`."""

    @abc.abstractmethod
    def log_marginal_likelihood(self) -> float:
        """The log density of the targets under the Gaussian process with the kernel that the network predicts by."""

    @abc.abstractmethod
    def leave_one_out(self) -> Outputs:
        """The mean at each training input, predicted from all other examples."""


class Bayesian(Learned):
    """Conditioned on the examples: the NNGP posterior."""

    posterior: Posterior

    @property
    def jitter(self) -> float:
        return float(self.posterior.jitter)

    def mean(self, x: Table) -> Outputs:
        return np.asarray(self.posterior.mean(x))

    def std(self, x: Table) -> Float[np.ndarray, " n"]:
        return np.asarray(self.posterior.std(x))

    def cov(self, x: Table) -> Float[np.ndarray, "n n"]:
        return np.asarray(self.posterior.cov(x))

    def log_marginal_likelihood(self) -> float:
        return float(self.posterior.log_marginal_likelihood)

    def leave_one_out(self) -> Outputs:
        return np.asarray(self.posterior.loo().mean)


class Trained(Learned):
    """Trained by gradient flow from random initial parameters to time `time`: the ensemble of such networks."""

    flow: GradientFlow
    time: float

    @property
    def jitter(self) -> float:
        return float(self.flow.jitter)

    def mean(self, x: Table) -> Outputs:
        return np.asarray(self.flow.mean(x, self.time))

    def std(self, x: Table) -> Float[np.ndarray, " n"]:
        return np.asarray(self.flow.std(x, self.time))

    def cov(self, x: Table) -> Float[np.ndarray, "n n"]:
        return np.asarray(self.flow.cov(x, self.time))

    def log_marginal_likelihood(self) -> float:
        factor, y = self.flow.factor, np.asarray(self.flow.data.y)
        n, outputs = y.shape
        log_determinant = factor.log_determinant() + n * np.log(2 * np.pi)
        return float(-((y * factor.solve(y)).sum() + outputs * log_determinant) / 2)

    def leave_one_out(self) -> Outputs:
        """Exact at infinite time; at a finite one, as of a linear smoother of the targets.

        A smoother `f = H y` whose residuals are `r` predicts, to first order, `y_i - r_i / (1 - H_ii)` for an example left out
        (Hastie, Tibshirani & Friedman 2009, equation 7.64).
        """
        y = np.asarray(self.flow.data.y)
        if np.isinf(self.time):
            return y - self.flow.factor.solve(y) / self.flow.factor.inverse_diagonal()[:, None]
        fit, own = self._smoother
        return y - (y - fit) / np.maximum(1 - own, 1e-12)[:, None]

    @functools.cached_property
    def _smoother(self) -> tuple[Outputs, Float[np.ndarray, " n"]]:
        """`H y` and the diagonal of `H`, on the training inputs."""
        flow = self.flow
        values, vectors = eigendecomposition(add_to_diagonal(flow.theta, flow.ridge + flow.jitter))
        gain = np.asarray(flow.gain(values, *flow.gain_parameters(self.time)))
        learned = gain * (values - flow.ridge - flow.jitter)
        return (vectors * learned) @ (vectors.T @ flow.data.y), (vectors**2) @ learned


def learn(regime: str, kernel: Kernel, x: Table, y: Outputs, *, noise: float, time: float) -> Any:
    """A network of that regime, having learned from the examples.

    **Raises:** `numpy.linalg.LinAlgError` (a `ValueError`) if the Gram matrix cannot be solved with.
    """
    if regime == "bayesian":
        return Bayesian(noise, nnlimits.posterior(kernel, x, y, noise=noise))
    scale = float(np.mean(np.asarray(kernel.diagonal(x).ntk)))
    ridge = noise / scale if scale > 0 else 0.0
    return Trained(noise, nnlimits.gradient_flow(kernel, x, y, ridge=ridge), float(time))
