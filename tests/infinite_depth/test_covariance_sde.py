"""The diffusion of the covariance of shaped networks, against its moments, another solver and an equation for its mean."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn
from nnlimits.infinite_depth import CovarianceSamples, correlation_samples, covariance_samples, mean_kernel
from nnlimits.infinite_depth.experiments.shaped import correlation_distance, network_samples
from nnlimits.kernels.shaped_flow import shaped_flow

KEY = jax.random.key(0)
TILTED = nn.Elementwise(lambda x: jnp.tanh(x + 0.5) - math.tanh(0.5), kinks=())
ACTIVATION = nn.ShapedRelu(1.5, -1.0)
START = np.array([[1.0, 0.3], [0.3, 2.0]])
THREE = np.array([[1.0, 0.3, -0.2], [0.3, 2.0, 0.5], [-0.2, 0.5, 1.0]])
RATIO = 0.7


@pytest.fixture(scope="module")
def drawn():
    return covariance_samples(START.astype(np.float32), ACTIVATION, RATIO, KEY, samples=8192, steps=24)


def test_variances_are_log_normal(drawn):
    """Each has mean `log q - T` and variance `2 T`; over 8,192 draws, with four standard errors."""
    logarithms = np.log(np.diagonal(drawn.covariances, axis1=1, axis2=2))
    error = 4 / np.sqrt(8192)
    np.testing.assert_allclose(logarithms.mean(0), np.log([1, 2]) - RATIO, atol=error * np.sqrt(2 * RATIO))
    np.testing.assert_allclose(logarithms.var(0), 2 * RATIO, rtol=error * np.sqrt(2))


def test_mean_solves_the_equation_of_feynman_and_kac(drawn):
    """With four standard errors, in single precision; the solver's own error is below 1e-3 at 24 steps."""
    assert drawn.covariances.dtype == np.float32
    away = np.abs(drawn.mean - mean_kernel(START, ACTIVATION, RATIO))
    assert (away < 4 * drawn.standard_error + 1e-3).all()
    assert (np.diff(drawn.quantiles([0.1, 0.5, 0.9]), axis=0) > 0).all()


def test_no_drift_keeps_means(x64):
    """A linear network, of three inputs: the mean stays, exactly in the solver, whatever its steps; second moments to its order.

    `E[V_12^2]` solves `x' = x + y, y' = 2 x` (times T) with y that of `V_11 V_22`.
    """
    linear = nn.ShapedRelu(1.0, 1.0)
    found = covariance_samples(THREE, linear, 0.3, KEY, samples=8192, steps=12)
    assert (np.abs(found.mean - THREE) < 4 * found.standard_error).all()
    np.testing.assert_allclose(mean_kernel(THREE, linear, 0.3), THREE, atol=1e-7)
    values, columns = np.linalg.eig(np.array([[1.0, 1.0], [2.0, 0.0]]))
    for i, j in ((0, 1), (1, 2), (0, 2)):
        first = np.array([THREE[i, j] ** 2, THREE[i, i] * THREE[j, j]])
        expected = (columns * np.exp(0.3 * values)) @ np.linalg.solve(columns, first)
        squares = found.covariances[:, i, j] ** 2
        assert abs(squares.mean() - expected[0]) < 4 * squares.std() / np.sqrt(8192) + 0.01
    assert np.linalg.eigvalsh(found.covariances).min() > -1e-12


@pytest.mark.slow
@pytest.mark.parametrize("rho", [-0.7, 0.2])
def test_correlation_by_another_solver(rho):
    """Distributions of 16,384 draws by both: of equal laws the distance exceeds 2.2 of its expectation with probability 1e-3."""
    start = np.array([[1.0, rho], [rho, 1.0]])
    one = covariance_samples(start, ACTIVATION, RATIO, KEY, samples=16384, steps=48)
    other = correlation_samples(rho, ACTIVATION, RATIO, jax.random.key(1), samples=16384)
    with_ones = np.ones((16384, 2, 2))
    with_ones[:, 0, 1] = with_ones[:, 1, 0] = other
    distance = correlation_distance(one, one._replace(covariances=with_ones))
    assert distance.value < 2.2 * distance.noise


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "promised"), [((1.0, -1.0), 1.0), ((0.0, -2.0), 0.5)])
def test_networks_approach_it(shape, promised):
    """As deep as wide, from 8 to 32 units: mean correlations approach the diffusion's like 1/n where slopes are symmetric about
    one, and else like n^(-1/2). With 16,384 networks a mean has a standard error of 0.004, and the error at 32 is
    0.028 or more, so
    the slope's is below 0.15."""
    activation, start = nn.ShapedRelu(*shape), np.eye(2)
    limit = covariance_samples(start, activation, 1.0, KEY, samples=65536, steps=48).correlations[:, 0, 1].mean()
    errors = [
        abs(network_samples(0.0, activation, n, n, jax.random.key(n), 16384).correlations[:, 0, 1].mean() - limit)
        for n in (8, 32)
    ]
    assert abs(np.log(errors[0] / errors[1]) / np.log(4) - promised) < 0.3


def test_networks_are_as_simulated_with_matrices(x64):
    """The simulation by pairs, against units of a plain network: one layer of 6, means and spreads to five errors."""
    count, width = 20000, 6
    found = network_samples(0.3, nn.Relu(), 1, width, KEY, count).covariances
    units = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], (count, width))
    rectified = np.maximum(units, 0)
    expected = np.einsum("sna,snb->sab", rectified, rectified) / width
    for moment in (1, 2):
        one, other = found**moment, expected**moment
        error = np.sqrt((one.var(0) + other.var(0)) / count)
        assert (np.abs(one.mean(0) - other.mean(0)) < 5 * error).all()


def test_without_noise_it_is_the_kernel_of_infinite_width_first(x64):
    """The drift's flow has a closed form; the equation for the mean is solved to 1e-9."""
    found = covariance_samples(THREE, ACTIVATION, 0.0, KEY, samples=8192, steps=12).covariances[:2]
    roots = np.sqrt(np.diag(THREE))
    scale = np.outer(roots, roots)
    expected = scale * (1 - np.asarray(shaped_flow(jnp.asarray(1 - THREE / scale), jnp.asarray(6.25))))
    np.testing.assert_allclose(found, [expected] * 2, rtol=1e-12)
    np.testing.assert_allclose(mean_kernel(THREE, ACTIVATION, 0.0), expected, atol=1e-8)


def test_duplicates_and_opposites():
    """Of a singular covariance: inputs that coincide do so for ever, and there are no NaN."""
    start = np.array([[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    found = covariance_samples(start, ACTIVATION, RATIO, KEY, samples=8192, steps=12)
    np.testing.assert_allclose(found.correlations[:, 0, 1], 1.0, atol=1e-12)
    assert np.isfinite(found.covariances).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"activation": nn.Relu()}, TypeError, r"activation must be an nn\.ShapedRelu"),
        ({"depth_to_width": -1.0}, ValueError, "depth_to_width must be finite and non-negative; received -1"),
        ({"covariance": np.ones((2, 3))}, ValueError, "covariance must be a square matrix"),
        ({"covariance": np.diag([1.0, 0.0])}, ValueError, r"positive variances; received 0\.0 at index \(1, 1\)"),
        ({"covariance": np.array([[1.0, 0.5], [0.0, 1.0]])}, ValueError, "must be symmetric"),
        ({"covariance": np.array([[1.0, 2.0], [2.0, 1.0]])}, ValueError, "with the eigenvalue -1"),
        ({"covariance": np.array([[1.0, np.nan], [np.nan, 1.0]])}, ValueError, r"contains nan at index \(0, 1\)"),
        ({"samples": 1}, ValueError, "samples must be an integer, at least 2; received 1"),
        ({"steps": 0}, ValueError, "steps must be an integer, at least 1; received 0"),
    ],
)
def test_bad_input(change, error, message):
    given = {"covariance": START, "activation": ACTIVATION, "depth_to_width": RATIO, "key": KEY} | change
    with pytest.raises(error, match=message):
        covariance_samples(**given)


def test_bad_correlation():
    with pytest.raises(ValueError, match="correlation must be above -1 and below 1; received 1"):
        correlation_samples(1.0, ACTIVATION, RATIO, KEY)


def test_smooth_without_noise_is_the_kernel_of_infinite_width_first(x64):
    """Variances are exact whatever the steps; correlations of fourth order in them."""
    word = nn.Shaped(TILTED, 1.5)
    block = nn.Sequential(word, nn.Dense(8))
    x = np.random.default_rng(0).standard_normal((3, 4))
    net = nn.Sequential(nn.Dense(8), nn.Repeat(block, math.inf), nn.Dense(1))
    found = covariance_samples(x @ x.T / 4, word, 0.0, KEY, samples=2, steps=16).covariances[0]
    np.testing.assert_allclose(found, nl.kernel(net).nngp(x), rtol=1e-7)


def test_variances_of_smooth_activations_may_explode():
    """With `c2 = 1, c3 = 0` and `a = 1`, variances q explode without noise after `log(q / (q - 1)) / (3 / 4)` of all layers."""
    word = nn.Shaped(nn.Silu(), 1.0)
    assert covariance_samples(np.eye(2) * 2.5, word, 0.0, KEY, samples=2, steps=8).exploded.all()
    assert not covariance_samples(np.eye(2) * 1.5, word, 0.0, KEY, samples=2, steps=8).exploded.any()
    some = covariance_samples(np.eye(2), word, 1.0, KEY, samples=512, steps=8)
    assert 0.1 < some.exploded.mean() < 0.9
    assert (np.isnan(some.correlations).any((1, 2)) == some.exploded).all()
    assert np.isposinf(some.covariances[some.exploded][:, 0, 0]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "promised"), [(nn.Tanh(), 1.0), (TILTED, 0.5)])
def test_smooth_networks_approach_it(activation, promised):
    """As deep as wide, with 32,768 networks: the distance of the distribution of a variance falls like 1/n for odd activations,
    and else like n^(-1/2). The noise of distances is 0.005 on average, and allowed for twice."""
    word, distances = nn.Shaped(activation, 1.0), []
    start = np.array([[1.0, 0.3], [0.3, 1.0]])
    limit = np.sort(covariance_samples(start, word, 1.0, KEY, samples=262144, steps=24).covariances[:, 0, 0])
    for size in (32, 128):
        found = np.sort(network_samples(0.3, word, size, size, KEY, 32768).covariances[:, 0, 0])
        at = np.concatenate([limit, found])
        shares = [np.searchsorted(values, at, side="right") / len(values) for values in (limit, found)]
        distances.append(np.abs(shares[0] - shares[1]).max())
    assert distances[0] > 0.02  # the network is not yet the limit
    assert distances[1] < 0.02
    assert distances[1] < distances[0] * 4**-promised + 0.01


def test_smooth_activations_have_no_diffusion_of_the_correlation_alone():
    for call in (
        lambda word: correlation_samples(0.3, word, 1.0, KEY),
        lambda word: mean_kernel(np.eye(2), word, 1.0),
    ):
        with pytest.raises(TypeError, match="covariance_samples draws both"):
            call(nn.Shaped(nn.Tanh(), 1.0))


def test_levels_of_quantiles_are_probabilities():
    found = CovarianceSamples(np.arange(12.0).reshape(3, 2, 2))
    np.testing.assert_array_equal(found.quantiles([0, 0.5, 1]), found.covariances)
    for levels, error, message in (
        ("a", TypeError, r"levels must be numbers in \[0, 1\]"),
        (2.0, ValueError, r"levels must be in \[0, 1\]; received 2"),
        ([0.5, np.nan], ValueError, r"levels must be in \[0, 1\]; received nan"),
    ):
        with pytest.raises(error, match=message):
            found.quantiles(levels)
