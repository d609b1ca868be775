"""Infinitely wide networks for regression."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nnlimits.estimators import inputs
from nnlimits.estimators.base import PARAMETERS, InfiniteNet
from nnlimits.estimators.calibration import fit_noise
from nnlimits.estimators.standardization import Standardization, identity, standardization

Array = Float[np.ndarray, "..."]


class InfiniteNetRegressor(RegressorMixin, InfiniteNet):
    """Regression by an infinitely wide network, with the uncertainty of its predictions.

    In the Bayesian regime it is Gaussian-process regression with the network's NNGP kernel (Neal 1996; Lee et al. 2018); in
    the trained regime it predicts by an ensemble of networks trained on squared error, with the neural tangent kernel
    (Jacot et al. 2018; Lee et al. 2019). Outputs are independent, and share network and noise.
    """

    _targets: Standardization
    _vector: bool

    def fit(self, X: Any, y: Any) -> "InfiniteNetRegressor":
        """Select the network, and learn from examples.

        **Arguments:** `X`, an array or data frame `(n, d)` of numbers, or an array `(n, *positions, channels)` of images,
        sequences or graphs, or of whatever the network takes; `y`, targets `(n,)` or `(n, outputs)`.

        **Raises:** `ValueError` for a parameter out of range, NaN (with its place), a column that is not numeric (by its name),
        shapes that do not match, or a Gram matrix that cannot be solved with.
        """
        self._check_parameters()
        x = inputs.features(self, X, reset=True)
        y = inputs.targets(y, len(x))
        self._vector = y.ndim == 1
        table = y.reshape(len(y), -1)
        self._targets = standardization(table) if self.standardize else identity(table.shape[1])
        z = self._targets.apply(table)
        self._learn(x, z)
        self.observation_noise_ = self._observation_noise(z)
        jacobian = len(z) * float(np.log(self._targets.scale).sum())
        self.log_marginal_likelihood_ = self._learned.log_marginal_likelihood() - jacobian
        return self

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """The predictive mean, and on request the standard deviations or the covariances of new observations.

        These are of the function plus the noise of an observation; without the noise, subtract `observation_noise_` times
        the variance of the target.

        **Returns:** the mean `(m,)` or `(m, outputs)`; with `return_std`, a pair of it and standard deviations of its shape;
        with `return_cov`, a pair of it and covariances `(m, m)` or `(m, m, outputs)`.

        **Raises:** `ValueError` for features unlike those of `fit`, or if both are requested.
        """
        if return_std and return_cov:
            raise ValueError(
                "predict returns standard deviations or covariances, not both; received return_std=True and return_cov=True"
            )
        x = self._query(X)
        mean = self._shaped(self._targets.undo(self._learned.mean(x)))
        if return_std:
            std = np.sqrt(self._learned.std(x) ** 2 + self.observation_noise_)
            return mean, self._shaped(std[:, None] * self._targets.scale)
        if return_cov:
            covariance = self._learned.cov(x) + self.observation_noise_ * np.eye(len(x))
            return mean, self._shaped(covariance[..., None] * self._targets.scale**2)
        return mean

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = 0) -> Array:
        """Draw observations at `X` from the predictive distribution, jointly over rows.

        **Returns:** `(m, n_samples)`, or `(m, outputs, n_samples)`.
        """
        check_is_fitted(self)
        if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ValueError(f"n_samples must be a positive integer; received {n_samples!r}")
        x = self._query(X)
        mean = self._targets.undo(self._learned.mean(x))
        values, vectors = np.linalg.eigh(self._learned.cov(x))
        std = np.sqrt(values.clip(0) + self.observation_noise_)
        normal = check_random_state(random_state).normal(size=(*mean.shape, n_samples))
        spread = np.einsum("ij,jos->ios", vectors * std, normal) * self._targets.scale[:, None]
        samples = mean[..., None] + spread
        return samples[:, 0] if self._vector else samples

    def _observation_noise(self, z: Array) -> float:
        """The noise of new observations: that of the posterior, or what the ensemble leaves unexplained of examples left out."""
        if self.regime == "bayesian":
            return self.noise_
        if len(z) < 2 or math.isclose(self.time, 0.0):
            return float(np.mean(z**2)) if len(z) > 1 else self.noise_
        left_out = self._learned.leave_one_out()
        return fit_noise(z - left_out.mean, left_out.variance)

    def _shaped(self, outputs: Array) -> Array:
        return outputs[..., 0] if self._vector else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


InfiniteNetRegressor.__doc__ = f"{InfiniteNetRegressor.__doc__}\n{PARAMETERS}"
