"""Weighted sums of random kitchen sinks: the optimum, the promised rate, the certificate, and refusals."""

import jax
import numpy as np
import pytest
import scipy.optimize

from nnlimits.random_features import kitchen_sinks
from nnlimits.rates import fitted_rate

random = np.random.default_rng(0)
X = random.normal(size=(300, 2))
Y = np.sin(X[:, 0])
KEY = jax.random.key(0)


def in_the_class(x, bound, seed=0):
    """A function of the class: `E[alpha(w)/p(w) phi(x; w)]` with `|alpha/p| <= bound`, by 20,000 draws."""
    draw = np.random.default_rng(seed)
    weights, offsets = draw.normal(size=(20000, 2)), draw.uniform(size=20000)
    ratio = bound * np.sign(weights[:, 0]) * np.cos(2 * np.pi * offsets)
    return np.cos(x @ weights.T + 2 * np.pi * offsets) @ ratio / 20000


@pytest.mark.parametrize("nonlinearity", ["cosines", "steps", "sigmoids"])
def test_the_best_bounded_weights(nonlinearity):
    found = kitchen_sinks(X, Y, 40, bound=3.0, key=KEY, nonlinearity=nonlinearity)
    assert abs(found.coefficients).max() <= 3.0 / 40
    phi = found.features(X)
    assert abs(phi).max() <= 1
    exact = scipy.optimize.lsq_linear(phi, Y, (-3.0 / 40, 3.0 / 40), tol=1e-14)
    assert np.mean((found(X) - Y) ** 2) == pytest.approx(2 * exact.cost / 300, rel=1e-6)


def test_the_approximation_error_keeps_the_promised_rate_and_bound():
    bound, counts = 2.0, np.array([12, 36, 108])
    y = in_the_class(X, bound)
    keys = jax.random.split(KEY, 3)
    fits = [[kitchen_sinks(X, y, int(k), bound=bound, key=key) for key in keys] for k in counts]
    errors = np.array([[np.sqrt(np.mean((f(X) - y) ** 2)) for f in row] for row in fits])
    # the promise is K^{-1/2} for the weights that imitate the integral; the best weights may be better, never worse
    assert fitted_rate(counts.astype(float), errors).slope < -0.45
    assert (errors <= np.array([[f.certificate().distance for f in row] for row in fits])).all()


def test_the_certificate():
    found = kitchen_sinks(X, Y, 100, bound=3.0, key=KEY)
    certificate = found.certificate(delta=0.1)
    log, largest = np.log(10.0), 3.0 + abs(Y).max()
    assert certificate.distance == pytest.approx(0.3 * (1 + np.sqrt(2 * log)))
    assert certificate.approximation == pytest.approx(2 * largest * certificate.distance)
    estimation = (8 * 3 * largest + (Y**2).max() + largest**2 * np.sqrt(log / 2)) / np.sqrt(300)
    assert certificate.estimation == pytest.approx(estimation)
    assert certificate.excess_risk == pytest.approx(2 * estimation + certificate.approximation)
    quadrupled = kitchen_sinks(X, Y, 400, bound=3.0, key=KEY).certificate(delta=0.1)
    assert quadrupled.distance == pytest.approx(certificate.distance / 2)
    assert quadrupled.estimation == pytest.approx(certificate.estimation)


def test_the_estimation_bound_holds_where_it_says_something():
    """Constant targets and a small class, 20,000 examples: the risk and the examples' error differ by less than the bound.

    The bound is below the risk itself here, which is about (1 - 0.1)^2.
    """
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(20_000, 2)), np.ones(20_000)
    found = kitchen_sinks(x, y, 20, bound=0.1, key=KEY)
    bound = found.certificate(delta=0.1).estimation
    risk = np.mean((found(draw.normal(size=(20_000, 2))) - 1) ** 2)
    assert abs(risk - np.mean((found(x) - y) ** 2)) < bound < 0.1 * risk


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"bound": 0.0}, ValueError, "bound must be finite and positive"),
        ({"nonlinearity": "relu"}, ValueError, "nonlinearity must be one of 'cosines', 'steps', 'sigmoids'"),
        ({"lengthscale": -1.0}, ValueError, "lengthscale must be finite and positive"),
        ({"key": None}, TypeError, "key must be one random key"),
    ],
)
def test_refusals(options, error, match):
    with pytest.raises(error, match=match):
        kitchen_sinks(X, Y, 10, **{"bound": 1.0, "key": KEY, **options})


def test_refusals_of_targets():
    with pytest.raises(ValueError, match=r"y must have shape \(300,\)"):
        kitchen_sinks(X, Y[:5], 10, bound=1.0, key=KEY)
    bad = Y.copy()
    bad[3] = np.nan
    with pytest.raises(ValueError, match="y contains nan at index 3"):
        kitchen_sinks(X, bad, 10, bound=1.0, key=KEY)
    with pytest.raises(TypeError, match="y must be a real numeric array; received dtype <U1"):
        kitchen_sinks(X, np.array(["a"] * 300), 10, bound=1.0, key=KEY)
    with pytest.raises(ValueError, match="delta must be between 0 and 1"):
        kitchen_sinks(X, Y, 10, bound=1.0, key=KEY).certificate(delta=1.0)
