"""Convolutions and pooling with a number of zeros for padding, against a recursion with all pairs of positions in NumPy."""

import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn

X = np.random.default_rng(0).standard_normal((2, 8, 3)).astype(np.float32)


def taps(size, kernel, stride, zeros):
    """For each tap the matrix (outputs, inputs) of what it reads."""
    outputs = (size + 2 * zeros - kernel) // stride + 1
    found = np.zeros((kernel, outputs, size))
    for k in range(kernel):
        for p in range(outputs):
            if 0 <= stride * p + k - zeros < size:
                found[k, p, stride * p + k - zeros] = 1
    return found


def convolved(k, matrices, w, b):
    mixed = np.einsum("tpq,ijqr,tsr->ijps", matrices, k, matrices)
    return w**2 / len(matrices) * mixed + b**2


def relu(k):
    q = np.einsum("iipp->ip", k)
    scale = np.sqrt(q[:, None, :, None] * q[None, :, None, :])
    angle = np.arccos(np.clip(k / scale, -1, 1))
    return scale * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)


@pytest.mark.parametrize(
    ("stride", "zeros"), [(2, 1), *(pytest.param(*case, marks=pytest.mark.slow) for case in [(3, 2), (1, 2)])]
)
def test_against_all_pairs_of_positions(stride, zeros):
    """Two convolutions, a pooling whose zeros count, and an average: float32 against float64, 1e-5."""
    net = nn.Sequential(
        nn.Conv(1, 3, stride=stride, padding=zeros, w_std=1.3, b_std=0.4),
        nn.Relu(),
        nn.Conv(1, 3, stride=2, padding=(1,), w_std=1.2, b_std=0.1),
        nn.AvgPool(2, stride=1, padding=1),
        nn.GlobalAvgPool(),
    )
    first = taps(8, 3, stride, zeros)
    second = taps(first.shape[1], 3, 2, 1)
    pooling = taps(second.shape[1], 2, 1, 1).sum(0) / 2
    k = theta = convolved(np.einsum("ipc,jqc->ijpq", X, X).astype(float) / 3, first, 1.3, 0.4)
    k, slope = relu(k)
    theta = slope * theta
    k, theta = convolved(k, second, 1.2, 0.1), convolved(theta, second, 1.2, 0) + convolved(k, second, 1.2, 0.1)
    expected = [np.einsum("pq,ijqr,sr->ijps", pooling, values, pooling).mean((2, 3)) for values in (k, theta)]
    for found, value in zip(nl.kernel(net)(X), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5)
