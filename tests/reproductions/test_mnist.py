"""Published accuracies of infinitely wide networks on MNIST (Lee et al. 2018, Table 1), with our kernels and posterior."""

import math

import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn

CLASSES = 10


def _standardised(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), -1).astype(np.float64)
    return (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)


def _accuracy(data, rows: np.ndarray, depth: int, weight: float, bias: float) -> float:
    x, labels = _standardised(data["Xtrain"][rows]), data["ytrain"][rows]
    x_test, labels_test = _standardised(data["Xtest"]), data["ytest"]
    dense = {"w_std": math.sqrt(weight), "b_std": math.sqrt(bias)}
    network = nn.Sequential(*[nn.Dense(512, **dense), nn.Relu()] * depth, nn.Dense(CLASSES, **dense))
    y = np.eye(CLASSES)[labels] - 0.1
    fit = nl.posterior(nl.kernel(network), x, y, noise=1e-6)
    return float((np.asarray(fit.mean(x_test)).argmax(1) == labels_test).mean())


def test_one_thousand_examples(shared_data):
    data = np.load(shared_data / "mnist.npz")
    labels = data["ytrain"][10_000:]
    rows = np.sort(np.concatenate([10_000 + np.flatnonzero(labels == c)[:100] for c in range(CLASSES)]))
    assert _accuracy(data, rows, depth=20, weight=1.45, bias=0.28) == pytest.approx(0.9279, abs=0.004)


@pytest.mark.slow
def test_ten_thousand_examples(shared_data):
    data = np.load(shared_data / "mnist.npz")
    labels = data["ytrain"][10_000:]
    rows = np.sort(np.concatenate([10_000 + np.flatnonzero(labels == c)[:1000] for c in range(CLASSES)]))
    assert _accuracy(data, rows, depth=7, weight=0.61, bias=0.07) == pytest.approx(0.9765, abs=0.004)
