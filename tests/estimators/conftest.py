"""Small problems that the tests of estimators share; few shapes, so that little is compiled."""

import numpy as np
import pytest

from nnlimits import InfiniteNetClassifier, InfiniteNetRegressor


class Problem:
    """A smooth function of four features, of which the last does not matter, with noise of variance 0.01."""

    def __init__(self, n: int = 60, m: int = 30, seed: int = 0):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(n + m, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 5.0, 1.0, 0.0]
        clean = np.sin(features[:, 0]) + 0.1 * (features[:, 1] - 5.0) + 5 * (features[:, 2] - 1.0)
        y = clean + 0.1 * rng.normal(size=n + m)
        self.x, self.y = features[:n], y[:n]
        self.x_test, self.y_test = features[n:], y[n:]

    @property
    def labels(self):
        """Three classes with names, by the first feature."""
        return np.array(["low", "middle", "high"])[np.digitize(self.x[:, 0], [-0.6, 0.6])]

    @property
    def labels_test(self):
        return np.array(["low", "middle", "high"])[np.digitize(self.x_test[:, 0], [-0.6, 0.6])]


@pytest.fixture(scope="session")
def problem() -> Problem:
    return Problem()


@pytest.fixture(scope="session")
def regressor(problem) -> InfiniteNetRegressor:
    return InfiniteNetRegressor(depth=1).fit(problem.x, problem.y)


@pytest.fixture(scope="session")
def trained(problem) -> InfiniteNetRegressor:
    return InfiniteNetRegressor(depth=1, regime="trained").fit(problem.x, problem.y)


@pytest.fixture(scope="session")
def classifier(problem) -> InfiniteNetClassifier:
    return InfiniteNetClassifier(depth=1).fit(problem.x, problem.labels)
