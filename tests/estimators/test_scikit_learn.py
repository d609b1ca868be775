"""The contract of scikit-learn: its own checks, composition, copies and pickles."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from nnlimits import InfiniteNetClassifier, InfiniteNetRegressor, nn

BOTH = [InfiniteNetRegressor, InfiniteNetClassifier]


def passes(estimator) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_fail="raise")
    # whole: nothing is expected to fail, and only what scikit-learn is not configured for is skipped
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}
    return len(results) > 40


@pytest.mark.parametrize(
    "estimator", [InfiniteNetRegressor, pytest.param(InfiniteNetClassifier, marks=pytest.mark.slow)]
)
def test_check_estimator(estimator):
    assert passes(estimator(depth=1, select=None))


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters", [{}, {"regime": "trained", "depth": 1}, {"relevance": True, "depth": 1}], ids=str
)
@pytest.mark.parametrize("estimator", BOTH)
def test_check_estimator_with_selection(estimator, parameters):
    assert passes(estimator(**parameters))


@pytest.mark.parametrize("name", ["regressor", "trained", "classifier"])
def test_pickle(problem, name, request):
    model = request.getfixturevalue(name)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(problem.x_test), model.predict(problem.x_test))
    assert copy.network_ == model.network_


def test_cloudpickle_of_a_network_with_a_lambda():
    cloudpickle = pytest.importorskip("cloudpickle")
    network = nn.Sequential(nn.Dense(1), nn.Elementwise(lambda x: x**2 + x, kinks=()), nn.Dense(1))
    copy = pickle.loads(cloudpickle.dumps(InfiniteNetRegressor(network)))
    assert copy.network.layers[1].function(2.0) == 6.0


def test_clone_keeps_the_network(problem):
    network = nn.Sequential(nn.Dense(1), nn.Erf(), nn.Dense(1))
    model = InfiniteNetRegressor(network, noise=0.1, select=None)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(problem.x)
    with pytest.raises(NotFittedError):
        InfiniteNetClassifier().predict_proba(problem.x)


def test_grid_search_over_networks_in_a_pipeline(problem):
    pipeline = make_pipeline(StandardScaler(), InfiniteNetRegressor(select=None, standardize=True))
    good = nn.Sequential(nn.Dense(1, b_std=1.0), nn.Relu(), nn.Dense(1))
    bad = nn.Sequential(nn.Dense(1, w_std=1e-3, b_std=1.0), nn.Relu(), nn.Dense(1))  # nearly constant
    grid = {"infinitenetregressor__network": [bad, good], "infinitenetregressor__noise": [0.01]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(problem.x, problem.y)
    assert search.best_params_["infinitenetregressor__network"] == good
    assert search.predict(problem.x_test).shape == (30,)


def test_categories_by_one_hot_codes(problem):
    frame = pd.DataFrame(problem.x, columns=list("abcd")).assign(group=np.where(problem.y > 0, "up", "down"))
    encode = ColumnTransformer([("group", OneHotEncoder(), ["group"])], remainder="passthrough")
    model = make_pipeline(encode, InfiniteNetClassifier(depth=1, select=None))
    assert cross_val_score(model, frame, problem.y > 0, cv=2).min() > 0.95
