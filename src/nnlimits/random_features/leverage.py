"""Ridge leverage scores: how much each example, or each random feature, matters to ridge regression."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import ArrayLike, Float, Int

from nnlimits.compute.cholesky import cholesky_in_place, inverse_diagonal
from nnlimits.nn.fields import as_integer
from nnlimits.random_features.feature_map import RandomFeatureMap
from nnlimits.random_features.randomness import generator
from nnlimits.validation import check_finite, check_inputs, check_positive

Kernel = Callable[..., Any]
"""A positive semi-definite kernel: `kernel(x1, x2)`, `(n1, n2)`."""

OVERSAMPLING = 4.0
"""Landmarks for each unit of effective dimension."""


def ridge_leverage_scores(gram: ArrayLike, ridge: float) -> Float[np.ndarray, " n"]:
    """The ridge leverage scores of examples, `diag(K (K + n ridge I)^{-1})`, each between 0 and 1, exactly.

    Their sum is the effective dimension. Time grows as the cube of n: see `approximate_leverage_scores`.

    **Arguments:** `gram`, a positive semi-definite matrix (n, n); `ridge`, the regularisation `lambda` of `(K + n lambda I)`.

    **Raises:** `ValueError` for a matrix that is not square or not finite, or a ridge that is not positive or too small beside
    the rounding errors of the matrix.

    Alaoui & Mahoney 2015, Definition 1.
    """
    check_positive("ridge", ridge)
    k = np.asarray(gram, np.float64)
    if k.ndim != 2 or k.shape[0] != k.shape[1] or not len(k):
        raise ValueError(f"gram must be a square matrix; received shape {k.shape}")
    check_finite("gram", k)
    shift = len(k) * ridge
    return np.clip(1 - shift * _inverse_diagonal(k, shift), 0, 1)


def _inverse_diagonal(k: np.ndarray, shift: float) -> np.ndarray:
    """The diagonal of `(K + shift I)^{-1}`."""
    shifted = np.array(k, order="F")
    shifted.flat[:: len(k) + 1] += shift
    lower = cholesky_in_place(shifted)
    if lower is None:
        least = float(np.finfo(np.float64).eps * len(k) * np.trace(k) / len(k) ** 2)
        raise ValueError(
            f"the matrix plus n ridge I is not positive definite at this ridge, {shift / len(k):.3g}: it is not a kernel "
            f"matrix, or the ridge is below its rounding errors; in float64 a ridge above {least:.1g} would do, in float32 "
            f"one above {least * 1e9:.1g}"
        )
    return inverse_diagonal(lower)


class LeverageSample(NamedTuple):
    """Landmarks that were drawn in proportion to leverage scores, and the scores that were estimated by them."""

    rows: Int[np.ndarray, " m"]
    """The landmarks, as rows of the examples, each once."""
    weights: Float[np.ndarray, " m"]
    """The weight of each in `approximate_leverage_scores`: large where a landmark stands for few examples."""
    ridge: float
    effective_dimension: float
    """The sum of the scores over all examples, estimated."""


def leverage_sample(
    kernel: Kernel, x: Any, ridge: float, *, key: Any, oversampling: float = OVERSAMPLING
) -> LeverageSample:
    """Draw landmarks in proportion to approximate ridge leverage scores, without the Gram matrix of all examples.

    The ridge falls from the kernel's largest value by factors of two; at each value, some uniformly drawn examples are scored
    by the landmarks of the value before, and landmarks are drawn from them by these scores. The Gram matrices that are formed
    are those of landmarks: of about `oversampling` times the effective dimension.

    **Arguments:** `kernel`, called as `kernel(x1, x2)`; `x`, examples (n, ...); `ridge`, the regularisation `lambda` of
    `(K + n lambda I)`; `key`, a JAX random key; `oversampling`, landmarks for each unit of effective dimension, 1 or more.

    **Raises:** `ValueError` or `TypeError` naming the argument that is out of range.

    Rudi, Calandriello, Carratino & Rosasco 2018 ("BLESS"), Algorithm 1.
    """
    check_positive("ridge", ridge)
    check_positive("oversampling", oversampling)
    random = generator(key)
    x = np.asarray(check_inputs("x", x, rank=max(np.ndim(x), 2)))
    diagonal = kernel_diagonal(kernel, x)
    n, largest = len(x), float(diagonal.max())
    check_positive("the kernel's largest diagonal entry", largest)
    steps = max(1, int(np.ceil(np.log2(largest / ridge))))
    sample = LeverageSample(np.empty(0, int), np.empty(0), largest, 0.0)
    for level in ridge * 2.0 ** np.arange(steps - 1, -1, -1):
        tried = random.permutation(n)[: int(min(n, np.ceil(oversampling * 2 * largest / level)))]
        scores = approximate_leverage_scores(
            kernel, x, sample._replace(ridge=float(level)), rows=tried, diagonal=diagonal
        )
        dimension = float(scores.sum()) * n / len(tried)
        expected = np.minimum(1.0, oversampling * dimension * scores / scores.sum())
        drawn = random.random(len(tried)) < expected
        drawn[scores.argmax()] = True
        # the chance that an example is a landmark: that it is tried, and then drawn
        weights = expected[drawn] * len(tried) / n
        sample = LeverageSample(tried[drawn], weights, float(level), dimension)
    return sample


def approximate_leverage_scores(
    kernel: Kernel, x: Any, sample: LeverageSample, *, rows: Any = None, diagonal: Any = None
) -> Float[np.ndarray, " n"]:
    """Ridge leverage scores estimated by landmarks, of all examples or of some.

    `(k(x, x) - k(x, J) (K_JJ + n ridge A)^{-1} k(J, x)) / (n ridge)`, with landmarks J and the diagonal matrix A of their
    weights: the exact score if all examples are landmarks of weight 1.

    **Arguments:** `kernel` and `x`, as they were sampled; `sample`, of `leverage_sample`; `rows`, of the examples to score,
    all if left out; `diagonal`, the kernel of each example with itself, (n,), if it is known.

    Rudi, Calandriello, Carratino & Rosasco 2018, eq. 3.
    """
    x = np.asarray(check_inputs("x", x, rank=max(np.ndim(x), 2)))
    diagonal = kernel_diagonal(kernel, x) if diagonal is None else np.asarray(diagonal)
    rows = np.arange(len(x)) if rows is None else rows
    shift = len(x) * sample.ridge
    unexplained = diagonal[rows]
    if len(sample.rows):
        landmarks = x[sample.rows]
        k = np.array(kernel(landmarks, landmarks), np.float64)
        k.flat[:: len(k) + 1] += shift * sample.weights
        lower = np.linalg.cholesky(k)
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            cross = np.asarray(kernel(landmarks, x[rows[block]]), np.float64)
            whitened = scipy.linalg.solve_triangular(lower, cross, lower=True, check_finite=False)
            unexplained[block] -= np.einsum("ij,ij->j", whitened, whitened)
    return np.clip(unexplained / shift, np.finfo(np.float64).tiny, 1)


_BLOCK = 4096


def kernel_diagonal(kernel: Kernel, x: np.ndarray) -> Float[np.ndarray, " n"]:
    """The kernel of each example with itself, by small blocks: few of what is computed is thrown away."""
    parts = [np.diagonal(np.asarray(kernel(x[i : i + 32], x[i : i + 32]))) for i in range(0, len(x), 32)]
    return np.concatenate(parts).astype(np.float64)


def leverage_weighted(
    features: RandomFeatureMap, x: Any, n_features: int, ridge: float, *, key: Any
) -> RandomFeatureMap:
    """Choose among random features by their ridge leverage scores on examples, and weigh them so that they stay unbiased.

    Of a pool of features with matrix Z (n, D), a draw is chosen with probability in proportion to its entries of
    `diag(Z^T Z (Z^T Z + n ridge I)^{-1})`, independently, and divided by the root of that probability. For the same error of
    ridge regression fewer features are needed than of plain draws.

    **Arguments:** `features`, the pool, a few times as large as what is wanted; `x`, examples (n, d) of the data that are to be
    learned; `n_features`, how many to choose; `ridge`, the regularisation `lambda` of `(K + n lambda I)`; `key`, a JAX random
    key.

    **Returns:** features of the same kernel.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.

    Li, Ton, Oglic & Sejdinovic 2019, Algorithm 1; Avron et al. 2017; Bach 2017.
    """
    if not isinstance(features, RandomFeatureMap):
        raise TypeError(
            "features must come from independent draws, as fourier_features and arc_cosine_features give them; received "
            f"{type(features).__name__}"
        )
    columns = features.n_features // features.n_draws
    if as_integer("n_features", columns, n_features) % columns:
        raise ValueError(f"n_features must be a multiple of {columns}, the features of a draw; received {n_features}")
    check_positive("ridge", ridge)
    random, z = generator(key), np.asarray(features(x), np.float64)
    scores = _column_scores(z, len(z) * ridge).reshape(columns, -1).sum(0)
    chance, count = scores / scores.sum(), n_features // columns
    draws = random.choice(len(chance), count, p=chance)
    return features.take(draws, 1 / np.sqrt(count * chance[draws]))


def _column_scores(z: np.ndarray, shift: float) -> np.ndarray:
    """The ridge leverage scores of the columns, by whichever Gram matrix is smaller."""
    if z.shape[1] <= z.shape[0]:
        return np.maximum(1 - shift * _inverse_diagonal(z.T @ z, shift), np.finfo(np.float64).tiny)
    k = z @ z.T
    k.flat[:: len(k) + 1] += shift
    whitened = scipy.linalg.solve_triangular(np.linalg.cholesky(k), z, lower=True, check_finite=False)
    return np.maximum(np.einsum("ij,ij->j", whitened, whitened), np.finfo(np.float64).tiny)
