"""Population risks in closed form, against large samples."""

import equinox as eqx
import jax
import numpy as np
import pytest

from nnlimits import mean_field, nn

UNITS = mean_field.TwoLayer(nn.Relu(), 3)
SAMPLE = 100_000


def compare(population, x, y, neurons):
    """Within five standard errors: those of means over a sample, from the spread between ten parts of it."""
    parts = [mean_field.EmpiricalRisk(UNITS, *part) for part in zip(np.split(x, 10), np.split(y, 10), strict=True)]
    with jax.enable_x64(True):
        of = eqx.filter_jit(
            lambda risk: (risk(neurons), risk.first_variation(neurons)(neurons.positions), risk.velocity(neurons))
        )
        for *found, expected in zip(*map(of, parts), of(population), strict=True):
            error = np.std(found, axis=0, ddof=1) / np.sqrt(10)
            assert (abs(np.mean(found, axis=0) - np.asarray(expected)) < 5 * error + 1e-12).all()


@pytest.fixture
def neurons():
    return mean_field.Sphere(4).sample(jax.random.key(3), 6, np.float64)


@pytest.mark.slow
def test_teacher(neurons):
    rng = np.random.default_rng(0)
    teacher = mean_field.Neurons(rng.standard_normal((3, 4)))
    root = np.array([[1.0, 0.3, 0.0], [0.0, 0.8, 0.0], [0.2, 0.0, 1.2]])
    x = rng.standard_normal((SAMPLE, 3)) @ root.T
    risk = mean_field.Teacher(UNITS, teacher, root)
    with jax.enable_x64(True):
        compare(risk, x, np.asarray(UNITS.apply(teacher, x)), neurons)
        value, velocity = eqx.filter_jit(lambda risk: (risk(teacher), risk.velocity(teacher)))(risk)
        assert abs(value) < 1e-14
        assert abs(velocity).max() < 1e-14


@pytest.mark.slow
def test_classes(neurons):
    rng = np.random.default_rng(1)
    labels = np.where(np.arange(SAMPLE) % 4 == 0, 1.0, -1.0)  # the same shares in every part
    x = rng.standard_normal((SAMPLE, 3)) * np.where(labels > 0, 1.8, 0.5)[:, None]
    compare(mean_field.GaussianClasses(UNITS, [(0.25, 1.0, 1.8), (0.75, -1.0, 0.5)]), x, labels, neurons)


def test_bad_input():
    with pytest.raises(ValueError, match="without biases"):
        mean_field.Teacher(mean_field.TwoLayer(nn.Relu(), 3, bias=True), mean_field.Neurons(np.ones((1, 5))))
    with pytest.raises(ValueError, match=r"add up to 1; they add up to 0\.8"):
        mean_field.GaussianClasses(UNITS, [(0.5, 1, 1.0), (0.3, -1, 1.0)])
    with pytest.raises(ValueError, match=r"root must be a number or a matrix \(3, 3\)"):
        mean_field.GaussianClasses(UNITS, [(1.0, 1, np.eye(2))])
