"""A network, its kernel, and small data sets that the tests of prediction share."""

import math
from typing import NamedTuple

import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn


class Data(NamedTuple):
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray


@pytest.fixture(scope="session")
def kernel():
    """Two hidden ReLU layers, as in the golden cases."""
    scales = {"w_std": math.sqrt(1.5), "b_std": math.sqrt(0.1)}
    return nl.kernel(
        nn.Sequential(nn.Dense(1, **scales), nn.Relu(), nn.Dense(1, **scales), nn.Relu(), nn.Dense(1, **scales))
    )


@pytest.fixture(scope="session")
def data() -> Data:
    """Twelve examples with two outputs, five test inputs; float64."""
    rng = np.random.default_rng(0)
    return Data(rng.normal(size=(12, 4)), rng.normal(size=(12, 2)), rng.normal(size=(5, 4)))


@pytest.fixture(scope="session")
def golden(shared_data):
    return dict(np.load(shared_data / "golden" / "golden.npz"))


def relative(found, expected) -> float:
    """The largest difference, relative to the largest expected entry."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return float(abs(found - expected).max() / max(abs(expected).max(), 1e-300))


@pytest.fixture(scope="session")
def error():
    return relative
