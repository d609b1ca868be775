"""Finite networks, trained by gradient descent, against what theory says of them.

The data are eight points on a sphere in four dimensions, with targets of order one; four more points are watched. All
networks are in the NTK parameterization, and every comparison is made on the watched points. Random keys are fixed, and
were fixed before the first comparison; the probability of a false alarm, over keys, is stated in each test.
"""

import jax
import numpy as np
import pytest
import scipy.stats

import nnlimits as nl
from nnlimits import nn
from nnlimits.training import train_ensemble, train_linearized_ensemble

ACTIVATIONS = pytest.mark.parametrize("activation", [nn.Relu(), nn.Erf()], ids=["relu", "erf"])


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((12, 4))
    x /= np.sqrt((x**2).mean(1, keepdims=True))
    y = np.sin(2 * x[:, :1]) + 0.5 * x[:, 1:2]
    return tuple(a.astype(np.float32) for a in (x[:8], y[:8], x[8:]))


def fitted_rate(network, widths, seeds: int, steps: int) -> tuple[float, float]:
    """The slope of the logarithm of each network's distance from its linearization in that of its width, and its error."""
    x, y, x_test = problem()
    rate = 0.25 * float(nl.max_learning_rate(nl.kernel(network(1)), x))
    options = {"learning_rate": rate, "steps": [steps], "x_test": x_test}
    keys = jax.random.split(jax.random.key(0), seeds)
    distances = []
    for width in widths:
        trained = train_ensemble(network(width), keys, x, y, **options).test
        linearized = train_linearized_ensemble(network(width), keys, x, y, **options).test
        distances.append(((trained - linearized) ** 2).mean((1, 2, 3)) ** 0.5)
    logs = np.log(np.asarray(distances))
    mean, error = logs.mean(1), logs.std(1, ddof=1) / seeds**0.5
    design = np.log(widths) - np.mean(np.log(widths))
    slope = design @ mean / (design @ design)
    return float(slope), float((design**2 @ error**2) ** 0.5 / (design @ design))


def ensemble_scores(network: nn.Layer, seeds: int, steps: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far an ensemble's moments are from `gradient_flow`, in standard errors of `seeds` draws.

    At the rate of a fiftieth of the largest stable one, descent and flow differ by less than 0.3 such errors.
    """
    x, y, x_test = problem()
    kernel = nl.kernel(network)
    rate = 0.02 * float(nl.max_learning_rate(kernel, x))
    flow = nl.gradient_flow(kernel, x, y, learning_rate=rate)
    keys = jax.random.split(jax.random.key(0), seeds)
    outputs = train_ensemble(network, keys, x, y, learning_rate=rate, steps=steps, x_test=x_test).test[..., 0]
    covariance = np.asarray(flow.cov(x_test, np.array(steps)), np.float64)
    error = outputs.mean(0) - np.asarray(flow.mean(x_test, np.array(steps)))[..., 0]
    squared_distance = seeds * np.einsum("ti,tij,tj->t", error, np.linalg.inv(covariance), error)
    variance = np.einsum("tii->ti", covariance)
    mean_scores = error / (variance / seeds) ** 0.5
    variance_scores = (outputs.var(0, ddof=1) / variance - 1) / (2 / (seeds - 1)) ** 0.5
    return scipy.stats.chi2.sf(squared_distance, len(x_test)), mean_scores, variance_scores


def check_ensemble(network: nn.Layer, seeds: int, steps: list[int]) -> None:
    """The means at each time are jointly normal, of known covariance, so their squared Mahalanobis distance is chi-squared.

    The sample variances are normal for hundreds of seeds, with standard error `variance sqrt(2 / (seeds - 1))`; the largest
    of all their scores is compared with the two-sided quantile for as many. Each comparison is at the level 1e-3 over all
    times and points together (Bonferroni), so a false alarm has probability below 2e-3. The bias of order 1/width is
    smaller than the sampling error at the widths used.
    """
    probabilities, mean_scores, variance_scores = ensemble_scores(network, seeds, steps)
    print(f"{network!r}, {seeds} seeds, steps {steps}")
    print(f"  p of the means {probabilities.round(4)}\n  z of the means {mean_scores.round(2).tolist()}")
    print(f"  z of the variances {variance_scores.round(2).tolist()}")
    assert (probabilities > 1e-3 / len(steps)).all()
    assert abs(variance_scores).max() < scipy.stats.norm.isf(1e-3 / variance_scores.size / 2)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.Relu(), pytest.param(nn.Erf(), marks=pytest.mark.slow)], ids=["relu", "erf"])
def test_distance_from_linearization_falls_with_width(activation):
    """The fitted slope is -0.5 or steeper; its error, from the spread over seeds, is far below its distance from zero."""

    def network(width):
        return nl.presets.mlp(depth=2, width=width, activation=activation, w_std=1.5)

    slope, error = fitted_rate(network, [32, 64, 128, 256], seeds=32, steps=100)
    print(f"distance from linearization ~ width^({slope:.3f} +- {error:.3f}) for {activation!r}")
    assert slope <= -0.5
    assert error < 0.1


@pytest.mark.slow
def test_ensemble_of_shallow_networks_follows_gradient_flow():
    """At steps 20, 80 and 400 the expected loss is 0.43, 0.12 and 0.015, from 1.0 at the start."""
    check_ensemble(nl.presets.mlp(depth=1, width=512, w_std=1.5), seeds=500, steps=[20, 80, 400])


@pytest.mark.slow
def test_ensemble_of_deep_networks_follows_gradient_flow():
    check_ensemble(nl.presets.mlp(depth=2, width=192, activation=nn.Erf(), w_std=1.5), seeds=200, steps=[20, 80, 400])


@pytest.mark.slow
@ACTIVATIONS
def test_distance_from_linearization_falls_with_width_up_to_1024(activation):
    """As the shorter test, over a range of 32 in width."""

    def network(width):
        return nl.presets.mlp(depth=2, width=width, activation=activation, w_std=1.5)

    slope, error = fitted_rate(network, [32, 64, 128, 256, 512, 1024], seeds=24, steps=100)
    print(f"distance from linearization ~ width^({slope:.3f} +- {error:.3f}) for {activation!r}")
    assert slope <= -0.5


@pytest.mark.slow
def test_large_ensemble_of_deep_networks_follows_gradient_flow():
    check_ensemble(nl.presets.mlp(depth=2, width=512, w_std=1.5), seeds=500, steps=[20, 80, 400])
