"""Moments known at every width."""

import math

import numpy as np
import pytest
from networks import mlp

from nnlimits import nn
from nnlimits.fluctuations import exact_linear_moments, exact_moments, fluctuations

X = np.random.default_rng(0).normal(size=(3, 4))
WIDTHS = (3, 8, 5, 20)


@pytest.mark.parametrize(
    ("activation", "w_std", "constant"),
    [
        (nn.Relu(), math.sqrt(2), 5),
        (nn.Identity(), 1.0, 2),
        (nn.Abs(), 1.0, 2),
        (nn.LeakyRelu(0.3), 1.0, 6 * (1 + 0.3**4) / (1 + 0.3**2) ** 2 - 1),
    ],
    ids=repr,
)
def test_products_over_layers(activation, w_std, constant):
    found = exact_moments(mlp(WIDTHS, activation, w_std), X)
    product = np.prod([1 + constant / n for n in WIDTHS])
    assert found.kernel.dtype == np.float64
    assert abs(np.array(found.kernel_variance) / (product - 1) - 1).max() < 1e-14 * 100
    assert abs(np.array(found.kurtosis) / (3 * product - 3) - 1).max() < 1e-12
    if isinstance(activation, nn.Relu | nn.Identity):
        assert abs(np.array(found.kernel) / (w_std**2 * (X**2).mean(1)) - 1).max() < 1e-13


def test_relu_with_biases_against_samples():
    """One input, widths 4 and 6: 2^20 draws of `S` by its layers, standard errors 0.1%; seed 0."""
    rng, count, w2, b2 = np.random.default_rng(0), 2**20, 1.8, 0.3
    found = exact_moments(mlp((4, 6), nn.Relu(), math.sqrt(w2), math.sqrt(b2)), X[:1])
    s = np.full(count, b2 + w2 * (X[0] ** 2).mean())
    for width in (4, 6):
        s = b2 + w2 * s * (np.maximum(rng.normal(size=(count, width)), 0) ** 2).mean(1)
    for power, exact in ((1, found.kernel), (2, found.kernel_square)):
        error = (s**power).std() / math.sqrt(count)
        assert abs((s**power).mean() - float(np.array(exact)[0])) < 4 * error


@pytest.mark.slow
def test_first_order_of_linear_networks_is_that_of_the_vertex():
    """The difference is of second order: four times smaller at twice the width, but for a third order of the ratio 1/width."""
    errors = []
    for width in (200, 400):
        net = mlp((width, 2 * width, width), nn.Identity(), 1.1, 0.4)
        exact, first = exact_linear_moments(net, X), fluctuations(net, X)
        assert abs(np.array(exact.ntk) - np.array(first.ntk)).max() < 1e-12
        assert abs(np.array(exact.kernel) - np.array(first.kernel)).max() < 1e-12
        errors.append(np.array(exact.vertex) - np.array(first.vertex))
        assert abs(np.array(first.ntk_correction)).max() < 1e-12
    assert abs(errors[0] / errors[1] - 4).max() < 0.2


def test_linear_moments_on_the_diagonal_are_those_of_one_input():
    net = mlp(WIDTHS, nn.Identity(), 0.9, 0.2, parameterization="standard")
    several, alone = exact_linear_moments(net, X), exact_moments(net, X)
    product = np.einsum("aaaa->a", np.array(several.kernel_product))
    assert abs(product / np.array(alone.kernel_square) - 1).max() < 1e-13
    assert abs(np.diag(several.ntk) / np.array(alone.ntk) - 1).max() < 1e-13
    cumulant = np.array(several.output_cumulant)
    assert abs(cumulant - np.transpose(cumulant, (3, 1, 0, 2))).max() < 1e-12
    assert abs(np.einsum("aaaa->a", cumulant) / np.array(alone.kernel) ** 2 - np.array(alone.kurtosis)).max() < 1e-10


def test_what_is_not_exact():
    with pytest.raises(NotImplementedError, match="positively homogeneous"):
        exact_moments(mlp((5,), nn.Tanh(), 1.0), X)
    with pytest.raises(NotImplementedError, match="not linear"):
        exact_linear_moments(mlp((5,), nn.Relu(), 1.0), X)
