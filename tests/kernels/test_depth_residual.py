"""Kernels of infinitely deep residual networks: the differential equation, its solver, and what has no limit."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from depth_samples import relative, sampled_kernels
from scipy.integrate import solve_ivp

import nnlimits as nl
from nnlimits import nn
from nnlimits.kernels import depth_residual

X = np.random.default_rng(0).standard_normal((6, 4))
X[1], X[2], X[3] = -X[0], 2 * X[0], X[0] + 1e-7 * X[4]


def network(depth, activation=nn.Relu(), w_std=math.sqrt(2), b_std=0.0, exponent=0.5, **options):
    body = nn.Sequential(activation, nn.Dense(64, w_std, b_std), nn.DepthScale(exponent))
    return nn.Sequential(nn.Dense(64, b_std=0.1), nn.Repeat(nn.Residual(body), depth), nn.Dense(1), **options)


def solved_by_scipy(k, w, b):
    """The equation of two inputs of a ReLU network, from the arc-cosine formulas, by an adaptive solver in the root of s."""

    def slope(u, y):
        q1, q2, c12, ntk = y
        root = np.sqrt(q1 * q2)
        c = np.clip(c12 / root, -1, 1)
        theta = np.arccos(c)
        kernel = root * (np.sin(theta) + (np.pi - theta) * c) / (2 * np.pi)
        own = w**2 * kernel + b**2
        change = w**2 * q1 / 2 + b**2, w**2 * q2 / 2 + b**2, own, own + w**2 * (np.pi - theta) / (2 * np.pi) * ntk
        return 2 * u * np.array(change)

    return solve_ivp(slope, (0, 1), [k[0, 0], k[1, 1], k[0, 1], k[0, 1]], "DOP853", rtol=1e-13, atol=1e-15).y[:, -1]


@pytest.mark.parametrize(("w", "b"), [pytest.param(math.sqrt(2), 0.0, marks=pytest.mark.slow), (2.0, 0.3)])
def test_against_an_adaptive_solver(w, b, x64):
    """To 1e-9 for pairs at any angle, opposite ones too; what is left is mostly the reference's own `arccos`."""
    found = nl.kernel(network(math.inf, w_std=w, b_std=b))(X)
    start = X @ X.T / 4 + 0.01
    for i, j in [(0, 1), (0, 2), (0, 4), (4, 5)]:
        *_, nngp, ntk = solved_by_scipy(start[np.ix_([i, j], [i, j])], w, b)
        np.testing.assert_allclose(found.nngp[i, j], nngp, rtol=1e-9)
        np.testing.assert_allclose(found.ntk[i, j], nngp + ntk, rtol=1e-9)


@pytest.mark.parametrize("activation", [nn.Relu(), pytest.param(nn.Erf(), marks=pytest.mark.slow)], ids=["relu", "erf"])
def test_solver_has_converged(activation, x64, monkeypatch):
    """To the 1e-10 that it promises, against twice as many steps in each run."""
    net = network(math.inf, activation, 2.0, 0.3)
    found = nl.kernel(net)(X)
    jax.clear_caches()
    runs = depth_residual.RUNS["float64"]
    monkeypatch.setitem(depth_residual.RUNS, "float64", tuple(2 * steps for steps in runs))
    finer = nl.kernel(net)(X)
    jax.clear_caches()
    for one, other in zip(found, finer, strict=True):
        assert not np.array_equal(one, other)
        np.testing.assert_array_less(abs(relative(one - other, other)), 3e-10)


def test_gains_of_activations_are_those_of_weights(x64):
    """`g relu` with weights of scale one has the kernel of `relu` with weights of scale g; both are solved to 1e-10."""
    found, expected = (
        nl.kernel(network(math.inf, *body))(X) for body in ((nn.ABRelu(0.0, 5.0), 1.0), (nn.Relu(), 5.0))
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


CONV = nn.Sequential(nn.Relu(), nn.Conv(8, 3, padding="same", b_std=0.2), nn.DepthScale())


def image_network(depth):
    return nn.Sequential(nn.Conv(8, 3, padding="same"), nn.Repeat(nn.Residual(CONV), depth), nn.Flatten(), nn.Dense(1))


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (network, X[[0, 1, 4, 5]]),
        pytest.param(lambda depth: network(depth, parameterization="standard"), X[[0, 4]], marks=pytest.mark.slow),
        pytest.param(image_network, np.random.default_rng(1).standard_normal((3, 4, 4, 2)), marks=pytest.mark.slow),
    ],
    ids=["dense", "standard", "convolution"],
)
def test_is_the_limit_of_deep_networks_with_error_one_over_depth(make, x, x64):
    """Halving the error from depth 256 to 512: the ratio is 2 up to terms of relative order 1/256 times a few."""
    limit = nl.kernel(make(math.inf))(x)
    errors = [[abs(a - b).max() for a, b in zip(nl.kernel(make(depth))(x), limit, strict=True)] for depth in (256, 512)]
    np.testing.assert_allclose(np.divide(*errors), 2, rtol=0.03)


@pytest.mark.slow
def test_several_blocks_in_one_and_exponents_above_a_half(x64):
    body, other = nn.Sequential(nn.Relu(), nn.Dense(8)), nn.Sequential(nn.Erf(), nn.Dense(8, 0.7, 0.2))
    scaled = [nn.Residual(nn.Sequential(one, nn.DepthScale())) for one in (body, other)]
    vanishing = nn.Residual(nn.Sequential(body, nn.DepthScale(0.8)))

    def kernel(*blocks):
        return nl.kernel(nn.Sequential(nn.Dense(8), nn.Repeat(nn.Sequential(*blocks), math.inf), nn.Dense(1)))(X)

    both, others = kernel(*scaled), kernel(*scaled[::-1], vanishing)
    for one, other in zip(both, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)
    alone = kernel(vanishing)
    np.testing.assert_allclose(alone.nngp, nl.kernel(nn.Sequential(nn.Dense(8), nn.Dense(1)))(X).nngp, rtol=1e-15)


def test_symmetric_positive_and_accurate_in_single_precision(x64):
    """Near-duplicates and multiples keep their digits; the solver for float32 is good to 1e-6, rounding adds a few 1e-6."""
    net = network(math.inf)
    exact = nl.kernel(net)(X)
    single = nl.kernel(net)(X.astype(np.float32))
    diagonal = nl.kernel(net).diagonal(X)
    for one, other, alone in zip(exact, single, diagonal, strict=True):
        np.testing.assert_array_equal(one, one.T)
        np.testing.assert_allclose(np.diag(one), alone, rtol=1e-14)
        assert np.linalg.eigvalsh(one)[0] > -1e-12 * np.trace(one)
        np.testing.assert_array_less(abs(relative(np.asarray(other, float) - one, one)), 2e-5)


@pytest.mark.slow
def test_gradients(x64):
    """Against central differences of step 1e-4, whose own error is of order 1e-8; at opposite inputs and multiples, finite."""

    @jax.jit
    def total(values, x):
        return nl.kernel(network(math.inf, w_std=values[0], b_std=values[1])).ntk(x).sum()

    x, values, direction = jnp.asarray(X), jnp.array([1.3, 0.3]), jnp.array([1.0, 0.5])
    in_values, in_inputs = jax.jit(jax.grad(total, (0, 1)))(values, x)
    ends = [total(values + step * direction, x) for step in (1e-4, -1e-4)]
    np.testing.assert_allclose(in_values @ direction, (ends[0] - ends[1]) / 2e-4, rtol=1e-6)
    assert np.isfinite(in_inputs).all()
    moved = jnp.zeros_like(x).at[5].set(1e-4)  # one that is at no hard point
    ends = [total(values, x + step * moved) for step in (1, -1)]
    np.testing.assert_allclose(in_inputs[5].sum(), (ends[0] - ends[1]) / 2e-4, rtol=1e-6)


def test_predictors_and_estimators_take_it(x64):
    kernel = nl.kernel(network(math.inf))
    y = np.sin(X[:, :1])
    posterior = nl.posterior(kernel, X[[0, 4, 5]], y[[0, 4, 5]], noise=1e-8)
    np.testing.assert_allclose(posterior.mean(X[[0, 4]]), y[[0, 4]], atol=1e-5)
    flow = nl.gradient_flow(kernel, X[[0, 4, 5]], y[[0, 4, 5]])
    np.testing.assert_allclose(flow.mean(X[[0, 4]], math.inf), y[[0, 4]], atol=1e-8)


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(4))), ValueError, "grows without bound"),
        (nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(4), nn.DepthScale(0.3))), ValueError, r"depth\^-0\.3"),
        (nn.Sequential(nn.Relu(), nn.Dense(4)), NotImplementedError, "forget their inputs"),
        (nn.Residual(nn.Sequential(nn.DepthScale(), nn.Erf(), nn.Dense(4))), NotImplementedError, "end of the body"),
        (
            nn.Residual(nn.Sequential(nn.Dense(4), nn.Relu(), nn.DepthScale())),
            NotImplementedError,
            "must end in a layer",
        ),
        (nn.Residual(nn.Sequential(nn.Dense(4), nn.DepthScale()), nn.Dense(4)), NotImplementedError, "the identity"),
        (nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(4, 9.0), nn.DepthScale())), ValueError, "too large"),
    ],
    ids=["unscaled", "exponent", "plain", "place", "not fresh", "shortcut", "large"],
)
def test_what_has_no_limit_or_no_rule_says_so(block, error, message):
    with pytest.raises(error, match=message):
        nl.kernel(nn.Sequential(nn.Dense(4), nn.Repeat(block, math.inf), nn.Dense(1)))(X)


@pytest.mark.slow
def test_finite_networks_approach_it(x64):
    """Depth 64 is within 2/64 of the limit (the rate is tested above); at width n the mean over 400 draws is off by at most 3/n
    of the diagonal, which n = 32 and 128 show; four standard errors are added.
    """
    x = X[[0, 4, 5]]
    limit = nl.kernel(network(math.inf))(x)

    def at(width, depth):
        body = nn.Sequential(nn.Relu(), nn.Dense(width, math.sqrt(2)), nn.DepthScale())
        return nn.Sequential(nn.Dense(width, b_std=0.1), nn.Repeat(nn.Residual(body), depth), nn.Dense(1))

    for width in (32, 128):
        for (mean, error), kernel in zip(sampled_kernels(at(width, 64), x, 400, 0), limit, strict=True):
            off = abs(relative(mean - kernel, kernel))
            np.testing.assert_array_less(off, 4 * relative(error, kernel) + 2 / 64 + 3 / width)
