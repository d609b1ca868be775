"""The features of whole networks against their exact kernels."""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from feature_networks import DENSE, IMAGES, estimates, inputs, mlp, shape_of

import nnlimits as nl
from nnlimits import nn
from nnlimits.random_features import features
from nnlimits.rates import fitted_rate

NETWORKS = {**DENSE, **IMAGES}


def _cases(quick):
    """All networks and kernels; those that are not in `quick` take long together."""
    cases = [(name, kernel) for name in NETWORKS for kernel in ("nngp", "ntk")]
    return [case if case in quick else pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@functools.cache
def measured(name, kernel, count):
    """The exact kernel of a few inputs, and what features at 24 keys (0 to 23) make of it."""
    shape = shape_of(name)
    x = inputs(6, shape)
    embed = features(NETWORKS[name], count, kernel=kernel, input_shape=shape)
    exact = np.asarray(getattr(nl.kernel(NETWORKS[name]), kernel)(x), np.float64)
    return exact, estimates(embed, x, [jax.random.key(seed) for seed in range(24)])


@pytest.mark.parametrize(("name", "kernel"), _cases({("relu", "ntk"), ("erf", "nngp"), ("sequence", "ntk")}))
def test_mean_over_keys_is_the_exact_kernel(name, kernel):
    """Within five standard errors, as there are 21 entries, and 1% of the largest entry for the bias of order 1/units."""
    exact, found = measured(name, kernel, 768)
    allowed = 5 * found.std(0) / np.sqrt(len(found)) + 0.01 * np.abs(exact).max()
    assert (np.abs(found.mean(0) - exact) < allowed).all()


def test_an_activation_that_jumps_has_the_derivative_of_where_it_has_one():
    """`phi' = 1/2 + 1[u > 0.3] / 2` almost everywhere, as automatic differentiation has it in finite networks: its moments from
    the bivariate normal distribution. Tolerances as above.
    """
    network = mlp(nn.Elementwise(lambda x: jnp.where(x > 0.3, x + 1, x / 2), kinks=(0.3,)), depth=1)
    x = inputs(5, (10,), dtype=np.float64)
    covariance = 1.3**2 * x @ x.T / 10 + 0.2**2
    std = np.sqrt(np.diagonal(covariance))
    above = scipy.special.ndtr(-0.3 / std)
    both = np.diag(above)
    for i, j in zip(*np.triu_indices(5, 1), strict=True):
        pair = covariance[np.ix_([i, j], [i, j])]
        both[i, j] = both[j, i] = scipy.stats.multivariate_normal(cov=pair).cdf([-0.3, -0.3])
    slopes = (1 + above[:, None] + above + both) / 4
    exact = np.asarray(nl.kernel(network).nngp(x)) + slopes * covariance
    embed = features(network, 768, input_shape=(10,))
    found = estimates(embed, x.astype(np.float32), [jax.random.key(seed) for seed in range(24)])
    allowed = 5 * found.std(0) / np.sqrt(len(found)) + 0.01 * np.abs(exact).max()
    assert (np.abs(found.mean(0) - exact) < allowed).all()


@pytest.mark.parametrize(("name", "kernel"), _cases({("relu", "ntk"), ("sequence", "ntk")}))
def test_error_falls_as_the_root_of_the_number_of_features(name, kernel):
    """Root mean squares over 24 keys, at numbers of features a factor of 16 apart: by the bootstrap the slope has a standard
    error of 0.02 to 0.05, and of 0.07 for images, which have few units at 48 features; allowed are three times that.
    """
    counts = np.array([48.0, 192.0, 768.0])
    errors = []
    for count in counts:
        exact, found = measured(name, kernel, int(count))
        errors.append(np.linalg.norm(found - exact, axis=(1, 2)) / np.linalg.norm(exact))
    rate = fitted_rate(counts, np.array(errors))
    assert abs(rate.slope + 0.5) < 0.21


@pytest.mark.parametrize("kernel", ["ntk", pytest.param("nngp", marks=pytest.mark.slow)])
def test_every_direction_of_the_kernel_has_the_error_of_independent_features(kernel):
    """Of N independent Gaussian features, the matrix between n examples is of the Wishart law: whitened, its squared error
    is `(|P|^2 + tr(P)^2) / N` on average, with the whitened kernel P. Measured ratios are 0.9 to 1.3 for three hidden layers, and
    over three keys err by 5%; without a sketch at the end it was 4.6 for the NTK.
    """
    network, x = mlp(nn.Relu(), depth=3), inputs(60, (10,), dtype=np.float64)
    exact = np.asarray(getattr(nl.kernel(network), kernel)(x), np.float64)
    values, vectors = np.linalg.eigh(exact)
    whitening = vectors / np.sqrt(values + 1e-3 * values.mean())
    expected = whitening.T @ exact @ whitening
    found = []
    for seed in range(3):
        embed = features(network, 1024, kernel=kernel, input_shape=(10,), key=jax.random.key(seed))
        z = np.asarray(embed(x.astype(np.float32)), np.float64)
        found.append(np.linalg.norm(whitening.T @ (z @ z.T - exact) @ whitening) ** 2)
    ratio = np.mean(found) * 1024 / (np.linalg.norm(expected) ** 2 + np.trace(expected) ** 2)
    assert 0.6 < ratio < 1.6


@pytest.mark.slow
def test_what_interpolation_by_features_loses():
    """Independent Gaussian features add `v y^T K^{-1} y / (N - n - 1)` to the mean squared error of interpolation, on average;
    those of a network 1.1 to 1.2 times that, as measured. The mean over 40 keys and 30 test inputs errs by some 10%.
    """
    network, (n, count) = mlp(nn.Relu(), depth=2, b_std=0.3), (30, 256)
    x = inputs(60, (10,), dtype=np.float64)
    exact = np.asarray(nl.kernel(network).ntk(x), np.float64)
    y = np.random.default_rng(1).standard_normal(n)
    solved = np.linalg.solve(exact[:n, :n], np.column_stack([y, exact[:n, n:]]))
    left = np.diagonal(exact)[n:] - np.einsum("ij,ij->j", exact[:n, n:], solved[:, 1:])
    predicted, expected = exact[n:, :n] @ solved[:, 0], left * (y @ solved[:, 0]) / (count - n - 1)
    embed = features(network, count, input_shape=(10,))
    grams = estimates(embed, x.astype(np.float32), [jax.random.key(seed) for seed in range(40)])
    found = np.array([gram[n:, :n] @ np.linalg.solve(gram[:n, :n], y) for gram in grams])
    assert 0.75 < np.mean((found - predicted) ** 2) / np.mean(expected) < 1.6


@pytest.fixture(scope="module")
def embed():
    return features(mlp(nn.Relu(), depth=1), 64, input_shape=(10,))


def test_number_of_features_is_reported_and_not_exceeded(embed):
    assert embed.n_features <= 64
    assert embed(inputs(3, (10,))).shape == (3, embed.n_features)


def test_batches_of_any_rows_have_the_same_features(embed):
    """Products of other numbers of rows may round differently: eight units in the last place."""
    x = inputs(7, (10,))
    together = np.asarray(embed(x))
    apart = np.concatenate([embed(x[:1]), embed(x[1:4]), embed(x[4:])])
    np.testing.assert_allclose(apart, together, rtol=0, atol=8 * np.finfo(np.float32).eps * np.abs(together).max())


def test_large_inputs_go_by_batches(embed, monkeypatch):
    module = sys.modules["nnlimits.random_features.features"]  # the function has its name
    x, told = inputs(21, (10,)), []
    together = np.asarray(embed(x))
    monkeypatch.setattr(module, "_BATCH_BYTES", 8 * 4 * embed.n_features)
    parts = embed(x, advance=told.append)
    assert len(told) == 3
    np.testing.assert_allclose(parts, together, rtol=0, atol=8 * np.finfo(np.float32).eps * np.abs(together).max())


def test_a_key_decides_all_draws(embed):
    x = inputs(4, (10,))
    again = features(embed.network, 64, input_shape=(10,), key=jax.random.key(0))
    other = features(embed.network, 64, input_shape=(10,), key=jax.random.key(1))
    assert (np.asarray(embed(x)) == np.asarray(again(x))).all()
    assert np.abs(np.asarray(embed(x)) - np.asarray(other(x))).max() > 0.01


def test_double_precision_has_the_features_of_single_precision(embed):
    """The draws are the same numbers, so only rounding differs."""
    x = inputs(4, (10,))
    single, double = embed(x), embed(x.astype(np.float64))
    assert double.dtype == np.float64
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-5 * np.abs(np.asarray(double)).max())


def test_features_can_be_traced(embed):
    x = jnp.asarray(inputs(3, (10,)))
    np.testing.assert_allclose(jax.jit(lambda v: embed(v))(x), embed(x), rtol=1e-5, atol=1e-6)
    assert np.isfinite(jax.grad(lambda v: (embed(v) ** 2).sum())(x)).all()


def test_error_is_that_of_the_inner_products(embed):
    x, x2 = inputs(5, (10,)), inputs(4, (10,), seed=1)
    exact = np.asarray(nl.kernel(embed.network).ntk(x, x2))
    difference = np.asarray(embed(x) @ embed(x2).T) - exact
    measured = embed.error(x, x2)
    np.testing.assert_allclose(measured.frobenius, np.linalg.norm(difference) / np.linalg.norm(exact), rtol=1e-4)
    np.testing.assert_allclose(measured.maximum, np.abs(difference).max() / np.abs(exact).max(), rtol=1e-4)


def test_an_input_of_zeros_has_the_features_of_the_bias(embed):
    x = np.zeros((2, 10), np.float32)
    assert np.isfinite(np.asarray(embed(x))).all()
    assert embed.error(x).frobenius < 0.3


def test_more_inputs_than_features_are_sketched():
    """Relative errors of a sketch of 300 inputs to 100 numbers are about 0.1."""
    found = features(mlp(nn.Relu(), depth=1), 200, input_shape=(300,))
    assert found.n_features <= 200
    assert found.error(inputs(5, (300,))).frobenius < 0.3


def test_more_units_than_fit_are_sketched_at_the_end():
    found = features(mlp(nn.Relu(), depth=1), 128, input_shape=(10,), units=100)
    assert found.n_features == 128
    assert found.error(inputs(5, (10,))).frobenius < 0.3


def test_infinite_networks_without_a_limit_are_refused():
    with pytest.raises(NotImplementedError, match="mean_field"):
        features(mlp(nn.Relu(), parameterization="mean_field"), 64, input_shape=(10,))
