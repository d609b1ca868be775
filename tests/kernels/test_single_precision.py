"""Kernels in float32 against float64: everywhere, at any depth, and through to predictions."""

import math

import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn


def hard_rows(n=12, d=20):
    """Random rows, duplicates, near-duplicates at 1e-4, 1e-3 and 0.1, rows of three times the length; opposites of two kinds."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    off = rng.standard_normal((n, d))
    off /= np.linalg.norm(off, axis=1, keepdims=True)
    rows = [x, x, x + 1e-4 * off, x + 1e-3 * off, x + 0.1 * off, 3 * x, -x, -x - 1e-3 * off]
    return np.concatenate(rows).astype(np.float32)


def errors(activation, depth, w_std, b_std, x):
    """The largest errors of NNGP and NTK, each relative to the geometric mean of the diagonal entries, and of the diagonals."""
    net = nn.Sequential(*(nn.Dense(64, w_std, b_std), activation) * depth, nn.Dense(1))
    kernel, worst = nl.kernel(net), []
    exact = kernel(x.astype(np.float64))
    for single, diagonal, double in zip(kernel(x), kernel.diagonal(x), exact, strict=True):
        assert single.dtype == diagonal.dtype == np.float32
        a, b = np.asarray(single, float), np.asarray(double)
        root = np.sqrt(b.diagonal())
        entries = np.abs(a - b) / np.outer(root, root)
        alone = np.abs(np.asarray(diagonal, float) / b.diagonal() - 1)
        worst.append(max(entries.max(), alone.max()))
        np.testing.assert_allclose(a[:12, 12:24].diagonal(), a.diagonal()[:12], rtol=1e-6)  # duplicates
    return max(worst)


@pytest.mark.parametrize("b_std", [0.0, 0.1])
@pytest.mark.parametrize(("depth", "tolerance"), [(10, 1e-5), (50, 1e-4)])
def test_relu(depth, tolerance, b_std):
    """Seed 0. Measured: 1.5e-6 at depth 10 and 8e-6 at depth 50, which is the rounding of 50 layers, each some ulps of 6e-8."""
    x = hard_rows()
    assert errors(nn.Relu(), depth, math.sqrt(2), b_std, x) < tolerance


@pytest.mark.parametrize("b_std", [pytest.param(0.0, marks=pytest.mark.slow), 0.1])
@pytest.mark.parametrize(
    ("activation", "w_std"),
    [
        (nn.Gelu(), 1.5),
        (nn.LeakyRelu(0.1), math.sqrt(2 / 1.01)),
        pytest.param(nn.Erf(), 1.3, marks=pytest.mark.slow),
        pytest.param(nn.Abs(), 1.0, marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_other_activations_at_depth_ten(activation, w_std, b_std):
    """Seed 0. Measured: 5e-6 (Erf, Gelu), 3e-6 (Abs), 1e-6 (LeakyRelu).

    Near-opposite rows are left out for Abs, which makes near-duplicates of them: a deficit close to 2 is known to one rounding
    of 2, an angle of 5e-4, and a kinked even function's NTK is linear in it.
    """
    x = hard_rows()
    sets = [x[:72], np.concatenate([x[:24], x[72:84]])] if isinstance(activation, nn.Abs) else [x]
    assert max(errors(activation, 10, w_std, b_std, rows) for rows in sets) < 1e-5


def test_relu_entries_are_accurate_relative_to_themselves():
    """All entries of a ReLU kernel are positive, and none is small by cancellation at this depth."""
    x = hard_rows()
    kernel = nl.kernel(nn.Sequential(*(nn.Dense(64, math.sqrt(2)), nn.Relu()) * 10, nn.Dense(1)))
    for single, double in zip(kernel(x), kernel(x.astype(np.float64)), strict=True):
        np.testing.assert_allclose(np.asarray(single), np.asarray(double), rtol=1e-5)


@pytest.mark.parametrize("norm", [1e-3, 1e3])
def test_relu_at_other_scales(norm):
    x = (norm * hard_rows()).astype(np.float32)
    assert errors(nn.Relu(), 10, math.sqrt(2), 0.0, x) < 1e-5


@pytest.mark.parametrize("predict", [nl.posterior, nl.gradient_flow])
def test_near_duplicates_predict(predict):
    """Seed 0: 200 near-duplicate pairs at distance 1e-4 among 1,000 rows.

    The targets are a smooth function of the inputs, so that those of a pair agree. Predictions of order 1 are measured to agree
    to 5e-8; a kernel with errors of 1e-6, solved as it is, would be off by those over the pairs' small eigenvalues.
    """
    rng = np.random.default_rng(0)
    base, off = rng.standard_normal((800, 20)), rng.standard_normal((200, 20))
    off *= 1e-4 / np.linalg.norm(off, axis=1, keepdims=True)
    x = np.concatenate([base, base[:200] + off]).astype(np.float32)
    y = np.sin(x[:, :1].sum(1)).astype(np.float32)
    at = rng.standard_normal((50, 20)).astype(np.float32)
    kernel = nl.kernel(nn.Sequential(*(nn.Dense(64, math.sqrt(2), 0.1), nn.Relu()) * 3, nn.Dense(1)))
    single = predict(kernel, x, y)
    double = predict(kernel, *(a.astype(np.float64) for a in (x, y)))
    wide = at.astype(np.float64)
    for found, expected in ((single.mean(at), double.mean(wide)), (single.std(at), double.std(wide))):
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-5)
