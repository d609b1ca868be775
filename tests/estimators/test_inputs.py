"""Errors that name the argument, the row and the column."""

import numpy as np
import pandas as pd
import pytest

from nnlimits import InfiniteNetClassifier, InfiniteNetRegressor

QUICK = {"depth": 1, "select": None}
X = np.random.default_rng(0).normal(size=(12, 3))
Y = X[:, 0]
LABELS = np.where(Y > 0, "yes", "no")
FRAME = pd.DataFrame(X, columns=["age", "height", "weight"])


def with_entry(x, place, value):
    x = np.array(x, dtype=float)
    x[place] = value
    return x


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (with_entry(X, (3, 1), np.nan), Y, r"X contains NaN at row 3, column 1 \(1 entries"),
        (FRAME.mask(np.eye(12, 3, -4) > 0), Y, "X contains NaN at row 4, column 'age'"),
        (with_entry(X, (3, 1), np.inf), Y, "X contains infinity at row 3, column 1"),
        (X, with_entry(Y, 7, np.nan), "y contains NaN at row 7"),
        (X[0], Y, "Expected 2D array, got 1D array"),
        (X[None], Y, "X has 1, y has 12"),
        (X[:0], Y[:0], r"0 sample\(s\)"),
        (X[:, :0], Y, r"0 feature\(s\)"),
        (X, Y[:-1], "X has 12, y has 11"),
        (X, None, "y"),
        (X, Y * 1j, "y must be numeric, for regression; Complex data not supported: give the real and imaginary"),
        (X, pd.DataFrame({"y": Y * 1j}), "Complex data not supported"),
        (X, (Y * 1j).tolist(), "Complex data not supported"),
        (X, LABELS, "y must be numeric, for regression.*InfiniteNetClassifier"),
        (X, np.zeros((12, 2, 2)), r"y must have shape \(n,\) or \(n, outputs\); received \(12, 2, 2\)"),
        (FRAME.assign(colour="red"), Y, "feature 'colour' \\(column 3\\) is not numeric.*OneHotEncoder"),
        (FRAME.assign(born=pd.Timestamp("2000-01-01")), Y, "feature 'born'"),
    ],
)
def test_training_data(x, y, message):
    with pytest.raises(ValueError, match=message):
        InfiniteNetRegressor(**QUICK).fit(x, y)


def test_one_class():
    with pytest.raises(ValueError, match="y has one class only, 'no'"):
        InfiniteNetClassifier(**QUICK).fit(X, np.full(12, "no"))


@pytest.mark.parametrize(
    "make",
    [
        list,
        lambda y: np.array(y, dtype=object),
        pd.Series,
        lambda y: pd.Series(y, dtype="string"),
        lambda y: pd.Series(y, dtype="category"),
        lambda y: pd.DataFrame({"y": y}),
    ],
    ids=["list", "array", "series", "string", "category", "frame"],
)
@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_label_that_is_missing_is_no_class(make, missing):
    labels = [*LABELS.tolist()[:5], missing, *LABELS.tolist()[6:]]
    with pytest.raises(ValueError, match=r"there is no label at row 5 \(1 such rows\)"):
        InfiniteNetClassifier(**QUICK).fit(X, make(labels))


def test_a_number_that_is_missing_is_no_class():
    with pytest.raises(ValueError, match="there is no label at row 7"):
        InfiniteNetClassifier(**QUICK).fit(X, with_entry(np.arange(12) % 2, 7, np.nan))


def test_continuous_labels():
    with pytest.raises(ValueError, match="continuous"):
        InfiniteNetClassifier(**QUICK).fit(X, Y)


def test_features_at_prediction():
    model = InfiniteNetRegressor(**QUICK).fit(FRAME, Y)
    with pytest.raises(ValueError, match="X has 2 features, but InfiniteNetRegressor is expecting 3 features"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(FRAME.rename(columns={"age": "years"}))
    with pytest.raises(ValueError, match="X contains NaN at row 0, column 'height'"):
        model.predict(with_entry(X, (0, 1), np.nan))
    assert list(model.feature_names_in_) == ["age", "height", "weight"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"noise": -1.0}, "noise must be finite and non-negative; received -1"),
        ({"noise": np.nan}, "noise must be finite"),
        ({"noise": "low"}, 'noise must be "auto" or a number'),
        ({"regime": "frequentist"}, "regime must be one of 'bayesian', 'trained'; received 'frequentist'"),
        ({"select": "aic"}, "select must be None or one of 'marginal_likelihood', 'leave_one_out'; received 'aic'"),
        ({"time": 3.0}, 'time is for regime="trained"'),
        ({"time": -3.0, "regime": "trained"}, "time must be a number of at least 0"),
        ({"selection_rows": 1}, "selection_rows must be an integer of at least 2"),
        ({"selection_rows": "few"}, "selection_rows must be an integer of at least 2"),
        ({"network": "transformer"}, "network must be"),
        ({"depth": 0}, "depth must be"),
    ],
)
def test_parameters(parameters, message):
    for estimator, y in ((InfiniteNetRegressor, Y), (InfiniteNetClassifier, LABELS)):
        with pytest.raises(ValueError, match=message):
            estimator(**{**QUICK, **parameters}).fit(X, y)


def test_frames_of_mixed_numeric_types():
    mixed = FRAME.assign(
        age=FRAME.age > 0, height=(10 * FRAME.height).astype(int), weight=FRAME.weight.astype("float32")
    )
    model = InfiniteNetRegressor(**QUICK).fit(mixed, Y)
    np.testing.assert_allclose(model.predict(mixed), model.predict(mixed.astype(float)), rtol=1e-12)


@pytest.mark.parametrize("kind", [InfiniteNetRegressor, InfiniteNetClassifier])
def test_rows_of_targets(kind):
    with pytest.raises(ValueError, match=r"^X and y must have as many rows; X has 4, y has 3$"):
        kind().fit(np.eye(4), np.array([0, 1, 0]))
