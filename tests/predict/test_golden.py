"""Predictions against neural-tangents 0.6.5.

The peer's NTK is exact to 1e-15 off its diagonal, but on it `sqrt(q1 q2 - k^2)` cancels and leaves relative errors up
to 8e-9 (asserted below). The condition of the predictions multiplies them: with the exact diagonal its predictions
differ by up to 1.2e-8, and with the peer's own diagonal, inferred from one case, all others agree to 1e-9. The NNGP
has no such cancellation.
"""

import math

import equinox as eqx
import numpy as np
import pytest

import nnlimits as nl

TIMES = {"None": math.inf, "0.0": 0.0, "1.0": 1.0, "10.0": 10.0, "100.0": 100.0}
TRAIN = {"ntk": "all", "nngp": "last_layer"}


class OtherDiagonal(eqx.Module):
    """A kernel whose NTK of a batch with itself has something added to its diagonal."""

    kernel: nl.Kernel
    added: np.ndarray

    def __call__(self, x1, x2=None):
        pair = self.kernel(x1, x2)
        return pair if x2 is not None else pair._replace(ntk=np.asarray(pair.ntk) + np.diag(self.added))

    def nngp(self, x1, x2=None):
        return self.kernel.nngp(x1, x2)

    def ntk(self, x1, x2=None):
        return self(x1, x2).ntk

    def diagonal(self, x):
        return self.kernel.diagonal(x)


def predictions(kernel, golden, name, ridge, t):
    flow = nl.gradient_flow(kernel, golden["X"], golden["y"], ridge=float(ridge), train=TRAIN[name])
    return np.asarray(flow.mean(golden["Z"], TIMES[t])), np.asarray(flow.cov(golden["Z"], TIMES[t]))


@pytest.fixture(scope="module")
def peer_kernel(kernel, golden):
    """The kernel with the peer's errors on the diagonal, found by least squares from one of its predictions."""

    def predicted(added):
        return np.concatenate(
            [p.ravel() for p in predictions(OtherDiagonal(kernel, added), golden, "ntk", "0.0", "10.0")]
        )

    case = "pred|dr0.0|t10.0|ntk|"
    target = np.concatenate([golden[case + "mean"].ravel(), golden[case + "cov"].ravel()])
    start, step = predicted(np.zeros(6)), 1e-6
    slopes = np.stack([(predicted(step * row) - start) / step for row in np.eye(6)], 1)
    added = np.linalg.lstsq(slopes, target - start, rcond=None)[0]
    assert abs(added).max() < 1e-7
    return OtherDiagonal(kernel, added)


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("ridge", ["0.0", "0.001"])
def test_ensemble_trained_in_its_last_layer(kernel, golden, error, ridge, t):
    mean, cov = predictions(kernel, golden, "nngp", ridge, t)
    case = f"pred|dr{ridge}|t{t}|nngp|"
    assert error(mean, golden[case + "mean"]) < 1e-12
    assert error(cov, golden[case + "cov"]) < 1e-12


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("ridge", ["0.0", "0.001"])
def test_ensemble_trained_in_all_layers(kernel, peer_kernel, golden, error, ridge, t):
    case = f"pred|dr{ridge}|t{t}|ntk|"
    for tolerance, value in ((2e-8, kernel), (1e-9, peer_kernel)):
        mean, cov = predictions(value, golden, "ntk", ridge, t)
        assert error(mean, golden[case + "mean"]) < tolerance
        assert error(cov, golden[case + "cov"]) < tolerance


@pytest.mark.parametrize("t", ["0.5", "5.0", "50.0", "None"])
def test_one_network_with_given_initial_outputs(kernel, peer_kernel, golden, error, t):
    time = math.inf if t == "None" else float(t)
    for tolerance, value in ((2e-8, kernel), (1e-9, peer_kernel)):
        flow = nl.gradient_flow(value, golden["X"], golden["y"], f0=golden["f0"])
        assert error(flow.train(time), golden[f"gdmse|t{t}|train"]) < tolerance
        assert error(flow.mean(golden["Z"], time, f0_test=golden["f0t"]), golden[f"gdmse|t{t}|test"]) < tolerance


def test_posterior(kernel, golden, error):
    x, y, x_test = golden["X"], golden["y"], golden["Z"]
    noise = 1e-4 * np.asarray(kernel.diagonal(x).nngp).mean()
    posterior = nl.posterior(kernel, x, y, noise=noise)
    assert error(posterior.mean(x_test), golden["gpinf|nngp|mean"]) < 1e-12
    assert error(posterior.cov(x_test), golden["gpinf|nngp|cov"]) < 1e-12
    assert error(posterior.std(x_test) ** 2, golden["gpinf|nngp|cov"].diagonal()) < 1e-12


def test_peers_ntk_posterior_is_the_ensemble_at_infinity(kernel, peer_kernel, golden, error):
    for tolerance, value in ((2e-8, kernel), (1e-9, peer_kernel)):
        flow = nl.gradient_flow(value, golden["X"], golden["y"], ridge=1e-4)
        assert error(flow.mean(golden["Z"]), golden["gpinf|ntk|mean"]) < tolerance
        assert error(flow.cov(golden["Z"]), golden["gpinf|ntk|cov"]) < tolerance


@pytest.mark.parametrize(("key", "momentum"), [("max_lr_mse", 0.0), ("max_lr_mse_mom.9", 0.9)])
def test_largest_learning_rate(kernel, golden, key, momentum):
    """The definitions agree: `2 (1 + momentum) N / lambda_max`, where `N = y.size`."""
    rate = nl.max_learning_rate(kernel, golden["X"], golden["y"].shape[1], momentum=momentum)
    assert abs(rate / golden[key] - 1) < 1e-9


@pytest.mark.parametrize("depth", [1, 3])
def test_where_the_peers_ntk_errs(golden, depth):
    """On a diagonal the angle is zero: the recursion has a closed form there, which the peer misses by up to 8e-9."""
    q = 1.5 * (golden["X"] ** 2).mean(1) + 0.1
    exact = q.copy()
    for _ in range(depth):
        q = 0.75 * q + 0.1
        exact = q + 0.75 * exact
    errors = abs(golden[f"fc|relu|d{depth}|w1.5|b0.1|xx|ntk"].diagonal() / exact - 1)
    assert 1e-9 < errors.max() < 1e-8
