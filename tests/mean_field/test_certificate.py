"""The certificate of global optimality, and the conic flow that reaches it."""

import jax
import numpy as np
import pytest

from nnlimits import mean_field, nn

UNITS = mean_field.TwoLayer(nn.Relu(), 2)
W = np.array([[1.0, 0.0], [-0.6, 0.8]])
A = np.array([[1.0], [-1.0]])
TEACHER = mean_field.Neurons(np.concatenate([W, A], 1))
MIXED = np.array([0.49, 0.49, 0.02])


def problem(decay=0.0):
    x = np.random.default_rng(0).standard_normal((60, 2))
    y = np.maximum(x @ W.T, 0) @ A / 2
    return mean_field.EmpiricalRisk(UNITS, x, y, decay=decay)


@pytest.mark.slow
def test_closes_at_the_optimum_and_names_a_direction_elsewhere():
    risk = problem()
    found = mean_field.certificate(risk, TEACHER, jax.random.key(0), starts=32)
    assert abs(found.lowest) < 1e-12
    assert found.gap < 1e-12
    half = mean_field.Neurons(TEACHER.positions[:1], TEACHER.masses[:1])
    found = mean_field.certificate(risk, half, jax.random.key(0), starts=32, mass=2.0)
    assert found.descends
    with jax.enable_x64(True):
        now = float(risk(half))
        assert found.gap >= now  # the bound holds: the least risk is zero
        more = mean_field.Neurons(np.concatenate([half.positions, found.direction[None]]), np.array([0.5, 1e-3]))
        np.testing.assert_allclose((risk(more) - now) / 1e-3, found.lowest, rtol=1e-2)


@pytest.mark.slow
def test_lowest_is_the_minimum_of_a_fine_grid():
    """Of the sphere in three dimensions, to the grid's distance squared."""
    risk, start = problem(), mean_field.Sphere(3).sample(jax.random.key(1), 4, np.float64)
    found = mean_field.certificate(risk, start, jax.random.key(0), starts=64)
    heights = np.linspace(-1, 1, 301)
    angles = np.linspace(0, 2 * np.pi, 301)
    z, phi = np.meshgrid(heights, angles)
    r = np.sqrt(1 - z**2)
    grid = np.stack([r * np.cos(phi), r * np.sin(phi), z], -1).reshape(-1, 3)
    with jax.enable_x64(True):
        lowest = float(risk.first_variation(start)(jax.numpy.asarray(grid)).min())
    assert found.lowest <= lowest + 1e-12
    np.testing.assert_allclose(found.lowest, lowest, rtol=1e-3)


@pytest.mark.slow
def test_conic_flow_is_sparse_and_finds_the_teacher():
    """With a small decay all mass gathers near the teacher's two neurons, and the certificate closes."""
    risk = problem(1e-4)
    start = mean_field.Sphere(3).sample(jax.random.key(0), 60, np.float64)
    course = mean_field.conic_flow(risk, start, [0, 10, 1e5])
    assert abs(course.energy_gap).max() < 1e-3
    final = course.final
    known = TEACHER.positions / np.linalg.norm(TEACHER.positions, axis=1, keepdims=True)
    nearness = (final.positions @ known.T).max(1)
    assert final.masses[nearness > 0.999].sum() > 0.999 * final.masses.sum()
    found = mean_field.certificate(risk, final, jax.random.key(1), starts=64)
    assert found.gap < 1e-6


@pytest.mark.slow
def test_a_confined_risk_is_searched_everywhere():
    """A well far from neurons that fit the data: on the sphere nothing is lower, in the well something is."""
    well = np.array([3.0, 0.0, 0.0])
    risk = mean_field.Confined(problem(), lambda p: -jax.numpy.exp(-jax.numpy.square(p - well).sum()))
    found = mean_field.certificate(risk, TEACHER, jax.random.key(0), starts=32)
    assert risk.degree is None
    np.testing.assert_allclose(found.direction, well, atol=0.2)
    with jax.enable_x64(True):
        now, mixed = float(risk(TEACHER)), mean_field.Neurons(np.concatenate([TEACHER.positions, well[None]]), MIXED)
        assert found.gap >= now - float(risk(mixed)) > 0.01
    np.testing.assert_allclose(found.gap, found.average - found.lowest)
    np.testing.assert_allclose(found.lowest, -1, rtol=0.01)


@pytest.mark.slow
def test_a_second_conic_flow_is_not_compiled_again():
    """The loss is called while a function is traced, and not after."""
    calls = []

    def loss(outputs, y):
        calls.append(1)
        return jax.numpy.square(outputs - y).mean()

    risk = mean_field.EmpiricalRisk(UNITS, problem().x, problem().y, loss)
    mean_field.conic_flow(risk, TEACHER, [0.0, 1.0])
    traced = len(calls)
    slow = mean_field.conic_flow(risk, TEACHER, [0.0, 1.0], birth=0.0, transport=0.5)
    assert len(calls) == traced > 0
    np.testing.assert_array_equal(slow.masses[-1], slow.masses[0])


def test_bad_input():
    with pytest.raises(ValueError, match="starts must be a whole number of at least 2; received 1"):
        mean_field.certificate(problem(), TEACHER, jax.random.key(0), starts=1)
    with pytest.raises(ValueError, match="neuron 1 has no direction"):
        mean_field.conic_flow(problem(), mean_field.Neurons(np.array([[1.0, 0, 0], [0, 0, 0]])), [1.0])
