"""Ridge leverage scores against their definition, exactly and by landmarks."""

import jax
import numpy as np
import pytest

from nnlimits.random_features import (
    LeverageSample,
    Stationary,
    approximate_leverage_scores,
    fourier_features,
    leverage_sample,
    leverage_weighted,
    ridge_leverage_scores,
)

KERNEL = Stationary("gaussian", 1.0)
RIDGE = 1e-3
random = np.random.default_rng(0)
# most examples alike, some alone: scores that differ by a factor of a hundred
X = np.concatenate([random.normal(size=(380, 2)) * 0.3, random.uniform(-6, 6, size=(20, 2))])
GRAM = np.asarray(KERNEL(X))
EXACT = np.diag(GRAM @ np.linalg.inv(GRAM + 400 * RIDGE * np.eye(400)))
KEY = jax.random.key(0)


def test_exact_scores():
    np.testing.assert_allclose(ridge_leverage_scores(GRAM, RIDGE), EXACT, atol=1e-10)
    assert EXACT.max() / EXACT.min() > 30


def test_all_examples_as_landmarks_give_the_exact_scores():
    sample = LeverageSample(np.arange(400), np.ones(400), RIDGE, 0.0)
    np.testing.assert_allclose(approximate_leverage_scores(KERNEL, X, sample), EXACT, rtol=1e-8)


def test_scores_by_landmarks():
    for key in jax.random.split(KEY, 5):
        sample = leverage_sample(KERNEL, X, RIDGE, key=key, oversampling=6.0)
        assert len(sample.rows) < 350
        assert len(set(sample.rows.tolist())) == len(sample.rows)
        ratio = approximate_leverage_scores(KERNEL, X, sample) / EXACT
        # Rudi et al. 2018, theorem 1, promises a constant factor; a factor of two is theirs
        assert ratio.min() > 0.5
        assert ratio.max() < 2
        assert sample.effective_dimension == pytest.approx(EXACT.sum(), rel=0.3)


def test_a_flat_kernel_needs_few_landmarks():
    sample = leverage_sample(Stationary("gaussian", 30.0), X, RIDGE, key=KEY)
    assert len(sample.rows) < 60


def test_leverage_chooses_better_features():
    x = X[:, :1]
    plain, chosen = (
        np.mean([make(key).error(x, ridge=RIDGE).spectral for key in jax.random.split(KEY, 20)])
        for make in (
            lambda key: fourier_features(1, 64, key=key, lengthscale=0.1),
            lambda key: leverage_weighted(
                fourier_features(1, 512, key=key, lengthscale=0.1), x, 64, RIDGE, key=jax.random.fold_in(key, 1)
            ),
        )
    )
    assert chosen < plain


def test_both_ways_to_score_features_agree():
    few, many = (fourier_features(2, n, key=KEY) for n in (300, 500))
    for pool in (few, many):
        z = np.asarray(pool(X))
        expected = np.diag(z.T @ z @ np.linalg.inv(z.T @ z + 400 * RIDGE * np.eye(z.shape[1])))
        from nnlimits.random_features.leverage import _column_scores

        np.testing.assert_allclose(_column_scores(z, 400 * RIDGE), expected, atol=1e-9)


def test_refusals():
    with pytest.raises(ValueError, match="ridge must be finite and positive"):
        ridge_leverage_scores(GRAM, 0.0)
    with pytest.raises(ValueError, match=r"gram must be a square matrix; received shape \(400, 2\)"):
        ridge_leverage_scores(GRAM[:, :2], 1.0)
    with pytest.raises(ValueError, match="not positive definite at this ridge"):
        ridge_leverage_scores(-GRAM, RIDGE)
    with pytest.raises(TypeError, match="features must come from independent draws"):
        leverage_weighted(KERNEL, X, 8, RIDGE, key=KEY)
    with pytest.raises(ValueError, match="n_features must be a multiple of 2"):
        leverage_weighted(fourier_features(2, 64, key=KEY), X, 7, RIDGE, key=KEY)
