"""Orthogonal weights are isometries, and leave the signal as it was."""

import jax
import numpy as np
import pytest

from nnlimits import nn, signal


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_dense(parameterization):
    """Equal widths: the layer is `w_std` times an isometry; fewer or more: its singular values are equal, its mean gain w_std."""
    net = nn.Sequential(nn.Dense(12, w_std=1.5), nn.Dense(5), nn.Dense(9), parameterization=parameterization)
    params = signal.orthogonal_init(net, jax.random.key(0), (12,), dtype=np.float64)
    maps = [
        np.asarray(nn.Sequential(layer, parameterization=parameterization).apply((part,), np.eye(n))).T
        for layer, part, n in zip(net.layers, params, (12, 12, 5), strict=True)
    ]
    np.testing.assert_allclose(maps[0] @ maps[0].T, 1.5**2 * np.eye(12), atol=1e-12)
    for layer in maps[1:]:
        values = np.linalg.svd(layer, compute_uv=False)
        np.testing.assert_allclose(values, values[0], rtol=1e-12)
        np.testing.assert_allclose((layer**2).sum() / len(layer), 1.0, rtol=1e-12)


def test_scales_of_other_parameterizations():
    """Entries have the mean square of the Gaussian ones, to the error of 3,600 of these (four of its standard deviations)."""
    net = nn.Sequential(nn.Dense(60), nn.Dense(60, w_std=2.0), nn.Dense(60), parameterization="mup")
    params = signal.orthogonal_init(net, jax.random.key(0), (60,))
    plain = net.init(jax.random.key(1), (60,))
    for ours, theirs in zip(params, plain, strict=True):
        ratio = np.mean(np.square(theirs["weight"])) / np.mean(np.square(ours["weight"]))
        assert abs(ratio - 1) < 4 * np.sqrt(2 / 3600)


@pytest.mark.slow
def test_delta_orthogonal_convolution_keeps_norms():
    net = nn.Repeat(nn.Conv(6, 3, padding="circular"), 4)
    params = signal.orthogonal_init(net, jax.random.key(0), (5, 5, 6), dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((3, 5, 5, 6))
    np.testing.assert_allclose(
        (np.asarray(net.apply(params, x)) ** 2).sum((1, 2, 3)), (x**2).sum((1, 2, 3)), rtol=1e-10
    )


def test_other_parameters_are_as_before():
    net = nn.Sequential(nn.Dense(4, b_std=0.5), nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(4, b_std=0.1))))
    params = signal.orthogonal_init(net, jax.random.key(3), (4,))
    plain = net.init(jax.random.split(jax.random.key(3))[0], (4,))
    assert jax.tree.structure(params) == jax.tree.structure(plain)
    np.testing.assert_array_equal(params[0]["bias"], plain[0]["bias"])
    assert abs(params[0]["weight"] - plain[0]["weight"]).max() > 0.1


@pytest.mark.parametrize(
    ("net", "shape", "error", "message"),
    [
        (nn.Conv(6, 2), (5, 5, 6), ValueError, "no centre in its window"),
        (nn.Conv(3, 3), (5, 5, 6), ValueError, "6 channels to 3"),
        (nn.SelfAttention(6), (5, 6), NotImplementedError, "no orthogonal initialization"),
    ],
)
def test_bad_input(net, shape, error, message):
    with pytest.raises(error, match=message):
        signal.orthogonal_init(net, jax.random.key(0), shape)
