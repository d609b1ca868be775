"""Distances between populations against closed forms, against each other, and as metrics."""

import importlib.util

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnlimits.mean_field import Neurons, sliced_wasserstein, wasserstein

KEY = jax.random.key(0)


def population(seed, m, p, weighted=False):
    rng = np.random.default_rng(seed)
    masses = rng.dirichlet(np.ones(m)) if weighted else None
    return Neurons(rng.standard_normal((m, p)), masses)


@pytest.mark.parametrize("order", [1, 2])
def test_point_masses(order):
    """All the mass of one neuron goes to each of the others."""
    one = Neurons(np.array([[1.0, 2.0]]))
    others = Neurons(np.array([[4.0, 6.0], [1.0, 2.0]]), np.array([0.3, 0.7]))
    assert wasserstein(one, others, order) == pytest.approx((0.3 * 5.0**order) ** (1 / order), rel=1e-12)
    assert wasserstein(one, one, order) == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_translation_and_dilation(weighted):
    """By v, and by c along rays, both optimal: `W_2^2` is `|v|^2` and `(c - 1)^2 E|theta|^2`."""
    first = population(0, 50, 3, weighted)
    positions, v = first.positions, np.array([1.0, -2.0, 0.5])
    assert wasserstein(first, first.moved(positions + v)) == pytest.approx(np.linalg.norm(v), rel=1e-9)
    mean_square = first.masses @ np.square(positions).sum(1)
    assert wasserstein(first, first.moved(2.5 * positions)) == pytest.approx(1.5 * mean_square**0.5, rel=1e-9)
    for n in (16, 4000):  # E <u, v>^2 = |v|^2 / p, and its square is 3 |v|^4 / (p (p + 2)): five standard errors
        sliced = sliced_wasserstein(first, first.moved(positions + v), KEY, projections=n)
        spread = np.sqrt((3 / 15 - 1 / 9) / n) * (v @ v)
        assert abs(sliced**2 - v @ v / 3) < 5 * spread


def test_gaussian_laws():
    """Of 2,000 quantile points, `W_2^2 = (m - m')^2 + (s - s')^2` up to the tails that are cut, and `W_1` of a shift is it."""
    z = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)[:, None]
    first, second = Neurons(z), Neurons(0.7 + 1.6 * z)
    assert wasserstein(first, second) == pytest.approx((0.7**2 + 0.6**2) ** 0.5, rel=1e-3)
    assert wasserstein(first, Neurons(z + 0.4), 1) == pytest.approx(0.4, rel=1e-9)


def test_one_dimension_is_that_of_scipy():
    first, second = population(0, 37, 1, True), population(1, 58, 1, True)
    expected = stats.wasserstein_distance(first.positions[:, 0], second.positions[:, 0], first.masses, second.masses)
    assert wasserstein(first, second, 1) == pytest.approx(expected, rel=1e-9)
    assert sliced_wasserstein(first, second, KEY, order=1, projections=3) == pytest.approx(expected, rel=1e-6)


def test_solvers_agree():
    """Assignment of copies, linear program and quantiles are three ways to one number."""
    flat = [Neurons(np.pad(population(seed, m, 1).positions, ((0, 0), (0, 1)))) for seed, m in ((0, 20), (1, 20))]
    assigned = wasserstein(*flat)
    nudged = Neurons(flat[0].positions, np.asarray(flat[0].masses) * (1 + 1e-4 * np.cos(np.arange(20))))
    assert wasserstein(nudged, flat[1]) == pytest.approx(assigned, rel=1e-3)
    assert wasserstein(*(Neurons(n.positions[:, :1]) for n in flat)) == pytest.approx(assigned, rel=1e-9)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1.0, 2.0, 3.0]))
def test_is_a_metric(seed, order):
    a, b, c = (population(seed + i, m, 2, True) for i, m in enumerate((5, 8, 7)))
    for measure in (lambda x, y: wasserstein(x, y, order), lambda x, y: sliced_wasserstein(x, y, KEY, order=order)):
        ab, bc, ac = measure(a, b), measure(b, c), measure(a, c)
        assert ab == pytest.approx(measure(b, a), rel=1e-6)
        assert ac <= ab + bc + 1e-9
        assert measure(a, a) < 1e-6
        assert ab > 1e-3
    assert sliced_wasserstein(a, b, KEY, order=order) <= wasserstein(a, b, order) + 1e-9


def test_single_precision_and_the_order_of_neurons():
    a, b = population(0, 64, 4), population(1, 64, 4)
    half = [Neurons(np.asarray(n.positions, np.float32)[::-1]) for n in (a, b)]
    assert wasserstein(*half) == pytest.approx(wasserstein(a, b), rel=1e-5)
    assert sliced_wasserstein(*half, KEY) == pytest.approx(sliced_wasserstein(a, b, KEY), rel=1e-5)


def test_bad_input():
    a = population(0, 4, 2)
    with pytest.raises(ValueError, match="as many parameters in both populations; received 2 and 3"):
        wasserstein(a, population(0, 4, 3))
    with pytest.raises(ValueError, match="the same mass; received 1 and 2"):
        wasserstein(a, Neurons(a.positions, np.full(4, 0.5)))
    with pytest.raises(ValueError, match=r"order must be finite and at least 1; received 0\.5"):
        wasserstein(a, a, 0.5)
    with pytest.raises(ValueError, match="projections must be a whole number of at least 1; received 0"):
        sliced_wasserstein(a, a, KEY, projections=0)


large = (population(0, 400, 3, True), population(1, 400, 3, True))


@pytest.mark.skipif(importlib.util.find_spec("ott") is not None, reason="OTT-JAX is installed")
def test_the_extra_is_named():
    with pytest.raises(ImportError, match=r"nnlimits\[ot\]"):
        wasserstein(*large)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ott") is None, reason="needs OTT-JAX")
def test_entropic_distance(monkeypatch):
    """Within a percent of the linear program; the bias of the divergence is of second order in the penalty, 1e-3 of the cost."""
    entropic = wasserstein(*large)
    monkeypatch.setattr("nnlimits.mean_field.distance._MOST_PAIRS", 10**6)
    assert entropic == pytest.approx(wasserstein(*large), rel=0.01)
