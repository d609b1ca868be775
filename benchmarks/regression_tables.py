"""Regression tables of the benchmarks: standardised splits, and the noise that training rows alone choose."""

from typing import NamedTuple

import numpy as np

TUNING_ROWS = 2000
NOISES = np.logspace(-7, 2, 73)
"""Relative to the mean of the kernel's diagonal."""


class Problem(NamedTuple):
    """Standardised rows and targets to learn from and to predict."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def standardized(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> Problem:
    """Columns and targets in units of their spread over the training rows, without columns that are constant there."""
    x, y = x.astype(np.float64), y.astype(np.float64).ravel()
    x = x[:, x[train].std(0) > 0]
    x, y = (x - x[train].mean(0)) / x[train].std(0), (y - y[train].mean()) / y[train].std()
    return Problem(x[train], y[train], x[test], y[test])


def tuning_rows(x: np.ndarray) -> np.ndarray:
    """The first distinct rows: one that is repeated would be predicted by its copies, however little noise there is."""
    return np.sort(np.unique(x, axis=0, return_index=True)[1])[:TUNING_ROWS]


def chosen_noise(gram: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The noise of the least generalised cross-validation error, and its effective dimension, of distinct rows."""
    values, vectors = np.linalg.eigh(gram)
    values, rotated = values.clip(0), vectors.T @ (y - y.mean())
    noises = NOISES * np.mean(np.diagonal(gram))

    def validation(noise: float) -> float:
        left = noise / (values + noise)
        return float(np.mean((left * rotated) ** 2) / np.mean(left) ** 2)

    noise = float(min(noises, key=validation))
    return noise, float(np.sum(values / (values + noise)))
