"""Support vector machines on Gram matrices."""

import numpy as np
import pytest
import sklearn.svm
from numpy_kernels import gaussian, linear

from nnlimits import rkhs

RNG = np.random.default_rng(0)
X, Z = RNG.standard_normal((60, 2)), RNG.standard_normal((20, 2))
TWO = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
THREE = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def test_scikit_learn_on_its_own_kernel():
    peer = sklearn.svm.SVC(C=2.0, kernel="rbf", gamma=0.5, tol=1e-6).fit(X, TWO)
    found = rkhs.kernel_svm(gaussian, X, TWO, penalty=2.0)
    sign = 1 if found.classes[1] == peer.classes_[1] else -1
    np.testing.assert_allclose(found.decision(Z), sign * peer.decision_function(Z), atol=1e-4)
    assert (found(Z) == peer.predict(Z)).all()
    assert len(found.support_vectors) == len(peer.support_)


def test_solution_is_optimal_and_has_its_margin():
    """The duality gap bounds how far it is from the best; separable points lie at the margin or beyond."""
    points = np.array([[2.0, 0.0], [3.0, 1.0], [-2.0, 0.0], [-3.0, 1.0]])
    found = rkhs.kernel_svm(linear, points, [1, 1, 0, 0], penalty=100.0)
    assert found.margin == pytest.approx(2.0, rel=1e-5)  # by hand: the gap between x = -2 and x = 2 is 4
    assert 0 <= rkhs.kernel_svm(gaussian, X, TWO).duality_gap < 1e-5
    np.testing.assert_allclose(found.decision(points), [1, 1.5, -1, -1.5], rtol=1e-4)


def test_three_classes():
    found = rkhs.kernel_svm(gaussian, X, THREE, penalty=10.0)
    assert found.decision(Z).shape == (20, 3)
    assert np.mean(found(X) == THREE) > 0.9
    assert found.margin.shape == (3,)


def test_regression_stays_within_epsilon():
    """With a large penalty all targets that a smooth function has are within epsilon of it."""
    y = np.sin(X[:, 0])
    found = rkhs.kernel_svr(gaussian, X, y, penalty=1e3, epsilon=0.05)
    assert np.abs(found(X) - y).max() < 0.05 + 1e-3
    peer = sklearn.svm.SVR(C=1e3, epsilon=0.05, gamma=0.5, tol=1e-6).fit(X, y)
    np.testing.assert_allclose(found(Z), peer.predict(Z), atol=1e-3)
    assert len(found.points) < len(X)


def test_bad_input():
    with pytest.raises(ValueError, match=r"two classes or more; received \[0\] only"):
        rkhs.kernel_svm(gaussian, X, np.zeros(60, int))
    with pytest.raises(ValueError, match="one entry for each of the 60 examples"):
        rkhs.kernel_svm(gaussian, X, TWO[:3])
    with pytest.raises(ValueError, match="penalty must be finite and positive; received 0"):
        rkhs.kernel_svm(gaussian, X, TWO, penalty=0)
    with pytest.raises(ValueError, match="NaN or infinity at index 0"):
        rkhs.kernel_svm(gaussian, X, np.full(60, np.nan))
    with pytest.raises(ValueError, match=r"squared norm -.*not positive semi-definite"):
        rkhs.kernel_svm(lambda a, b: -gaussian(a, b), X, TWO)
    with pytest.raises(TypeError, match="labels must be of one kind"):
        rkhs.kernel_svm(gaussian, X, np.array(["a", None] * 30, object))
    with pytest.raises(ValueError, match="give less than"):
        rkhs.kernel_svr(gaussian, X, np.sin(X[:, 0]), epsilon=5.0)
