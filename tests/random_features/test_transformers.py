"""Features as transformers of scikit-learn."""

import pickle
import warnings

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import nnlimits as nl
from nnlimits import nn
from nnlimits.random_features import (
    ArcCosineRandomFeatures,
    NetworkRandomFeatures,
    NystromTransformer,
    RandomFourierFeatures,
    fourier_features,
)
from nnlimits.random_features.transformers import scale_of

X = np.random.default_rng(0).normal(size=(80, 3))
FAMILIES = [
    RandomFourierFeatures(32, random_state=0),
    RandomFourierFeatures(32, law="matern32", orthogonal=True, random_state=0),
    RandomFourierFeatures(32, sampling="leverage", random_state=0),
    ArcCosineRandomFeatures(32, random_state=0),
    NystromTransformer(32, kernel="matern52", random_state=0),
    NystromTransformer(32, sampling="leverage", random_state=0),
]


def passes(transformer) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(transformer, on_fail="raise")
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}
    return len(results) > 40


@pytest.mark.parametrize("transformer", [pytest.param(FAMILIES[0], id="fourier")])
def test_check_estimator(transformer):
    assert passes(transformer)


@pytest.mark.slow
@pytest.mark.parametrize("transformer", [*FAMILIES[1:], NetworkRandomFeatures(None, 64)], ids=repr)
def test_check_estimator_of_all(transformer):
    assert passes(transformer)


@pytest.mark.parametrize("transformer", FAMILIES, ids=repr)
def test_features_of_a_kernel(transformer):
    fitted = clone(transformer).fit(X)
    z = fitted.transform(X)
    assert z.shape == (80, 32)
    assert isinstance(z, np.ndarray)
    assert len(fitted.get_feature_names_out()) == 32
    assert 0 < fitted.kernel_error().frobenius < 0.5
    assert fitted.kernel_error(X[:10]) == fitted.features_.error(X[:10])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), z)
    np.testing.assert_array_equal(clone(transformer).fit(X).transform(X), z)


def test_the_function_behind_it():
    fitted = RandomFourierFeatures(32, random_state=3).fit(X)
    key = jax.random.key(np.random.RandomState(3).randint(2**31 - 1))
    same = fourier_features(3, 32, lengthscale=scale_of(X), key=key)
    np.testing.assert_array_equal(fitted.transform(X), same(X))


def test_the_scale_of_columns():
    assert scale_of(X) == pytest.approx(np.sqrt(X.var(0).sum()), rel=1e-12)
    assert scale_of(np.full((80, 3), 0.1)) == 1  # of which the mean is not 0.1 to all digits
    assert scale_of(np.float32([[1e8, 0.0], [1e8, 2.0]])) == pytest.approx(1)


def test_in_a_pipeline():
    y = np.sin(X[:, 0])
    model = make_pipeline(RandomFourierFeatures(256, random_state=0), Ridge(1e-3)).fit(X, y)
    assert model.score(X, y) > 0.99


@pytest.mark.slow
def test_networks():
    fitted = NetworkRandomFeatures(None, 64, random_state=0).fit(X)
    assert fitted.kernel_error(X[:20]).frobenius < 0.5


def test_pickled_with_the_kernel_of_a_network():
    kernel = nl.kernel(nn.Sequential(nn.Dense(8), nn.Relu(), nn.Dense(1))).ntk
    fitted = NystromTransformer(8, kernel=kernel, random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert again.kernel == kernel


@pytest.mark.parametrize("family", [RandomFourierFeatures, ArcCosineRandomFeatures, NystromTransformer])
@pytest.mark.parametrize("sampling", ["uniform", "leverage"])
def test_numbers_of_features_that_are_none(family, sampling):
    """The number that was given is named, not a multiple of it that leverage scores choose among."""
    for wrong, error, message in (
        (-3, ValueError, "n_features must be an integer, at least .; received -3"),
        (2.5, TypeError, "n_features must be an integer; received 2.5"),
        (None, TypeError, "n_features must be an integer; received None"),
        ("8", TypeError, "n_features must be an integer; received '8'"),
    ):
        with pytest.raises(error, match=message):
            family(wrong, sampling=sampling).fit(X)


def test_refusals():
    with pytest.raises(TypeError, match=r"kernel must be one of a network's two kernels: .*\.ntk or \.nngp"):
        NystromTransformer(8, kernel=nl.kernel(nn.Dense(1))).fit(X)
    with pytest.raises(ValueError, match="sampling must be one of 'uniform', 'leverage'; received 'grid'"):
        RandomFourierFeatures(sampling="grid").fit(X)
    with pytest.raises(ValueError, match="kernel must be a function, or one of 'gaussian'"):
        NystromTransformer(kernel="rbf").fit(X)
    bad = X.copy()
    bad[5, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        RandomFourierFeatures().fit(bad)
