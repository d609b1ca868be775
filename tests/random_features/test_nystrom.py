"""Nystrom features: exact on landmarks, below the kernel elsewhere, better with leverage scores, and their rate."""

import jax
import numpy as np
import pytest

import nnlimits as nl
from nnlimits.presets import mlp
from nnlimits.random_features import Stationary, leverage_landmarks, nystrom_features, uniform_landmarks

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(120, 3))
KERNELS = {"matern32": Stationary("matern32", 2.0), "ntk": nl.kernel(mlp(depth=1)).ntk}


@pytest.mark.parametrize("name", KERNELS)
def test_exact_where_one_input_is_a_landmark(name):
    kernel = KERNELS[name]
    embed = nystrom_features(kernel, X[:40])
    z, exact = np.asarray(embed(X)), np.asarray(kernel(X, X))
    np.testing.assert_allclose((z @ z.T)[:, :40], exact[:, :40], atol=1e-9 * exact.max())
    # what is missing elsewhere is positive semi-definite: the kernel of the rest
    assert np.linalg.eigvalsh(exact - z @ z.T).min() > -1e-9 * exact.max()


def test_all_examples_as_landmarks():
    error = nystrom_features(KERNELS["matern32"], X).error(X)
    assert max(error) < 1e-8


def test_single_precision():
    embed = nystrom_features(KERNELS["matern32"], X[:40].astype(np.float32))
    z = embed(X.astype(np.float32))
    assert z.dtype == np.float32
    exact = nystrom_features(KERNELS["matern32"], X[:40])
    # the jitter that single precision needs, 4 eps sqrt(m), and rounding errors enlarged by its root
    np.testing.assert_allclose(z @ z.T, np.asarray(exact(X)) @ np.asarray(exact(X)).T, atol=1e-3)


def test_repeated_landmarks_need_a_jitter():
    embed = nystrom_features(KERNELS["matern32"], np.concatenate([X[:20], X[:20]]))
    once = nystrom_features(KERNELS["matern32"], X[:20])
    np.testing.assert_allclose(
        np.asarray(embed(X)) @ np.asarray(embed(X)).T, once(X) @ np.asarray(once(X)).T, atol=1e-6
    )


def test_leverage_scores_find_what_uniform_landmarks_miss():
    random = np.random.default_rng(1)
    x = np.concatenate([random.normal(size=(580, 2)) * 0.05, random.uniform(-8, 8, size=(20, 2))])
    kernel = Stationary("gaussian", 1.0)
    uniform, leverage = (
        np.mean([nystrom_features(kernel, x[rows(key)]).error(x).frobenius for key in jax.random.split(KEY, 5)])
        for rows in (
            lambda key: uniform_landmarks(600, 40, key=key),
            lambda key: leverage_landmarks(kernel, x, 40, ridge=1e-4, key=key),
        )
    )
    # 40 landmarks are enough for all that is alone; uniform ones meet 1 or 2 of these 20
    assert leverage < 0.2 * uniform


def test_the_error_falls_at_least_as_one_over_the_root_of_the_landmarks():
    # Nystrom's error has no law of its own: with the spectrum it falls faster than that of random features
    kernel, counts = KERNELS["matern32"], np.array([8, 16, 32, 64])
    keys = jax.random.split(KEY, 6)
    errors = [
        np.mean([nystrom_features(kernel, X[uniform_landmarks(120, m, key=k)]).error(X).frobenius for k in keys])
        for m in counts
    ]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope < -0.5


def test_refusals():
    kernel = KERNELS["matern32"]
    with pytest.raises(ValueError, match="n_landmarks must be at most the number of examples, 120; received 121"):
        uniform_landmarks(120, 121, key=KEY)
    with pytest.raises(ValueError, match="not positive semi-definite"):
        nystrom_features(lambda a, b: -np.asarray(kernel(a, b)) + 2 * np.eye(len(a), len(b)), X[:40])
    with pytest.raises(TypeError, match="kernel must be a function"):
        nystrom_features("gaussian", X)
    with pytest.raises(ValueError, match=r"x must have examples of shape \(3,\), as the landmarks; received \(2,\)"):
        nystrom_features(kernel, X[:5])(X[:, :2])
    with pytest.raises(ValueError, match=r"kernel must give a matrix of shape \(5, 5\)"):
        nystrom_features(lambda a, b: np.ones(3), X[:5])
