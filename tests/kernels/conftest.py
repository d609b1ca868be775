"""Fixtures of the kernel tests: every activation, and an integrator that shares nothing with the library."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

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
