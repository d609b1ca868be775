"""Trained distributions of neurons as estimators: what they learn, their certificate, and scikit-learn's contract."""

import functools
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from nnlimits import MeanFieldClassifier, MeanFieldRegressor, mean_field


@pytest.fixture(scope="module")
def regressor(problem):
    return MeanFieldRegressor(64, decay=3e-3).fit(problem.x, problem.y)


@pytest.fixture(scope="module")
def classifier(problem):
    return MeanFieldClassifier(64, decay=3e-3).fit(problem.x, problem.labels)


def test_regression(problem, regressor):
    """Of the test targets' variance, noise of 0.01 alone leaves 1 per cent; a linear fit leaves 12."""
    assert regressor.score(problem.x_test, problem.y_test) > 0.93
    assert regressor.predict(problem.x_test).shape == (30,)


def test_classification(problem, classifier):
    assert classifier.score(problem.x_test, problem.labels_test) > 0.8
    probability = classifier.predict_proba(problem.x_test)
    np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-12)
    np.testing.assert_array_equal(classifier.classes_[probability.argmax(1)], classifier.predict(problem.x_test))
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(problem.x_test)), probability, rtol=1e-12)


def test_outputs_by_hand(problem, regressor):
    """`mean over neurons of a max(<w, z> + b, 0)` at standardised features, back in the targets' units."""
    z = (problem.x_test - problem.x.mean(0)) / problem.x.std(0)
    w, b, a = np.split(np.asarray(regressor.neurons_.positions, np.float64), [4, 5], axis=1)
    expected = np.maximum(z @ w.T + b[:, 0], 0) @ a[:, 0] / 64 * problem.y.std() + problem.y.mean()
    np.testing.assert_allclose(regressor.predict(problem.x_test), expected, rtol=1e-10)


def test_risk_falls_and_is_that_of_the_neurons(problem, regressor):
    """By hand from the predictions; in single precision the risk has six digits."""
    assert (np.diff(regressor.risk_curve_) < 0).all()
    assert len(regressor.times_) == len(regressor.risk_curve_)
    errors = (regressor.predict(problem.x) - problem.y) / problem.y.std()
    penalty = np.square(regressor.neurons_.positions).sum(1).mean()
    np.testing.assert_allclose(regressor.risk_curve_[-1], (errors**2).mean() / 2 + 3e-3 / 2 * penalty, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_certificate_bounds_what_more_training_gains(problem, regressor):
    """The gap is above the gain of many more neurons, trained far longer from another start, at total mass no larger; it falls
    as training goes on."""
    long = MeanFieldRegressor(64, decay=3e-3, tolerance=1e-5).fit(problem.x, problem.y)
    gain = regressor.risk_curve_[-1] - long.risk_curve_[-1]
    assert 0 < gain < regressor.certificate_.gap < 1
    assert long.certificate_.gap < regressor.certificate_.gap
    assert regressor.certificate_ is regressor.certificate_


def test_a_constant_is_learned_as_such(problem):
    model = MeanFieldRegressor(64, decay=3e-3).fit(problem.x, np.full(60, 3.0))
    np.testing.assert_allclose(model.predict(problem.x), 3, atol=0.1)


@pytest.mark.slow
def test_langevin_dynamics_learns_as_well_at_a_low_temperature(problem):
    """At temperature 1 and decay 0.3 the noise alone makes `E theta^2 = 3` of each parameter of a neuron."""
    quiet = MeanFieldRegressor(64, decay=3e-3, temperature=1e-4, max_steps=2000).fit(problem.x, problem.y)
    hot = MeanFieldRegressor(64, temperature=1.0, decay=0.3, max_steps=2000).fit(problem.x, problem.y)
    assert quiet.score(problem.x_test, problem.y_test) > 0.9 > hot.score(problem.x_test, problem.y_test)
    assert abs(np.square(hot.neurons_.positions).mean() - 3) < 1


@pytest.mark.slow
def test_langevin_dynamics_that_runs_away(problem):
    with pytest.raises(RuntimeError, match=r"step=1e\+09 is too large \(the largest stable one"):
        MeanFieldRegressor(64, decay=3e-3, temperature=1e-4, learning_rate=1e9).fit(problem.x, problem.y)


def test_state_and_copies(problem, classifier):
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.predict_proba(problem.x_test), classifier.predict_proba(problem.x_test))
    assert clone(classifier).get_params() == classifier.get_params()
    with pytest.raises(NotFittedError):
        _ = clone(classifier).certificate_
    assert isinstance(classifier.units_, mean_field.TwoLayer)
    assert classifier.units_.outputs == 3


def test_steps_that_run_out(problem):
    with pytest.warns(ConvergenceWarning, match="still falling after max_steps=50"):
        model = MeanFieldClassifier(64, decay=3e-3, max_steps=50).fit(problem.x, problem.labels)
    assert model.n_iter_ == 50


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_neurons": 0}, "n_neurons must be a whole number of at least 1; received 0"),
        ({"temperature": 0.1, "decay": 0.0}, "give a positive decay"),
        ({"learning_rate": "fast"}, 'learning_rate must be "auto" or a number'),
        ({"activation": "square"}, "activation must be"),
    ],
)
def test_parameters_out_of_range(problem, parameters, message):
    with pytest.raises(ValueError, match=message):
        MeanFieldRegressor(**parameters).fit(problem.x, problem.y)


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator", [MeanFieldRegressor, MeanFieldClassifier, functools.partial(MeanFieldRegressor, decay=3e-3)]
)
def test_check_estimator(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator(32, max_steps=1000), on_fail="raise")
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}
    assert len(results) > 40


@pytest.mark.slow
def test_accuracy_on_vehicles_beside_a_forest(shared_data):
    """846 examples of 18 features in four classes (UCI, Statlog), two folds; the standard error of an accuracy is 0.014."""
    data = np.load(shared_data / "uci" / "statlog-vehicle.npz")
    x, y = data["X"].astype(float), data["y"].astype(int)
    scores = []
    for model in (MeanFieldClassifier(), RandomForestClassifier(300, random_state=0)):
        folds = ((data[f"kfold{2 * i}"], data[f"kfold{2 * i + 1}"]) for i in range(2))
        scores.append(np.mean([model.fit(x[a], y[a]).score(x[b], y[b]) for a, b in folds]))
    assert scores[0] > 0.8
    assert scores[0] > scores[1] + 0.03
