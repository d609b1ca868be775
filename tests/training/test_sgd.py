"""SGD and its stochastic differential equations, on a problem whose first two moments are known.

`f = theta x` with squared error: each step is `theta' = theta - eta (a theta - c)` with `a = x^2, c = x y` of a random
example, so mean and mean square obey linear recursions; the equations' moments obey linear differential equations.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from nnlimits import training

X = np.array([1.0, -0.7, 1.4, 0.4])
Y = np.array([0.5, 1.0, -0.8, -0.6])
A, C = X**2, X * Y
START, END = 1.5, 1.6
PATHS = 40_000


def problem():
    return training.Problem(_scaled, jnp.asarray(START), X[:, None], Y[:, None])


def _scaled(params, x):
    return params * x


def moments_of_sgd(rate):
    mean, square = START, START**2
    for _ in range(round(END / rate)):
        mean, square = (
            mean - rate * (A.mean() * mean - C.mean()),
            ((1 - rate * A) ** 2).mean() * square
            + 2 * rate * ((1 - rate * A) * C).mean() * mean
            + rate**2 * (C**2).mean(),
        )
    return np.array([mean, square])


def moments_of_equation(rate, speed):
    """`speed` multiplies the drift, `1 + rate a / 2` in the modified equation."""

    def slope(_, moments):
        mean, square = moments
        noise = A.var() * square - 2 * np.cov(A, C, bias=True)[0, 1] * mean + C.var()
        pull = -speed * np.array([A.mean() * mean - C.mean(), A.mean() * square - C.mean() * mean])
        return [pull[0], 2 * pull[1] + rate * noise]

    return solve_ivp(slope, (0, END), [START, START**2], rtol=1e-11, atol=1e-12).y[:, -1]


def plain(rate):
    return moments_of_equation(rate, 1.0)


def modified(rate):
    return moments_of_equation(rate, 1 + rate * A.mean() / 2)


def test_orders_of_the_exact_moments():
    """First order with the gradient as drift, second with the modified drift, in the mean and in the mean square."""
    rates = END / np.array([16, 32, 64, 128])
    exact = np.array([moments_of_sgd(rate) for rate in rates])
    first = abs(exact - [plain(rate) for rate in rates])
    second = abs(exact - [modified(rate) for rate in rates])
    assert training.order_of_error(rates, first[:, 0]).slope == pytest.approx(1, abs=0.1)
    for moment in (0, 1):
        assert training.order_of_error(rates, second[:, moment]).slope == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("method", "moments"),
    [(training.sgd, moments_of_sgd), (training.sgd_flow, plain), (training.modified_sgd_flow, modified)],
)
def test_simulated_moments(x64, method, moments):
    """40,000 paths of 8 steps, keys from seed 0: within 4 standard errors. The equations' discretization adds at most 0.001
    to the mean square, measured at five times as many paths."""
    values = ends(method, 0.2, PATHS)
    expected = moments(0.2)
    for found, exact in ((values, expected[0]), (values**2, expected[1])):
        assert abs(found.mean() - exact) < 4 * found.std() / PATHS**0.5 + 1e-3 * (method is not training.sgd)


def ends(method, rate, paths, seed=0):
    keys = jax.random.split(jax.random.key(seed), paths)
    one = problem()
    return np.asarray(jax.vmap(lambda key: method(one, rate, [round(END / rate)], key).observed[0])(keys))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("equation", "order", "counts"), [(training.sgd_flow, 1, [4, 8, 16]), (training.modified_sgd_flow, 2, [2, 4, 8])]
)
def test_orders_by_simulation(x64, equation, order, counts):
    """The mean of simulated SGD against that of the simulated equation, 400,000 paths each: standard errors move the slope by
    0.02 and 0.04, and the next order in the exact means by 0.06 and 0.04."""
    rates = END / np.array(counts)
    errors = [
        abs(ends(training.sgd, r, 400_000, seed=1).mean() - ends(equation, r, 400_000, seed=2).mean()) for r in rates
    ]
    assert training.order_of_error(rates, errors).slope == pytest.approx(order, abs=0.1)


@pytest.mark.slow
def test_the_noise_of_batches_has_the_covariance_of_the_gradients_over_their_size(x64):
    """One step of the equation in 3 dimensions, from one point: covariance `eta^2 Sigma / 5`, to 6 per cent of its largest
    entry with 20,000 draws (four standard errors)."""
    draw = np.random.default_rng(3)
    x, y, start = draw.standard_normal((6, 3)), draw.standard_normal((6, 1)), draw.standard_normal((3, 1))
    one = training.Problem(lambda p, x: x @ p, start, x, y)
    keys = jax.random.split(jax.random.key(0), 20_000)
    gradients = (x * (x @ start - y)).T
    expected = 0.01**2 * np.cov(gradients, bias=True) / 5
    for method in (training.sgd, training.sgd_flow):
        step = jax.vmap(lambda key, m=method: m(one, 0.01, [1], key, batch_size=5).observed[0, :, 0])
        found = np.cov(np.asarray(step(keys)).T)
        np.testing.assert_allclose(found, expected, atol=0.06 * abs(expected).max())


def test_bad_arguments(x64):
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        training.sgd(problem(), 0.1, [1], key, batch_size=0)
    with pytest.raises(ValueError, match="substeps must be at least 1"):
        training.sgd_flow(problem(), 0.1, [1], key, substeps=0)
    total = training.Problem(_scaled, jnp.asarray(START), X[:, None], Y[:, None], _total)
    with pytest.raises(ValueError, match="write it as a mean over examples"):
        training.sgd(total, 0.1, [1], key)


def _total(outputs, targets):
    return ((outputs - targets) ** 2).sum()
