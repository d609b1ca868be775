import math

import numpy as np
import pytest

import nnlimits as nl
from nnlimits.predict import log_marginal_likelihood

MAKERS = {
    "posterior": nl.posterior,
    "log_marginal_likelihood": log_marginal_likelihood,
    "gradient_flow": nl.gradient_flow,
    "gradient_descent": lambda *a: nl.gradient_descent(*a, learning_rate=0.1),
    "momentum": lambda *a: nl.momentum(*a, learning_rate=0.1),
    "function_space_flow": nl.function_space_flow,
}


def with_entry(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_training_data(kernel, data, make):
    x, y = data.x, data.y
    for arguments, error, message in (
        ((with_entry(x, (3, 1), np.nan), y), ValueError, r"x contains nan at index \(3, 1\)"),
        ((x, with_entry(y, (5, 0), np.inf)), ValueError, r"y contains inf at index \(5, 0\)"),
        ((x[0], y), ValueError, "x must have 2 axes"),
        ((x[:0], y[:0]), ValueError, "x is empty"),
        ((x[:, :0], y), ValueError, "axis of length zero"),
        ((x, y[:5]), ValueError, "x has 12 and y has 5"),
        ((x, y[:, :, None]), ValueError, r"y must have shape \(n,\) or \(n, outputs\)"),
        ((x, y.astype(np.float32)), TypeError, "x is float64, y is float32"),
        ((x, np.array(["a"] * 12)), TypeError, "y must be a real numeric array"),
        ((x.astype(object), y), TypeError, "x must be a real numeric array"),
    ):
        with pytest.raises(error, match=message):
            make(kernel, *arguments)


def queries(kernel, data):
    yield nl.posterior(kernel, data.x, data.y).mean
    yield nl.posterior(kernel, data.x, data.y).std
    yield nl.posterior(kernel, data.x, data.y).cov
    yield nl.gradient_flow(kernel, data.x, data.y).mean
    yield nl.gradient_flow(kernel, data.x, data.y).std
    yield nl.gradient_flow(kernel, data.x, data.y).cov
    yield lambda x: nl.function_space_flow(kernel, data.x, data.y).mean(x, 1.0)


def test_inputs_to_predict(kernel, data):
    x = data.x_test
    for query in queries(kernel, data):
        for bad, error, message in (
            (x[:, :3], ValueError, "x has 3 features, but the training inputs had 4 features"),
            (x[0], ValueError, "x must have 2 axes"),
            (x[:0], ValueError, "x is empty"),
            (with_entry(x, (2, 2), np.nan), ValueError, r"x contains nan at index \(2, 2\)"),
            (x.astype(np.float32), TypeError, "x is float32, training_x is float64"),
        ):
            with pytest.raises(error, match=message):
                query(bad)


@pytest.mark.parametrize("noise", [-1.0, math.nan, math.inf])
def test_noise(kernel, data, noise):
    for make in (nl.posterior, log_marginal_likelihood):
        with pytest.raises(ValueError, match="noise must be finite and non-negative"):
            make(kernel, data.x, data.y, noise=noise)
    with pytest.raises(TypeError, match="noise must be one number"):
        nl.posterior(kernel, data.x, data.y, noise=np.ones(3))


def test_training_options(kernel, data):
    for options, message in (
        ({"learning_rate": 0.0}, "learning_rate must be finite and positive"),
        ({"ridge": -1e-3}, "ridge must be finite and non-negative"),
        ({"train": "first_layer"}, '"all" .* or "last_layer"'),
        ({"f0": np.zeros((12, 3))}, r"f0 must have shape \(12, 2\)"),
        ({"f0": np.full((12, 2), np.nan)}, "f0 contains nan"),
    ):
        with pytest.raises(ValueError, match=message):
            nl.gradient_flow(kernel, data.x, data.y, **options)


def test_times(kernel, data):
    flow = nl.gradient_flow(kernel, data.x, data.y)
    for t in (-1.0, math.nan, np.array([0.0, -2.0])):
        for method in (flow.mean, flow.cov, flow.std):
            with pytest.raises(ValueError, match="t must not be negative or NaN"):
                method(data.x_test, t)
        with pytest.raises(ValueError, match="t must not be negative or NaN"):
            flow.train_loss(t)
    with pytest.raises(ValueError, match="a number or a vector"):
        flow.mean(data.x_test, np.ones((2, 2)))


def test_integer_data_are_taken_as_numbers(kernel):
    x, y = np.arange(12).reshape(6, 2), np.arange(6)
    posterior = nl.posterior(kernel, x, y, noise=0.1)
    expected = nl.posterior(kernel, x.astype(np.float32), y.astype(np.float32), noise=0.1)
    np.testing.assert_array_equal(posterior.mean(x[:2]), expected.mean(x[:2]))


def test_a_kernel_that_overflows_or_is_indefinite(kernel, data):
    with pytest.raises(ValueError, match="not finite"):
        nl.posterior(kernel, data.x * 1e200, data.y)

    class Indefinite:
        def nngp(self, x1, x2=None):
            return -np.eye(len(x1)) + 1

    with pytest.raises(np.linalg.LinAlgError, match=r"cannot be solved.*eigenvalues range from -1 to 11"):
        nl.posterior(Indefinite(), data.x, data.y)
