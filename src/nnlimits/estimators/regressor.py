"""Infinitely wide networks for regression."""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import RegressorMixin
from sklearn.utils import check_random_state

from nnlimits.estimators import inputs
from nnlimits.estimators.base import InfiniteNet
from nnlimits.estimators.standardization import Standardization, identity, standardization

Array = Float[np.ndarray, "..."]


class InfiniteNetRegressor(RegressorMixin, InfiniteNet):
    """Regression by an infinitely wide network."""

    _targets: Standardization

    def fit(self, X: Any, y: Any) -> "InfiniteNetRegressor":
        """Select the network, and learn from examples.

        **Arguments:** `X`, a table `(n, d)`; `y`, targets `(n,)` or `(n, outputs)`.
        """
        x = inputs.features(self, X, reset=True)
        y = inputs.targets(y, len(x))
        self._vector = y.ndim == 1
        table = y.reshape(len(y), -1)
        self._targets = standardization(table) if self.standardize else identity(table.shape[1])
        self._learn(x, self._targets.apply(table))
        jacobian = len(y) * np.log(self._targets.scale).sum()
        self.log_marginal_likelihood_ = self._learned.log_marginal_likelihood() - jacobian
        return self

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """The predictive mean, and with it the standard deviations or the covariances of new observations.

        **Returns:** the mean `(m,)` or `(m, outputs)`; with `return_std` a pair of it and standard deviations of its shape;
        with `return_cov` a pair of it and the covariance `(m, m)` or `(m, m, outputs)`.
        """
        if return_std and return_cov:
            raise ValueError("predict returns standard deviations or covariances; received return_std=True and return_cov=True")
        z = self._query(X)
        mean = self._shaped(self._targets.undo(self._learned.mean(z)))
        if return_std:
            std = np.sqrt(self._learned.std(z) ** 2 + self.noise_)
            return mean, self._shaped(std[:, None] * self._targets.scale)
        if return_cov:
            covariance = self._learned.cov(z) + self.noise_ * np.eye(len(z))
            return mean, self._shaped(covariance[..., None] * self._targets.scale**2)
        return mean

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = 0) -> Array:
        """Draw observations at `X` from the predictive distribution.

        **Returns:** `(m, n_samples)`, or `(m, outputs, n_samples)`.
        """
        generator = check_random_state(random_state)
        mean, covariance = self.predict(X, return_cov=True)
        mean, covariance = mean.reshape(len(mean), -1), covariance.reshape(*covariance.shape[:2], -1)
        samples = np.stack(
            [
                generator.multivariate_normal(mean[:, i], covariance[..., i], n_samples, method="eigh").T
                if isinstance(generator, np.random.Generator)
                else generator.multivariate_normal(mean[:, i], covariance[..., i], n_samples).T
                for i in range(mean.shape[1])
            ],
            axis=1,
        )
        return samples[:, 0] if self._vector else samples

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _shaped(self, outputs: Array) -> Array:
        return outputs[..., 0] if self._vector else outputs
