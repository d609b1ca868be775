"""Sharpness along descent and the central flow: a loss that can be solved, and a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import flat

from nnlimits import datasets, nn, training

pytest.importorskip("matfree")
pytest.importorskip("lineax")

KEY = jax.random.key(0)
RATE, PULL = 0.1, 0.02


def toy():
    """`L = z x^2 / 2 - pull z`: the sharpness is z, and rises by `pull` until x is thrown out of its valley."""
    return training.Problem(_pair, jnp.array([1e-3, 19.0]), np.ones((1, 1)), np.zeros((1, 2)), _valley)


def _pair(params, x):
    return x * params


def _valley(outputs, targets):
    x, z = (outputs - targets)[0]
    return z * x**2 / 2 - PULL * z


def test_the_central_flow_of_a_solvable_loss(x64):
    """Below the edge z rises by `rate pull` a step. At it, `sigma^2 = 2 pull` balances; the sharpness stays at 2 / rate."""
    found = training.central_flow(toy(), RATE, 1000, KEY, every=100)
    expected = np.minimum(19 + RATE * PULL * found.steps, 20)
    np.testing.assert_allclose(found.sharpness[:, 0], expected, rtol=1e-4)
    at_edge = expected >= 20
    np.testing.assert_allclose(found.covariance[at_edge, 0, 0][1:], 2 * PULL, rtol=1e-4)
    np.testing.assert_allclose(found.covariance[~at_edge], 0, atol=1e-12)
    np.testing.assert_allclose(found.losses, -PULL * expected, rtol=1e-3)
    np.testing.assert_allclose(found.mean_losses[at_edge][1:], 0, atol=1e-4)


def test_the_central_flow_in_single_precision():
    """It reaches the edge after 10 steps and stays. Rounding of the sharpness, 20 at 2e-6 a unit, shows in the covariance over
    the derivative of what it pushes, `rate / 2 |grad S|^2 / substeps = 1 / 80`."""
    problem = toy().with_params(jnp.array([1e-3, 19.98], jnp.float32))
    found = training.central_flow(problem, RATE, 40, KEY, every=10)
    assert {a.dtype for a in (found.losses, found.mean_losses, found.sharpness, found.covariance)} == {np.dtype("f4")}
    np.testing.assert_allclose(found.sharpness[:, 0], [19.98, 20, 20, 20, 20], rtol=1e-5)
    np.testing.assert_allclose(found.covariance[2:, 0, 0], 2 * PULL, atol=2 * 20 * 2e-6 * 80)
    np.testing.assert_allclose(found.losses, -PULL * found.sharpness[:, 0], rtol=1e-4)


def test_descent_of_the_solvable_loss_goes_round_the_central_flow(x64):
    """From near the central flow's `x^2 = 2 pull`, z = 20, descent goes round it in small cycles. As z returns within 0.2, the
    mean of x^2 over 4,000 steps is `2 pull` to `2 0.2 / (4000 rate) = 0.001`, and the mean of z is 20 to second order."""
    problem = toy().with_params(jnp.array([0.18, 20.05]))
    found = training.track_sharpness(problem, RATE, 4000, KEY, every=5, observe=flat, progress=False)
    x, z = found.observed.T
    assert found.edge == 20
    assert abs(z - 20).max() < 0.2
    np.testing.assert_allclose(found.sharpness[:, 0], largest(x, z), rtol=1e-6)
    assert (x**2).mean() == pytest.approx(2 * PULL, abs=1e-3)
    assert z.mean() == pytest.approx(20, abs=0.01)
    losses = training.descent(problem, RATE, found.steps).losses
    np.testing.assert_allclose(found.losses[found.steps], losses, rtol=1e-9, atol=1e-12)


def largest(x, z):
    """The larger eigenvalue of the toy's Hessian, ((z, x), (x, 0))."""
    return z / 2 + np.sqrt(z**2 / 4 + x**2)


def test_complementarity(x64):
    """The three conditions, for a random positive operator of three directions; and the closed form for one."""
    draw = np.random.default_rng(0)
    root = draw.standard_normal((3, 3, 20))
    root = root + root.transpose(1, 0, 2)
    beta = np.einsum("ijp,klp->ijkl", root, root)
    alpha = draw.standard_normal((3, 3)) - 2 * np.eye(3)
    alpha = jnp.asarray(alpha + alpha.T)
    x = training.semidefinite_complementarity(alpha, jnp.asarray(beta), iterations=2000)
    slack = alpha + np.einsum("ijkl,kl->ij", beta, x)
    assert np.linalg.eigvalsh(x)[0] > -1e-9
    assert np.linalg.eigvalsh(slack)[0] > -1e-6
    assert abs(np.vdot(x, slack)) < 1e-6
    assert np.trace(x) > 0.01
    for a in (-3.0, 2.0):
        one = training.semidefinite_complementarity(jnp.full((1, 1), a), jnp.full((1, 1, 1, 1), 1.5))
        assert one[0, 0] == pytest.approx(max(0, -a / 1.5))


def test_bad_arguments():
    with pytest.raises(ValueError, match="every a divisor of steps"):
        training.track_sharpness(toy(), 0.1, 10, KEY, every=3)
    with pytest.raises(ValueError, match="learning_rate must be finite and positive"):
        training.central_flow(toy(), 0.0, 10, KEY)


@pytest.mark.slow
def test_descent_of_a_network_follows_its_central_flow_and_not_gradient_flow(x64):
    """A tanh network on 40 digits with large targets, at a rate where gradient flow ends at 1.5 times the edge. From step 300,
    when the first overshoot has died down, the loss averaged over 21 steps is within 12 per cent of what the central flow
    predicts (8 to 10 at worst, 6 on average), and more than 20 above gradient flow's. The sharpness of the central flow is on
    the edge (eigenpairs from 12 products, not 24, let it stray by 0.15 per cent); that of gradient flow is not."""
    digits, _ = datasets.digits(40)
    net = nn.Sequential(nn.Dense(12, b_std=0.1), nn.Tanh(), nn.Dense(12, b_std=0.1), nn.Tanh(), nn.Dense(10))
    params = net.init(KEY, (64,), dtype=np.float64)
    problem = training.Problem(net, params, digits.x.astype(float), 10 * digits.targets.astype(float))
    rate = 0.6 / training.phases(problem, KEY).sharpness
    descent = training.track_sharpness(problem, rate, 500, KEY, every=10)
    central = training.central_flow(problem, rate, 500, KEY, every=10, k=2)
    flow = training.flow(problem, rate * central.steps, tolerance=1e-6)
    mean = np.convolve(descent.losses, np.ones(21) / 21, "valid")
    late = slice(30, 49)
    measured = mean[central.steps[late] - 10]
    error = np.log(central.mean_losses[late] / measured)
    error_of_flow = np.log(np.asarray(flow.losses[late]) / measured)
    assert abs(error).max() < 0.12
    assert abs(error_of_flow).min() > 0.2
    assert abs(error_of_flow).mean() > 3 * abs(error).mean()
    np.testing.assert_allclose(central.sharpness[late, 0] * rate, 2, rtol=1e-6)
    assert 2 < (descent.sharpness[late, 0] * rate).mean() < 2.3
    end = jax.tree.map(lambda leaf: leaf[-1], flow.observed)
    assert training.phases(problem.with_params(end), KEY).sharpness * rate > 2.8
