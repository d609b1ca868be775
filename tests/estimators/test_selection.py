import jax
import numpy as np
import pytest

import nnlimits as nl
from nnlimits import nn, presets
from nnlimits.estimators.scales import initial_logs, ranges, spreads
from nnlimits.estimators.selection import Candidate, Free, Judge, _value_and_gradient, select
from nnlimits.predict import log_marginal_likelihood

ALL = Free(w_std=True, b_std=True, noise=True, relevance=False)
EVIDENCE = Judge("marginal_likelihood", "nngp")
NETWORK = presets.mlp(depth=2, b_std=0.3)


def drawn(network, noise: float, n: int = 60, outputs: int = 3, columns: int = 4):
    """Inputs, and targets drawn from the prior of a network."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, columns))
    covariance = np.asarray(nl.kernel(network).nngp(x)) + noise * np.eye(n)
    return x, np.linalg.cholesky(covariance) @ rng.normal(size=(n, outputs))


@pytest.mark.parametrize("judge", [EVIDENCE, Judge("leave_one_out", "ntk")])
def test_gradient(judge):
    x, y = drawn(NETWORK, 0.1, n=60)
    with jax.enable_x64(True):
        logs = initial_logs(NETWORK, w_std=True, b_std=True, noise=True, columns=4)
        vector, restore = jax.flatten_util.ravel_pytree(logs)
        assert vector.size == 2 + 2 + 1 + 1 + 4
        candidate = Candidate(NETWORK, logs, 0.1, 0.0)
        direction = np.random.default_rng(1).normal(size=vector.size)

        def value(step):
            return _value_and_gradient(jax.device_get(restore(vector + step * direction)), candidate, x, y, judge)[0]

        gradient = _value_and_gradient(jax.device_get(restore(vector)), candidate, x, y, judge)[1]
        slope = float(jax.flatten_util.ravel_pytree(gradient)[0] @ direction)
        assert slope == pytest.approx((value(1e-4) - value(-1e-4)) / 2e-4, rel=1e-5)


def test_priors_and_ranges_have_the_structure_of_the_scales():
    logs = initial_logs(NETWORK, w_std=True, b_std=False, noise=True, columns=4)
    for tree in (spreads(logs), ranges(logs, 0), ranges(logs, 1)):
        assert jax.tree.structure(tree) == jax.tree.structure(logs)


def test_the_evidence_does_not_fall_and_the_noise_is_found():
    truth = presets.mlp(depth=2, w_std=2.0, b_std=0.5)
    x, y = drawn(truth, 0.1, outputs=20)
    best, found = select([NETWORK], x, y, noise=0.05, free=ALL, judge=EVIDENCE)
    assert len(found) == 1
    before, after = (
        log_marginal_likelihood(nl.kernel(network), x, y, noise=noise)
        for network, noise in ((NETWORK, 0.05), (best.network, best.noise))
    )
    assert after > before
    # 1,200 numbers of signal and noise: the noise's relative error is near (2 / 1200)^0.5 = 0.04 if all else is known
    assert best.noise == pytest.approx(0.1, rel=0.25)


@pytest.mark.slow
def test_the_network_that_the_data_come_from_is_preferred():
    rough = nn.Sequential(nn.Dense(1, w_std=2.0, b_std=1.0), nn.Step(), nn.Dense(1, w_std=1.5))
    smooth = nn.Sequential(nn.Dense(1, w_std=2.0, b_std=1.0), nn.Erf(), nn.Dense(1, w_std=1.5))
    for truth, place in ((rough, 0), (smooth, 1)):
        x, y = drawn(truth, 0.01, columns=2)
        _, found = select([rough, smooth], x, y, noise=0.05, free=ALL, judge=EVIDENCE)
        assert int(np.argmax([f.value for f in found])) == place


def test_fixed_scales_stay():
    x, y = drawn(NETWORK, 0.1)
    free = Free(w_std=False, b_std=True, noise=False, relevance=False)
    best, _ = select([NETWORK], x, y, noise=0.1, free=free, judge=EVIDENCE)
    assert best.noise == 0.1
    assert [layer.w_std for layer in best.network.layers[::2]] == [layer.w_std for layer in NETWORK.layers[::2]]
    assert best.network.layers[0].b_std != 0.3


def test_nothing_free_is_only_judged():
    x, y = drawn(NETWORK, 0.1)
    best, _ = select([NETWORK], x, y, noise=0.1, free=Free(False, False, False, False), judge=EVIDENCE)
    assert best.network == NETWORK
    expected = float(log_marginal_likelihood(nl.kernel(NETWORK), x, y, noise=0.1)) / y.size
    assert best.value == pytest.approx(expected, rel=1e-9)


def test_features_that_do_not_matter_lose_their_relevance():
    x, y = drawn(presets.mlp(depth=1, b_std=0.3), 0.01, outputs=5, columns=2)
    noise = np.random.default_rng(2).normal(size=(60, 2))
    free = ALL._replace(relevance=True)
    best, _ = select([presets.mlp(depth=1, b_std=0.3)], np.hstack([x, noise]), y, noise=0.05, free=free, judge=EVIDENCE)
    assert best.relevance[2:].max() < best.relevance[:2].min() / 3


def test_scales_are_refined_on_more_rows_than_networks_are_screened_on(monkeypatch):
    monkeypatch.setattr("nnlimits.estimators.selection.SCREENING_ROWS", 40)
    x, y = drawn(NETWORK, 0.1)
    best, (screened,) = select([NETWORK], x, y, noise=0.1, free=ALL, judge=EVIDENCE)
    assert best.noise != screened.noise
