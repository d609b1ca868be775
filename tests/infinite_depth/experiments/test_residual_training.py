"""Training to zero loss: spirals, and digits from the shared data."""

import numpy as np
import pytest

from nnlimits import datasets
from nnlimits.infinite_depth import experiments
from nnlimits.infinite_depth.experiments.principal_features import principal_features
from nnlimits.infinite_depth.experiments.residual_training import points_between, work


@pytest.mark.slow
@pytest.mark.parametrize("a_std", [0.0, 1.0])
def test_spirals_to_zero_loss(a_std):
    """From the identity, where the loss is 1/2, and from a law of full support: below 1e-3 of it, all on the right side."""
    told = []
    found = experiments.residual_spiral(60, layers=8, width=24, steps=1500, a_std=a_std, advance=told.append)
    assert len(told) == work(1500)
    assert found.course.risks[-1] < 1e-3 * found.course.risks[0]
    assert (np.diff(found.course.risks) < 0).all()
    assert found.accuracy == found.test_accuracy == 1
    assert (found.monitor.ratios >= found.monitor.guaranteed).all()
    assert (np.diff(found.monitor.movements.mean(1)) > 0).all()
    assert not found.monitor.certified


@pytest.mark.slow
def test_digits_to_zero_loss(shared_data):
    """Under the logistic loss, whose infimum is zero; accuracy on 1,991 test images, whose standard error is 0.5 %."""
    with np.load(shared_data / "mnist.npz") as file:
        train, test = (file["Xtrain"], file["ytrain"]), (file["Xtest"], file["ytest"])
    found = experiments.residual_digits(train, test, examples=300, steps=400, loss="logistic")
    assert found.course.risks[-1] < 1e-4
    assert found.accuracy == 1
    assert found.test_accuracy > 0.9
    squared = experiments.residual_digits(train, test, examples=200, width=32, features=32, steps=1500)
    assert squared.course.risks[-1] < 1e-2 * squared.course.risks[0]
    assert (squared.monitor.guaranteed > 0).all()
    assert (squared.monitor.ratios >= squared.monitor.guaranteed).all()


def test_principal_features():
    """Components of the examples are uncorrelated, of mean zero and of mean square norm one together."""
    x = np.random.default_rng(0).standard_normal((50, 4)) * [1.0, 3.0, 0.1, 2.0]
    centre, encoder = principal_features(x, 3)
    z = (x - centre) @ encoder
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-12)
    covariance = z.T @ z / 50
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-12)
    np.testing.assert_allclose(np.trace(covariance), 1)
    assert (np.diff(np.diag(covariance)) < 0).all()


def test_bad_input():
    images, labels = np.zeros((20, 2, 2)), np.arange(20) % 3
    with pytest.raises(ValueError, match="must hold 30 examples of the classes 0 and 2, of both; received 13"):
        experiments.residual_digits((images, labels), (images, labels), (0, 2), examples=30)
    with pytest.raises(ValueError, match="8 examples of 4 inputs have no 47 components; ask for fewer features"):
        experiments.residual_digits((images, labels), (images, labels), (0, 2), examples=8)
    with pytest.raises(ValueError, match="all examples are the same"):
        experiments.residual_digits((images, labels), (images, labels), (0, 2), examples=8, features=3)
    with pytest.raises(ValueError, match="points must be an even number of at least 4; received 7"):
        experiments.residual_spiral(7)
    with pytest.raises(ValueError, match="features must be at least 3"):
        experiments.residual_spiral(8, features=2)
    with pytest.raises(ValueError, match="layers must be an integer, at least 1; received 0"):
        experiments.residual_spiral(8, layers=0)


@pytest.mark.parametrize("points", [4, 40])
def test_no_test_point_is_one_of_training(points):
    """Half-way in radius, to rounding: a step of the radius is 0.85 / (points / 2 - 1), and angles are proportional to it."""
    (x, y), (test_x, test_y) = datasets.spirals(points), points_between(points)
    each = points // 2
    assert len(test_x) == len(test_y) == points - 2
    radii, between = np.linalg.norm(x, axis=1), np.linalg.norm(test_x, axis=1)
    for spiral in range(2):
        own, unseen = slice(spiral * each, (spiral + 1) * each), slice(spiral * (each - 1), (spiral + 1) * (each - 1))
        np.testing.assert_allclose(between[unseen], (radii[own][1:] + radii[own][:-1]) / 2, rtol=1e-6)
        assert (test_y[unseen] == y[own][0]).all()
        angles = 2.5 * np.pi * between[unseen] + spiral * np.pi
        expected = between[unseen, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        np.testing.assert_allclose(test_x[unseen], expected, atol=1e-6)
    nearest = np.linalg.norm(test_x[:, None] - x, axis=-1).min(1)
    assert nearest.min() > 0.4 * 0.85 / (each - 1)


def test_spirals():
    x, y = datasets.spirals(40)
    np.testing.assert_allclose(x[:20], -x[20:])
    np.testing.assert_allclose(np.linalg.norm(x[:20], axis=1), np.linspace(0.15, 1, 20), rtol=1e-6)
    assert y.sum() == 0
    distances = np.linalg.norm(x[:20, None] - x[None, 20:], axis=-1)
    assert distances.min() > 0.25
    with pytest.raises(ValueError, match="turns must be finite and positive"):
        datasets.spirals(8, turns=0.0)
