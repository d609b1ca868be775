"""Fixtures of the kernel tests: every activation, and an integrator that shares nothing with the library.

`architectures.py` and `full_covariance.py` are importable by the tests beside them.
"""

import sys
from pathlib import Path

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from nnlimits import nn

sys.path.insert(0, str(Path(__file__).parent))

CLOSED_FORM = (
    nn.Relu(),
    nn.LeakyRelu(0.1),
    nn.ABRelu(-0.4, 1.3),
    nn.Abs(),
    nn.Step(),
    nn.Sign(),
    nn.RectifiedMonomial(2),
    nn.RectifiedMonomial(3),
    nn.Erf(),
    nn.Erf(0.5, 2.0, -0.25),
    nn.Gelu(),
    nn.Sin(),
    nn.Sin(0.5, 2.0, 0.75),
    nn.Cos(),
    nn.Cos(0.5, 2.0, 0.75),
    nn.Rbf(0.25),
    nn.Gaussian(),
    nn.Exp(1.0, 0.4),
    nn.ExpNormalized(0.5),
    nn.Gabor(),
    nn.Hermite(3),
    nn.Monomial(2),
    nn.Polynomial((0.1, 0.5, 0.2)),
)
BY_QUADRATURE = (
    nn.Gelu(approximate=True),
    nn.Tanh(),
    nn.Sigmoid(),
    nn.Silu(),
    nn.Softplus(),
    nn.Elu(0.7),
    nn.Selu(),
    nn.Mish(),
    nn.HardTanh(),
    nn.Elementwise(lambda x: jnp.maximum(x - 0.5, 0.0), kinks=(0.5,)),
)


@pytest.fixture(params=CLOSED_FORM + BY_QUADRATURE, ids=repr)
def activation(request):
    """Every activation of the language in turn."""
    return request.param


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_REACH = 13.0
_SPREAD = np.concatenate([[0.0], *([-v, v] for v in 2.0 ** np.arange(-2, 7))])


def _gaussian_rule(ends):
    ends = np.sort(np.clip(ends, -_REACH, _REACH), axis=-1)
    left, right = ends[..., :-1, None], ends[..., 1:, None]
    z = (left + right) / 2 + (right - left) / 2 * _NODES
    w = (right - left) / 2 * _WEIGHTS * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return z.reshape(*ends.shape[:-1], -1), w.reshape(*ends.shape[:-1], -1)


def _nested(function, kinks, q1, q2, deficit):
    """`E[f(u) f(v)]` in NumPy, float64: Gauss-Legendre panels over `u` and, given each `u`, over `v`.

    The panels end at the kinks of `f` and at 0.25 ... 64 to both sides of them and of zero, in `u`, in `v` given `u`, and
    in the mean of `v` given `u`.
    """
    r1, r2, c, s = np.sqrt(q1), np.sqrt(q2), 1 - deficit, np.sqrt(deficit * (2 - deficit))
    centres = {0.0, *kinks}
    features = np.unique([x for k in centres for x in k + _SPREAD])
    unit = np.arange(-_REACH, _REACH + 1)
    outer = [unit, features / r1]
    if abs(c) > 1e-3:
        outer += [features / (r2 * c), *(k / (r2 * c) + _SPREAD * s / abs(c) for k in centres)]
    z, w = _gaussian_rule(np.unique(np.concatenate(outer).clip(-_REACH, _REACH)))
    total = 0.0
    for part in np.array_split(np.arange(z.size), 20):
        mean = r2 * c * z[part]
        if s == 0:
            inner = function(mean)
        else:
            ends = np.concatenate(
                [np.broadcast_to(unit, (part.size, unit.size)), (features - mean[:, None]) / (r2 * s)], 1
            )
            y, v = _gaussian_rule(ends)
            inner = (v * function(mean[:, None] + r2 * s * y)).sum(1)
        total += (w[part] * function(r1 * z[part]) * inner).sum()
    return total


@pytest.fixture(scope="session")
def nested_quadrature():
    """`f(function, kinks, q1, q2, deficit)`, the expectation `E[function(u) function(v)]`, good to 1e-13."""
    return _nested


VARIANCES = (1e-6, 1e-3, 0.3, 1.0, 2.0, 10.0, 1e3, 1e6)
DEFICITS = (0.0, 1e-12, 1e-8, 1e-4, 1e-2, 0.1, 0.3, 0.7, 1.0, 1.3, 1.8, 1.99, 1.9999, 2 - 2.0**-27, 2.0)


@pytest.fixture(scope="session")
def pairs():
    """`(q1, q2, deficit)` over variances from 1e-6 to 1e6 and correlations from 1 to -1, both included."""
    cases = [(a, b, d) for a in VARIANCES for b in VARIANCES if a <= b for d in DEFICITS]
    return np.array(cases).T


@pytest.fixture(scope="session")
def dual_errors(pairs):
    """`f(dual, value, derivative)`: how far a dual is from two functions of `(q1, q2, c)` in mpmath.

    Returns the errors of the mean squares (relative), of the deficit, and of `E[phi' phi']` (relative to its geometric
    mean of the two variances), the largest of each.
    """

    def errors(found, value, derivative):
        with mp.workdps(40):
            one = mp.mpf(1)
            square = {q: value(mp.mpf(q), mp.mpf(q), one) for q in VARIANCES}
            slope = {q: derivative(mp.mpf(q), mp.mpf(q), one) for q in VARIANCES}
            rows = zip(*pairs, *(np.broadcast_to(np.asarray(v), pairs[0].shape) for v in found), strict=True)
            worst = [0.0, 0.0, 0.0]
            for q1, q2, d, p1, p2, deficit, change in rows:
                u, v, c = mp.mpf(q1), mp.mpf(q2), 1 - mp.mpf(d)
                root = mp.sqrt(square[q1] * square[q2])
                here = (
                    max(abs(p1 / square[q1] - 1), abs(p2 / square[q2] - 1)),
                    abs(1 - value(u, v, c) / root - deficit),
                    abs(derivative(u, v, c) - change) / mp.sqrt(slope[q1] * slope[q2]) if slope[q1] else abs(change),
                )
                worst = [max(a, float(b)) for a, b in zip(worst, here, strict=True)]
        return worst

    return errors
