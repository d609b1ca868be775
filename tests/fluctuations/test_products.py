"""Expectations of four factors against closed forms and independent quadrature."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from expectations import one_factor

from nnlimits import nn
from nnlimits.fluctuations.products import products

pytestmark = pytest.mark.usefixtures("x64")
DRAWS = {
    "generic": np.random.default_rng(1).normal(size=(4, 5)),
    "three dimensions": np.random.default_rng(2).normal(size=(4, 3)),
    "two dimensions": np.random.default_rng(3).normal(size=(4, 2)),
    "one dimension": np.random.default_rng(4).normal(size=(4, 1)),
    "nearly equal": np.eye(1, 5) + 0.1 * np.random.default_rng(5).normal(size=(4, 5)),
    "equal": np.repeat(np.random.default_rng(6).normal(size=(2, 4)), 2, axis=0),
    "with zeros": np.random.default_rng(7).normal(size=(4, 5)) * np.array([[1.0], [0.0], [1.0], [1.0]]),
}


@partial(jax.jit, static_argnums=0)
def found(activation, kernel):
    return products(activation, kernel)


def covariances():
    """Of variance 2 at most."""
    return {name: 2 * draw @ draw.T / (draw**2).sum(1).max() for name, draw in DRAWS.items()}


def correlation(k):
    return k / np.sqrt(np.outer(np.diag(k), np.diag(k)))


@pytest.mark.slow
def test_linear_functions_by_isserlis():
    for name, k in covariances().items():
        three = sum(np.einsum(f"{p},{q}->abcd", k, k) for p, q in (("ab", "cd"), ("ac", "bd"), ("ad", "bc")))
        for activation in (nn.Identity(), nn.LeakyRelu(1.0)):  # the same function; the second by the rule for kinks
            got = found(activation, jnp.asarray(k))
            scale = three.max()
            tolerance = 1e-13 if activation == nn.Identity() else 2e-7
            assert abs(got.plain - three).max() < tolerance * scale, (name, activation)
            assert abs(got.mixed - k[:, :, None, None]).max() < tolerance * k.max(), (name, activation)
            assert abs(got.derivative - 1).max() < tolerance, (name, activation)


def test_cosine_by_its_characteristic_function():
    """`E[cos u_a cos u_b cos u_c cos u_d]` and with sines for two and four of them, which are `-phi'`."""
    for name, k in covariances().items():
        expected = np.zeros((3, 4, 4, 4, 4))
        for index in itertools.product(range(4), repeat=4):
            for signs in itertools.product((1, -1), repeat=4):
                s = np.zeros(4)
                np.add.at(s, list(index), signs)
                value = np.exp(-s @ k @ s / 2) / 16
                expected[(0, *index)] += value
                expected[(1, *index)] -= value * signs[2] * signs[3]
                expected[(2, *index)] += value * np.prod(signs)
        got = found(nn.Cos(), jnp.asarray(k))
        for part, want in zip(got, expected, strict=True):
            assert abs(part - want).max() < 1e-7, (name, abs(part - want).max())


@pytest.mark.slow
def test_relu_of_up_to_three_units_by_orthants():
    for name, k in covariances().items():
        got = found(nn.Relu(), jnp.asarray(k))
        if name == "with zeros":
            k, got = k[[0, 2, 3]][:, [0, 2, 3]], jax.tree.map(lambda v: v[np.ix_(*[[0, 2, 3]] * 4)], got)
        rho = np.clip(correlation(k), -1, 1)
        theta, q = np.arccos(rho), np.diag(k)
        two = (np.pi - theta) / (2 * np.pi)
        # where the correlation is 1, its rounding enters by a square root
        assert abs(np.einsum("aabb->ab", got.derivative) - two).max() < 1e-8, name
        both = (1 + 2 * np.cos(theta) ** 2) * (np.pi - theta) + 3 * np.sin(theta) * np.cos(theta)  # Cho & Saul, J_2
        assert abs(np.einsum("aabb->ab", got.plain) / np.outer(q, q) - both / (2 * np.pi)).max() < 1e-9, name
        for a, b, c in itertools.combinations(range(len(k)), 3):
            three = 1 / 8 + (np.pi / 2 * 3 - theta[a, b] - theta[a, c] - theta[b, c]) / (4 * np.pi)
            assert abs(got.derivative[a, a, b, c] - three) < 2e-5, name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "tolerance"),
    [(nn.Relu(), 1e-6), (nn.Tanh(), 1e-7), (nn.Elu(), 1e-6), (nn.HardTanh(), 1e-5)],
    ids=repr,
)
def test_four_units_with_one_factor_in_common(activation, tolerance):
    kinks = activation.kinks
    phi = {
        "Relu": lambda z: np.maximum(z, 0),
        "Tanh": np.tanh,
        "Elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        "HardTanh": lambda z: np.clip(z, -1, 1),
    }[type(activation).__name__]
    slope = {
        "Relu": lambda z: (z > 0) * 1.0,
        "Tanh": lambda z: 1 - np.tanh(z) ** 2,
        "Elu": lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))),
        "HardTanh": lambda z: (abs(z) < 1) * 1.0,
    }[type(activation).__name__]
    loadings, deviations = np.array([1.1, -0.8, 0.9, 1.3]), np.array([0.7, 0.5, 1.0, 0.6])
    k = np.outer(loadings, loadings) + np.diag(deviations**2)
    got = found(activation, jnp.asarray(k))
    for part, functions in zip(got, ([phi] * 4, [phi, phi, slope, slope], [slope] * 4), strict=True):
        expected = one_factor(functions, kinks, loadings, deviations)
        assert abs(part[0, 1, 2, 3] - expected) < tolerance


@pytest.mark.slow
def test_four_dependent_relus():
    """`u_4 = u_1 + u_2 + u_3`: the fourth is positive where the others are."""
    draw = np.random.default_rng(8).normal(size=(3, 3)) + 1.0
    draw = np.concatenate([draw, draw.sum(0, keepdims=True)])
    k = draw @ draw.T
    got = found(nn.Relu(), jnp.asarray(k))
    theta = np.arccos(np.clip(correlation(k), -1, 1))
    three = 1 / 8 + (np.pi / 2 * 3 - theta[0, 1] - theta[0, 2] - theta[1, 2]) / (4 * np.pi)
    assert abs(got.derivative[0, 1, 2, 3] - three) < 1e-3
    expected = got.plain[0, 0, 1, 2] + got.plain[0, 1, 1, 2] + got.plain[0, 1, 2, 2]
    assert abs(got.plain[0, 1, 2, 3] / expected - 1) < 1e-5
