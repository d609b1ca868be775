"""Nystrom features: the kernel's projection onto the span of landmarks."""

from itertools import pairwise
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from nnlimits.compute.cholesky import cholesky_in_place, inverse_of_lower
from nnlimits.compute.precision import adopt, precision_of
from nnlimits.nn.fields import as_integer
from nnlimits.random_features.feature_map import FeatureMap
from nnlimits.random_features.leverage import OVERSAMPLING, Kernel, approximate_leverage_scores, leverage_sample
from nnlimits.random_features.randomness import generator
from nnlimits.validation import check_inputs

BLOCK_ENTRIES = 2**22
"""Of the kernel between examples and landmarks, computed at a time: so many that the threads of the kernel's products and of the
features' seldom wait for each other."""
COLUMN_BLOCKS = 4
"""Of the whitening: what is below its triangle is left out of the products, three eighths of them."""


class NystromFeatures(FeatureMap):
    """Features `k(x, Z) L^{-T}`, `L L^T = k(Z, Z)`: their inner products are exact where one of the inputs is a landmark."""

    kernel: Kernel
    landmarks: Float[np.ndarray, "m ..."]
    whitening: Float[np.ndarray, "m m"]
    """The inverse of `L^T`, upper triangular."""
    jitter: float = eqx.field(static=True)
    """What was added to the diagonal of the landmarks' kernel, relative to its mean."""

    @property
    def n_features(self) -> int:
        """The number of landmarks."""
        return len(self.landmarks)

    def __call__(self, x: Any) -> Float[Array, "n features"]:
        """The features of inputs, (n, n_features), in their dtype.

        **Arguments:** `x` of shape (n, ...), with examples of the landmarks' shape, of any floating dtype.

        **Raises:** `ValueError` for other shapes than the landmarks', no rows, or entries that are not finite, with their
        place; `TypeError` for what is no real numbers, or is traced: it is computed on the host.
        """
        x = check_inputs("x", x, rank=self.landmarks.ndim)
        if x.shape[1:] != self.landmarks.shape[1:]:
            raise ValueError(
                f"x must have examples of shape {self.landmarks.shape[1:]}, as the landmarks; received {tuple(x.shape[1:])}"
            )
        x, m = np.asarray(x), self.n_features
        landmarks, whitening = self.landmarks.astype(x.dtype), self.whitening.astype(x.dtype)
        features = np.empty((len(x), m), x.dtype)
        step = max(1, BLOCK_ENTRIES // m)
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            kernel = np.asarray(self.kernel(x[rows], landmarks))
            for left, right in pairwise(np.linspace(0, m, 1 + COLUMN_BLOCKS, dtype=int)):
                np.matmul(kernel[:, :right], whitening[:right, left:right], out=features[rows, left:right])
        with precision_of(features):
            return adopt(features)

    def exact_kernel(self, x1: Any, x2: Any = None) -> Float[Array | np.ndarray, "n1 n2"]:
        """The kernel; arguments and errors are its own."""
        return self.kernel(x1, x1 if x2 is None else x2)


def nystrom_features(kernel: Kernel, landmarks: Any) -> NystromFeatures:
    """Nystrom features from landmarks: `embed(x1) @ embed(x2).T` is `k(x1, Z) k(Z, Z)^{-1} k(Z, x2)`.

    A jitter of a few rounding units is added to the diagonal of `k(Z, Z)`, and more only where it could not be factorized
    otherwise; what it was is `embed.jitter`.

    **Arguments:** `kernel`, a function of two batches such as `nnlimits.kernel(net).ntk` or `Stationary("gaussian", 2.0)`;
    `landmarks`, examples (m, ...), such as `x[uniform_landmarks(len(x), m, key=key)]`. In their dtype the kernel is computed.

    **Returns:** an immutable value: `embed(x)`, `embed.n_features`, `embed.error(probe)`.

    **Raises:** `ValueError` for landmarks that are not finite, or a matrix of theirs that is no kernel matrix.

    Williams & Seeger 2001; Rudi, Camoriano & Rosasco 2015.
    """
    if not callable(kernel):
        raise TypeError(f"kernel must be a function of two batches of examples; received {kernel!r}")
    z = np.asarray(check_inputs("landmarks", landmarks, rank=max(np.ndim(landmarks), 2)))
    k = np.asarray(kernel(z, z))
    if k.shape != (len(z), len(z)):
        raise ValueError(
            f"kernel must give a matrix of shape {(len(z), len(z))} for {len(z)} landmarks; it gave {k.shape}"
        )
    lower, jitter = _factor(np.asarray(k, np.float64), float(np.finfo(z.dtype).eps))
    return NystromFeatures(kernel, z, np.ascontiguousarray(inverse_of_lower(lower).T), jitter)


def _factor(k: np.ndarray, unit: float) -> tuple[np.ndarray, float]:
    """The Cholesky factor with the least jitter, in units of the mean diagonal, above the rounding errors of the entries."""
    mean = float(np.trace(k)) / len(k)
    if not (np.isfinite(k).all() and mean > 0):
        raise ValueError("the kernel of the landmarks has entries that are not finite, or is zero; is kernel a kernel?")
    jitter = 4 * unit * len(k) ** 0.5
    while jitter < 0.1:
        shifted = np.array(k, order="F")
        shifted.flat[:: len(k) + 1] += jitter * mean
        lower = cholesky_in_place(shifted)
        if lower is not None:
            return lower, jitter
        jitter *= 10
    raise ValueError(
        "the kernel's matrix of the landmarks is not positive semi-definite, even with a tenth of its mean diagonal added; is "
        "kernel a kernel?"
    )


def uniform_landmarks(n: int, n_landmarks: int, *, key: Any) -> Int[np.ndarray, " m"]:
    """Rows drawn uniformly without replacement, `(n_landmarks,)` of `n`.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """
    n_landmarks = _as_landmarks(n_landmarks, n)
    return generator(key).permutation(n)[:n_landmarks]


def leverage_landmarks(
    kernel: Kernel, x: Any, n_landmarks: int, *, ridge: float, key: Any, oversampling: float = OVERSAMPLING
) -> Int[np.ndarray, " m"]:
    """Rows drawn without replacement in proportion to approximate ridge leverage scores.

    Where the scores differ much, fewer landmarks are needed than of uniform ones: their number follows the effective dimension,
    not the largest score.

    **Arguments:** `kernel` and `x`, examples (n, ...); `n_landmarks`, how many to draw; `ridge`, the regularisation `lambda` of
    `(K + n lambda I)` that will be used; `key`, a JAX random key; `oversampling`, as of `leverage_sample`.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.

    Rudi, Camoriano & Rosasco 2015, section 3, "approximate leverage scores"; the scores by Rudi et al. 2018.
    """
    n_landmarks = _as_landmarks(n_landmarks, len(x))
    sample = leverage_sample(kernel, x, ridge, key=key, oversampling=oversampling)
    scores = approximate_leverage_scores(kernel, x, sample)
    return generator(key).choice(len(scores), n_landmarks, replace=False, p=scores / scores.sum())


def _as_landmarks(n_landmarks: Any, n: int) -> int:
    n_landmarks = as_integer("n_landmarks", 1, n_landmarks)
    if n_landmarks > n:
        raise ValueError(f"n_landmarks must be at most the number of examples, {n}; received {n_landmarks}")
    return n_landmarks
