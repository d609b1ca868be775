"""Random matrices with orthogonal rows: as random as independent Gaussian ones, with less variance.

Rows that are orthogonal within blocks leave every single row Gaussian, so estimates stay unbiased, and make the errors of
different rows cancel (Yu et al. 2016, "Orthogonal random features", Theorem 1). It matters for few columns: rows of many are
nearly orthogonal by themselves, so that blocks need not be large.
"""

import math

import numpy as np
from jaxtyping import Float32

Matrix = Float32[np.ndarray, "rows columns"]

_LARGEST = 64
"""Rows of a block, at most: the work of orthogonalizing them grows as their square."""


def orthogonal_rows(generator: np.random.Generator, shape: tuple[int, ...]) -> Matrix:
    """Unit vectors, uniform on the sphere, orthogonal within blocks of as many rows as there are columns, at most 64.

    **Arguments:** `generator`, of NumPy; `shape`, rows and columns.

    **Returns:** float32, of that shape.
    """
    rows, columns = shape
    size = min(columns, _LARGEST)
    blocks = [_orthonormal(generator, min(size, rows - start), columns) for start in range(0, rows, size)]
    return np.concatenate(blocks)


def _orthonormal(generator: np.random.Generator, rows: int, columns: int) -> Matrix:
    """The first rows of an orthogonal matrix from the Haar measure (Mezzadri 2007)."""
    q, r = np.linalg.qr(generator.standard_normal((columns, rows), np.float32))
    return np.ascontiguousarray((q * np.where(np.diagonal(r) < 0, -1, 1).astype(np.float32)).T)


def spherical_rows(generator: np.random.Generator, shape: tuple[int, ...]) -> Matrix:
    """Orthogonal rows of length `sqrt(columns)`: those of the leverage-score distribution of homogeneous activations.

    A feature `phi(<g, x>)` of an activation of degree one has a leverage that grows as `|g|^2`; Gaussian rows drawn in
    proportion to it, and divided by its root, are uniform on this sphere (Zandieh et al. 2021, section 3.2).
    """
    return np.float32(np.sqrt(shape[-1])) * orthogonal_rows(generator, shape)


def spherical_mean_ratio(columns: int) -> float:
    """How much larger the mean of a homogeneous function of degree one is at a spherical row than at a Gaussian one.

    `sqrt(columns) / E|g|`: products of two such functions have equal means.
    """
    return math.sqrt(columns / 2) * math.exp(math.lgamma(columns / 2) - math.lgamma((columns + 1) / 2))


def gaussian_rows(generator: np.random.Generator, shape: tuple[int, ...]) -> Matrix:
    """Orthogonal rows, each from `N(0, I)`: their lengths are those of independent Gaussian vectors."""
    lengths = np.sqrt(generator.chisquare(shape[-1], (shape[0], 1))).astype(np.float32)
    return lengths * orthogonal_rows(generator, shape)
