"""Kernel ridge regression, against refitting and scikit-learn."""

import numpy as np
import pytest
import sklearn.kernel_ridge
from numpy_kernels import gaussian, linear, on_sphere

from nnlimits import rkhs

RNG = np.random.default_rng(0)
X, Z = RNG.standard_normal((20, 3)), RNG.standard_normal((7, 3))
Y = np.sin(X) @ RNG.standard_normal((3, 2)) + 0.1 * RNG.standard_normal((20, 2))


def test_scikit_learn_predicts_the_same():
    peer = sklearn.kernel_ridge.KernelRidge(alpha=0.3, kernel="precomputed").fit(gaussian(X, X), Y)
    found = rkhs.kernel_ridge(gaussian, X, Y, ridge=0.3)
    np.testing.assert_allclose(found(Z), peer.predict(gaussian(Z, X)), rtol=1e-9)
    np.testing.assert_allclose(found.residuals, Y - peer.predict(gaussian(X, X)), rtol=1e-8)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_leave_one_out_is_refitting(ridge):
    found = rkhs.kernel_ridge(gaussian, X, Y, ridge=ridge)
    refitted = []
    for i in range(len(X)):
        rest = np.delete(np.arange(len(X)), i)
        weights = np.linalg.solve(gaussian(X[rest], X[rest]) + ridge * np.eye(len(rest)), Y[rest])
        refitted.append(Y[i] - gaussian(X[i : i + 1], X[rest])[0] @ weights)
    np.testing.assert_allclose(found.loo, refitted, rtol=1e-5)
    assert found.loo_error == pytest.approx(np.mean(np.square(refitted)), rel=1e-5)


def test_generalized_cross_validation():
    """By its definition, from the hat matrix; and without ridge, the limit of small ones."""
    found = rkhs.kernel_ridge(gaussian, X, Y, ridge=0.2)
    hat = gaussian(X, X) @ np.linalg.inv(gaussian(X, X) + 0.2 * np.eye(20))
    expected = np.mean(np.square(Y - hat @ Y)) / (1 - np.trace(hat) / 20) ** 2
    assert found.gcv == pytest.approx(expected, rel=1e-10)
    assert found.degrees_of_freedom == pytest.approx(np.trace(hat), rel=1e-10)
    path = rkhs.ridge_path(gaussian, X, Y)
    assert path.at(0.0).gcv == pytest.approx(path.at(1e-7).gcv, rel=1e-3)


def test_ridge_is_chosen_from_one_eigendecomposition():
    ridges = np.geomspace(1e-4, 1e2, 13)
    path = rkhs.ridge_path(gaussian, X, Y)
    loo, gcv = path.errors(ridges)
    assert path.least_loo(ridges).ridge == pytest.approx(ridges[loo.argmin()])
    assert path.least_gcv(ridges).ridge == pytest.approx(ridges[gcv.argmin()])
    assert path.least_loo(ridges).loo_error == pytest.approx(loo.min())


def test_both_estimate_the_test_error():
    """In expectation over samples of 100 on a sphere, where all have like leverages: 60 samples leave a standard error of 2 %.

    Where leverages differ, as of normal inputs, generalized cross-validation is too low by 9 % here, and leave-one-out is not.
    """
    generator = np.random.default_rng(1)
    found, errors = [], []
    test = on_sphere(generator, 1000, 3, 1.7)
    for _ in range(60):
        x = on_sphere(generator, 100, 3, 1.7)
        y = np.sin(2 * x[:, 0]) + 0.5 * generator.standard_normal(100)
        fitted = rkhs.kernel_ridge(gaussian, x, y, ridge=1.0)
        found.append((fitted.gcv, fitted.loo_error))
        errors.append(np.mean((np.sin(2 * test[:, 0]) - fitted(test)) ** 2) + 0.25)
    np.testing.assert_allclose(np.mean(found, axis=0), np.mean(errors), rtol=0.06)


def test_bad_input():
    twins = np.concatenate([X, X[:1]])
    path = rkhs.ridge_path(gaussian, twins, np.append(Y[:, 0], 0.0))
    with pytest.raises(ValueError, match=r"singular to rounding .*; give at least"):
        path.at(0.0)
    assert np.isfinite(path.at(path.smallest_ridge).loo_error)
    with pytest.raises(ValueError, match="ridge must be finite and non-negative; received -1"):
        path.at(-1.0)
    with pytest.raises(TypeError, match="ridge must be one number"):
        path.at(np.ones(2))
    with pytest.raises(ValueError, match="ridges must be one or more numbers"):
        path.least_gcv([])
    with pytest.raises(ValueError, match="kernel is not positive semi-definite"):
        rkhs.ridge_path(lambda a, b: -linear(a, b), X, Y)
