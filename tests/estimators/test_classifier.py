import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

import nnlimits as nl
from nnlimits import InfiniteNetClassifier


def test_accuracy_and_attributes(problem, classifier):
    assert classifier.score(problem.x_test, problem.labels_test) >= 0.8
    assert list(classifier.classes_) == ["high", "low", "middle"]
    assert set(classifier.predict(problem.x_test)) <= set(classifier.classes_)
    assert classifier.kernel_ == nl.kernel(classifier.network_)
    assert np.isfinite(classifier.log_marginal_likelihood_)


def test_probabilities(problem, classifier):
    chance = classifier.predict_proba(problem.x_test)
    assert chance.shape == (30, 3)
    np.testing.assert_allclose(chance.sum(1), 1)
    np.testing.assert_array_equal(classifier.classes_[chance.argmax(1)], classifier.predict(problem.x_test))
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(problem.x_test)), chance)
    # better than the classes' frequencies, and never certain
    frequencies = np.tile([(problem.labels == c).mean() for c in classifier.classes_], (30, 1))
    assert log_loss(problem.labels_test, chance) < 0.7 * log_loss(problem.labels_test, frequencies)


@pytest.mark.slow
@pytest.mark.parametrize("regime", ["bayesian", "trained"])
def test_iris(regime):
    x, y = load_iris(return_X_y=True)
    rows = np.random.default_rng(0).permutation(150)
    model = InfiniteNetClassifier(depth=1, regime=regime).fit(x[rows[:60]], y[rows[:60]])
    assert model.score(x[rows[60:]], y[rows[60:]]) >= 0.93
    assert log_loss(y[rows[60:]], model.predict_proba(x[rows[60:]])) < 0.25


def test_noisy_labels_give_hesitant_probabilities(problem):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    chance = InfiniteNetClassifier(depth=1).fit(problem.x, labels).predict_proba(problem.x_test)
    assert abs(chance - 0.5).max() < 0.35


@pytest.mark.parametrize("kind", [int, bool, str])
def test_kinds_of_labels(problem, kind):
    labels = (problem.x[:, 0] > 0).astype(kind)
    model = InfiniteNetClassifier(depth=1, select=None).fit(problem.x, labels)
    assert model.classes_.dtype == labels.dtype
    assert model.score(problem.x, labels) > 0.9


def test_early_stopping(problem):
    at = {
        time: InfiniteNetClassifier(depth=1, select=None, regime="trained", time=time).fit(problem.x, problem.labels)
        for time in (0.0, 30.0)
    }
    frequencies = [(problem.labels == c).mean() for c in at[0.0].classes_]
    # untrained, it knows no more than frequencies
    np.testing.assert_allclose(np.ptp(at[0.0].predict_proba(problem.x_test), axis=0), 0, atol=1e-12)
    assert at[0.0].predict(problem.x_test[:1])[0] == at[0.0].classes_[np.argmax(frequencies)]
    assert at[30.0].score(problem.x_test, problem.labels_test) > 0.7
