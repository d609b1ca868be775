"""Ridge regression on the features of a network: against the exact kernel, in batches, calibrated, and refusals."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

import nnlimits as nl
from nnlimits import NTKFeatureClassifier, NTKFeatureRegressor, nn

FEATURES = 254
NETWORK = nn.Sequential(nn.Dense(1, b_std=0.3), nn.Relu(), nn.Dense(1))


def regressor(**parameters) -> NTKFeatureRegressor:
    return NTKFeatureRegressor(NETWORK, **{"n_features": FEATURES, "approximation": "random", **parameters})


def classifier(**parameters) -> NTKFeatureClassifier:
    return NTKFeatureClassifier(NETWORK, **{"n_features": FEATURES, "approximation": "random", **parameters})


def exact_predictions(problem, noise: float, kernel: str) -> np.ndarray:
    """Kernel ridge regression, written out."""
    mean, scale = problem.x.mean(0), problem.x.std(0)
    x, z = (problem.x - mean) / scale, (problem.x_test - mean) / scale
    k = getattr(nl.kernel(NETWORK), kernel)
    weights = np.linalg.solve(np.asarray(k(x)) + noise * np.eye(len(x)), problem.y - problem.y.mean())
    return np.asarray(k(z, x)) @ weights + problem.y.mean()


@pytest.mark.parametrize("kernel", ["ntk", pytest.param("nngp", marks=pytest.mark.slow)])
def test_all_examples_as_landmarks_are_exact_kernel_ridge_regression(problem, kernel):
    model = regressor(approximation="nystrom", kernel=kernel, noise=0.1).fit(problem.x, problem.y)
    assert model.features_.n_features == len(problem.x)
    np.testing.assert_allclose(model.predict(problem.x_test), exact_predictions(problem, 0.1, kernel), atol=1e-6)
    assert model.kernel_error_.frobenius < 1e-6
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(problem.x_test), model.predict(problem.x_test))


def test_landmarks_where_there_are_some_and_the_kernel_costs_little(problem):
    model = regressor(approximation="auto", noise=0.1).fit(problem.x, problem.y)
    assert model.approximation_ == "nystrom"
    np.testing.assert_allclose(model.predict(problem.x_test), exact_predictions(problem, 0.1, "ntk"), atol=1e-6)
    few = regressor(approximation="auto").partial_fit(problem.x[:20], problem.y[:20])
    assert few.approximation_ == "random"
    few = regressor(approximation="auto", n_features=16).partial_fit(problem.x[:20], problem.y[:20])
    assert (few.approximation_, few.features_.n_features) == ("nystrom", 16)


@pytest.mark.slow
def test_random_features_approach_the_exact_kernel(problem):
    exact = exact_predictions(problem, 0.3, "ntk")
    distance = [
        np.mean(
            [
                np.linalg.norm(
                    regressor(n_features=n, noise=0.3, random_state=seed)
                    .fit(problem.x, problem.y)
                    .predict(problem.x_test)
                    - exact
                )
                for seed in range(4)
            ]
        )
        for n in (FEATURES, 4 * FEATURES)
    ]
    # half, by the rate; four seeds know each mean to some 20 %
    assert distance[1] < 0.75 * distance[0]
    assert distance[1] < 0.2 * np.linalg.norm(exact - problem.y.mean())


def test_learning_and_its_attributes(problem):
    model = regressor().fit(problem.x, problem.y)
    assert model.score(problem.x_test, problem.y_test) > 0.8
    assert model.noise_ > 0
    assert 0 < model.effective_dimension_ < len(problem.x)
    assert 0 < model.validation_error_ < 1
    assert 0 < model.kernel_error_.frobenius < 0.5
    assert model.coef_.shape == (model.features_.n_features, 1)
    assert model.n_seen_ == len(problem.x)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(problem.x_test), model.predict(problem.x_test))


def test_batches_in_any_order(problem):
    first = slice(0, 20)
    whole = regressor().partial_fit(problem.x[first], problem.y[first])
    parts = clone(whole).partial_fit(problem.x[first], problem.y[first])
    whole.partial_fit(problem.x[20:], problem.y[20:])
    for rows in (slice(50, None), slice(20, 21), slice(21, 50)):
        parts.partial_fit(problem.x[rows], problem.y[rows])
    np.testing.assert_allclose(parts.predict(problem.x_test), whole.predict(problem.x_test), rtol=1e-7)
    assert parts.n_seen_ == 60


def test_predictions_follow_what_was_added(problem):
    model = regressor().partial_fit(problem.x[:30], problem.y[:30])
    before = model.predict(problem.x_test)
    after = model.partial_fit(problem.x[30:], problem.y[30:]).predict(problem.x_test)
    assert np.mean((after - problem.y_test) ** 2) < np.mean((before - problem.y_test) ** 2)


def test_several_outputs_and_small_batches(problem):
    y = np.stack([problem.y, -2 * problem.y], 1)
    model = regressor(noise=0.1, batch_size=16).fit(problem.x, y)
    alone = regressor(noise=0.1).fit(problem.x, problem.y).predict(problem.x_test)
    np.testing.assert_allclose(model.predict(problem.x_test), np.stack([alone, -2 * alone], 1), rtol=1e-6, atol=1e-8)


def test_single_precision(problem):
    model = regressor(noise=0.1).fit(problem.x.astype(np.float32), problem.y)
    assert np.asarray(model.features_(model._reservoir.examples)).dtype == np.float32
    expected = regressor(noise=0.1).fit(problem.x, problem.y).predict(problem.x_test)
    np.testing.assert_allclose(model.predict(problem.x_test), expected, atol=1e-3)


def test_classification_by_batches(problem):
    whole = classifier().fit(problem.x, problem.labels)
    assert whole.score(problem.x_test, problem.labels_test) > 0.7
    probability = whole.predict_proba(problem.x_test)
    np.testing.assert_allclose(probability.sum(1), 1)
    np.testing.assert_array_equal(whole.classes_[probability.argmax(1)], whole.predict(problem.x_test))
    assert whole.decision_function(problem.x_test).shape == (30, 3)
    parts = classifier(standardize=False)
    scaled = (problem.x - problem.x.mean(0)) / problem.x.std(0)
    for rows in (slice(0, 7), slice(7, None)):
        parts.partial_fit(scaled[rows], problem.labels[rows], classes=["low", "middle", "high"])
    other = classifier(standardize=False).fit(scaled, problem.labels)
    np.testing.assert_allclose(parts.decision_function(scaled), other.decision_function(scaled), rtol=1e-6, atol=1e-9)


def test_probabilities_are_calibrated_on_examples_left_out(problem):
    model = classifier(noise=1e-3).fit(problem.x, problem.labels)
    # predictions of the examples learned from are far surer than those of others: a temperature for them would be lower
    from nnlimits.estimators.calibration import fit_temperature

    labels = np.searchsorted(model.classes_, problem.labels)
    assert model.temperature_ > 1.2 * fit_temperature(model.decision_function(problem.x), labels)


@pytest.mark.slow
def test_images():
    images = np.random.default_rng(0).normal(size=(60, 6, 6, 1))
    labels = images.mean((1, 2, 3)) > 0
    network = nn.Sequential(nn.Conv(1, (3, 3)), nn.Relu(), nn.GlobalAvgPool(), nn.Dense(1))
    model = NTKFeatureClassifier(network, n_features=512, standardize=False).fit(images[:40], labels[:40])
    assert model.approximation_ == "random"
    assert model.score(images[40:], labels[40:]) > 0.8


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"n_features": 0}, "n_features must be a positive integer; received 0"),
        ({"kernel": "rbf"}, "kernel must be one of 'ntk', 'nngp'"),
        ({"approximation": "exact"}, "approximation must be one of 'auto', 'random', 'nystrom'"),
        ({"noise": 0.0}, "noise must be finite and positive"),
        ({"noise": "small"}, "noise must be"),
        ({"batch_size": 0}, 'batch_size must be a positive integer, or "auto"'),
        ({"network": "resnet"}, "network must be an expression of nnlimits.nn"),
        ({"network": "mlp", "depth": (1, 2)}, "depth must be a positive integer"),
    ],
    ids=str,
)
def test_refusals_of_parameters(problem, parameters, match):
    with pytest.raises((ValueError, TypeError), match=match):
        regressor().set_params(**parameters).fit(problem.x, problem.y)


def test_refusals_of_examples(problem):
    bad = problem.x.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN at row 3, column 1"):
        regressor().fit(bad, problem.y)
    model = classifier()
    with pytest.raises(NotFittedError):
        model.predict(problem.x)
    with pytest.raises(ValueError, match="classes must be given in the first call of partial_fit"):
        model.partial_fit(problem.x, problem.labels)
    model.partial_fit(problem.x, problem.labels, classes=["low", "middle", "high"])
    with pytest.raises(ValueError, match="y has the label 'none' at row 2, which is none of the classes"):
        model.partial_fit(problem.x[:3], ["low", "high", "none"])
    assert model.n_seen_ == 60
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        model.partial_fit(problem.x, problem.labels, classes=["low", "high"])
    two = regressor().partial_fit(problem.x, problem.y)
    with pytest.raises(ValueError, match="y must have 1 outputs, as before; received 2"):
        two.partial_fit(problem.x, np.stack([problem.y, problem.y], 1))


@pytest.mark.slow
@pytest.mark.parametrize("approximation", ["auto", "random", "nystrom"])
@pytest.mark.parametrize("estimator", [regressor, classifier])
def test_check_estimator(estimator, approximation):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator(approximation=approximation), on_fail="raise")
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}
    assert len(results) > 40
