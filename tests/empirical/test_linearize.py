"""Expansions in the parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from functions import draw, mlp

import nnlimits as nl
from nnlimits import nn


def cubic(params, x):
    return (x * params["a"]) ** 3 + params["b"]


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_polynomial_of_a_cubic_function(order):
    """`(a + d)^3 = a^3 + 3 a^2 d + 3 a d^2 + d^3`, cut off after the given order."""
    a, d, x = 0.7, 0.4, draw(0, 5)
    terms = [a**3, 3 * a**2 * d, 3 * a * d**2, d**3]
    expected = sum(terms[: order + 1]) * x**3 + (0.1 if order == 0 else 0.3)
    expansion = nl.empirical.taylor(cubic, {"a": np.array(a), "b": np.array(0.1)}, order)
    found = expansion({"a": np.array(a + d), "b": np.array(0.3)}, x)
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_linearization_of_a_quadratic_network(x64):
    """`f = sum (x W)^2`: the derivative in W is `2 x^T x W`, by hand."""
    weight, other, x = draw(0, 4, 3), draw(1, 4, 3), draw(2, 6, 4)
    f_lin = nl.empirical.linearize(lambda w, x: jnp.square(x @ w).sum(1), weight)
    slope = 2 * np.einsum("ni,nj,jk,ik->n", x, x, weight, other - weight)
    np.testing.assert_allclose(f_lin(other, x), ((x @ weight) ** 2).sum(1) + slope, rtol=1e-12)
    np.testing.assert_allclose(f_lin(weight, x), ((x @ weight) ** 2).sum(1), rtol=1e-14)


def test_linearization_keeps_its_kernel(x64):
    """Its derivative in the parameters is that at `params0`, wherever it is taken."""
    f, params, shape = mlp()
    x = draw(3, 4, *shape)
    moved = jax.tree.map(lambda p: p + 0.3, params)
    f_lin = nl.empirical.linearize(f, params)
    expected = nl.empirical.ntk(f, params, x)
    np.testing.assert_allclose(nl.empirical.ntk(f_lin, moved, x), expected, rtol=1e-10)
    assert abs(nl.empirical.ntk(f, moved, x) - expected).max() > 1


class EmpiricalKernel:
    """One network's kernels, with the methods that predictions ask for."""

    def __init__(self, f, params):
        self.f, self.params = f, params

    def __call__(self, x1, x2=None):
        return self.nngp(x1, x2), self.ntk(x1, x2)

    def nngp(self, x1, x2=None):
        return np.asarray(nl.empirical.nngp(self.f, self.params, x1, x2))

    def ntk(self, x1, x2=None):
        return np.asarray(nl.empirical.ntk(self.f, self.params, x1, x2, outputs="trace"))


@pytest.mark.slow
def test_training_follows_the_closed_form(x64):
    """Descent on the linearization's parameters, step by step, equals the closed form to rounding (1e-11)."""
    net = nn.Sequential(nn.Dense(64, b_std=0.2), nn.Tanh(), nn.Dense(1))
    params0 = net.init(jax.random.key(0), (4,), dtype=np.float64)
    x, y, x_test = draw(0, 6, 4), draw(1, 6, 1), draw(2, 3, 4)
    f_lin = nl.empirical.linearize(net.apply, params0)
    descend = jax.jit(jax.grad(lambda p: jnp.square(f_lin(p, x) - y).mean() / 2))
    params = params0
    for _ in range(30):
        params = jax.tree.map(lambda p, g: p - 0.5 * g, params, descend(params))
    initial, initial_test = np.asarray(net.apply(params0, x)), np.asarray(net.apply(params0, x_test))
    kernel = EmpiricalKernel(net.apply, params0)
    descent = nl.gradient_descent(kernel, x, y, learning_rate=0.5, f0=initial)
    expected = descent.mean(x_test, 30, f0_test=initial_test)
    np.testing.assert_allclose(f_lin(params, x_test), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.slow
def test_flow_of_the_linearization_is_that_of_its_kernel(x64):
    """Gradient flow: the linearization's parameters at time t in closed form, put into it, give the predicted outputs."""
    net = nn.Sequential(nn.Dense(64, b_std=0.2), nn.Tanh(), nn.Dense(1))
    params0 = net.init(jax.random.key(0), (4,), dtype=np.float64)
    x, y, x_test, t = draw(0, 6, 4), draw(1, 6, 1), draw(2, 3, 4), 3.0
    initial, initial_test = np.asarray(net.apply(params0, x)), np.asarray(net.apply(params0, x_test))
    values, vectors = np.linalg.eigh(np.asarray(nl.empirical.ntk(net.apply, params0, x, outputs="trace")))
    learned = vectors @ ((1 - np.exp(-values * t / 6)) / values * (vectors.T @ (y - initial)[:, 0]))
    (change,) = jax.vjp(lambda p: net.apply(p, x), params0)[1](jnp.asarray(learned[:, None]))
    found = nl.empirical.linearize(net.apply, params0)(jax.tree.map(jnp.add, params0, change), x_test)
    flow = nl.gradient_flow(EmpiricalKernel(net.apply, params0), x, y, f0=initial)
    np.testing.assert_allclose(found, flow.mean(x_test, t, f0_test=initial_test), rtol=1e-11, atol=1e-11)


def test_bad_arguments():
    with pytest.raises(ValueError, match="order must be a whole number, at least 0; received -1"):
        nl.empirical.taylor(cubic, {"a": np.array(1.0)}, -1)
    with pytest.raises(TypeError, match=r"params\['a'\] must be a real array"):
        nl.empirical.linearize(cubic, {"a": np.array(1)})
