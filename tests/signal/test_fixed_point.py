"""Fixed points against iteration by another quadrature, and their derivatives against differences."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn, presets, signal

ERF = presets.mlp(4, activation=nn.Erf(), w_std=1.5, b_std=0.3)
Z, W = np.polynomial.hermite_e.hermegauss(80)
W = W / W.sum()


def by_iteration(w_std, b_std, phi, slope):
    """Plain iteration of both maps by Gauss-Hermite quadrature, accurate for tanh to 1e-10 at these variances."""
    q, c = 1.0, 0.5
    for _ in range(600):
        u = np.sqrt(q) * Z[:, None]
        v = np.sqrt(q) * (c * Z[:, None] + np.sqrt(max(1 - c * c, 0)) * Z[None, :])
        product = W @ (phi(u) * phi(v)) @ W
        q_next = w_std**2 * (W @ phi(np.sqrt(q) * Z) ** 2) + b_std**2
        c = (w_std**2 * product + b_std**2) / q_next
        q = q_next
    return q, c, w_std**2 * (W @ slope(np.sqrt(q) * Z) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize(("w_std", "b_std", "phase"), [(1.5, 0.3, "chaotic"), (1.0, 0.3, "ordered")])
def test_by_iteration(w_std, b_std, phase):
    found = signal.fixed_point(presets.mlp(4, activation=nn.Tanh(), w_std=w_std, b_std=b_std))
    q, c, perp = by_iteration(w_std, b_std, np.tanh, lambda x: 1 / np.cosh(x) ** 2)
    np.testing.assert_allclose([found.variance, found.correlation, found.chi_perp], [q, c, perp], rtol=1e-8)
    assert found.phase == phase
    np.testing.assert_allclose(found.xi_c, -1 / np.log(found.slope))
    np.testing.assert_allclose(found.trainable_depth, 6 * found.xi_c)


def test_relu_at_criticality_keeps_any_variance():
    found = signal.fixed_point(presets.mlp(4, b_std=0.0), variance=3.0)
    np.testing.assert_allclose([*found], [3.0, 1.0, 1.0, 1.0, 1.0, 1.0], rtol=1e-12)
    assert found.phase == "critical"
    assert np.isinf(found.xi_q)
    assert np.isinf(found.xi_c)


def test_variance_that_leaves():
    """To nothing (weights too small for tanh) or without bound (too large for ReLU, or residual branches)."""
    assert signal.fixed_point(presets.mlp(4, activation=nn.Erf(), w_std=0.5, b_std=0.0)).variance == 0
    exploding = signal.fixed_point(presets.mlp(4, w_std=1.6, b_std=0.5))
    assert np.isinf(exploding.variance)
    np.testing.assert_allclose(exploding.chi_perp, 1.28)
    block = nn.Residual(nn.Sequential(nn.LayerNorm(), nn.Dense(4), nn.Relu(), nn.Dense(4, w_std=0.5)))
    residual = signal.fixed_point(nn.Repeat(block, 5))
    assert np.isinf(residual.variance)
    assert residual.phase == "critical"  # relative to a variance that grows without bound, a branch adds nothing


@pytest.mark.slow
def test_dropout_keeps_inputs_apart():
    """Correlation one is no fixed point: equal inputs leave a block with correlation keep (Schoenholz et al. 2017)."""
    net = nn.Repeat(nn.Sequential(nn.Dense(4, w_std=1.2), nn.Erf(), nn.Dropout(0.2)), 3)
    found = signal.fixed_point(net)
    assert found.correlation < 0.99
    maps = signal.BlockMap(signal.repeated_block(net))
    with jax.enable_x64(True):
        np.testing.assert_allclose(maps.deficit(jnp.asarray(0.7), jnp.asarray(0.0)), 0.2, rtol=1e-12)
        rest = jnp.asarray(1 - found.correlation)
        np.testing.assert_allclose(maps.deficit(jnp.asarray(found.variance), rest), rest, rtol=1e-9)


BLOCKS = {
    "erf": ERF,
    "normalized": nn.Repeat(nn.Sequential(nn.Dense(4, w_std=1.3, b_std=0.4), nn.LayerNorm(), nn.Erf()), 2),
    "residual": nn.Repeat(nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(4, w_std=0.9, b_std=0.2))), 2),
}


@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("erf", "normalized")), "residual"]
)
def test_growth_factors_are_derivatives(name):
    """`slope` and `chi_parallel` against central differences of the maps; the error of step h is of order h^2."""
    maps = signal.BlockMap(signal.repeated_block(BLOCKS[name]))
    with jax.enable_x64(True):
        q, deficit, h = jnp.asarray(0.8), jnp.asarray(0.3), 1e-5
        slope = (maps.deficit(q, deficit + h) - maps.deficit(q, deficit - h)) / (2 * h)
        np.testing.assert_allclose(maps.slope(q, deficit), slope, rtol=1e-6)
        growth = (maps.variance(q + h) - maps.variance(q - h)) / (2 * h)
        np.testing.assert_allclose(maps.chi_parallel(q), growth, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.Erf(), nn.Tanh()])
def test_implicit_derivatives(activation):
    """Of the fixed point and its growth factors in both scales, against central differences."""

    def values(w_std, b_std):
        net = nn.Repeat(nn.Sequential(nn.Dense(4, w_std=w_std, b_std=b_std), activation), 3)
        found = signal.fixed_point(net)
        return jnp.stack([found.variance, found.correlation, found.chi_perp, found.slope])

    with jax.enable_x64(True):
        w_std, b_std, h = jnp.asarray(1.5), jnp.asarray(0.3), 1e-5
        found = jax.jit(jax.jacrev(values, argnums=(0, 1)))(w_std, b_std)
        value = jax.jit(values)
        expected = [
            (value(w_std + h, b_std) - value(w_std - h, b_std)) / (2 * h),
            (value(w_std, b_std + h) - value(w_std, b_std - h)) / (2 * h),
        ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_single_precision_where_traced():
    found = jax.jit(lambda net: signal.fixed_point(net).variance)(jax.tree.map(jnp.float32, ERF))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, signal.fixed_point(ERF).variance, rtol=1e-5)


@pytest.mark.slow
def test_convolutions_are_dense_at_every_position():
    conv = presets.cnn(4, activation=nn.Erf(), w_std=1.5, b_std=0.3)
    np.testing.assert_array_equal([*signal.fixed_point(conv)], [*signal.fixed_point(ERF)])


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (nn.Dense(3), ValueError, "has no depth"),
        (presets.transformer_encoder(), NotImplementedError, "depends on how positions differ"),
        (max, TypeError, "must be an expression"),
    ],
)
def test_bad_networks(network, error, message):
    with pytest.raises(error, match=message):
        inspect.unwrap(signal.fixed_point)(network)


def test_bad_variance():
    with pytest.raises(ValueError, match="variance must be finite and positive; received -1"):
        signal.fixed_point(ERF, variance=-1)


def test_phase_diagram_is_its_fixed_points():
    w_std, b_std = [0.8, 1.5, 2.0], [0.1, 0.3]
    diagram = signal.phase_diagram(ERF, w_std, b_std)
    assert diagram.points.chi_perp.shape == (2, 3)
    single = signal.fixed_point(ERF)
    for all_points, one in zip(diagram.points, single, strict=True):
        np.testing.assert_allclose(all_points[1, 1], one, rtol=1e-10)
    assert list(diagram.points.chi_perp[0] > 1) == [False, True, True]
    with pytest.raises(ValueError, match="w_std must be two or more ascending"):
        signal.phase_diagram(ERF, [1.0], b_std)
