"""Figures of the experiments in the mean-field regime, from made-up results."""

import numpy as np

from nnlimits import mean_field
from nnlimits.mean_field import Convergence, experiments
from nnlimits.plots import feature_learning, isotropic_gaussians, noisy_descent, regimes, teacher_student, three_layers

TIMES = np.array([0.0, 1.0, 2.0])
GRID = mean_field.Grid(0.0, 4.0, 50)
MASSES = np.full((3, 50), 0.02)
DRAW = np.random.default_rng(0)


def labels(figure):
    return "\n".join(
        text
        for axis in figure.axes
        for text in (axis.get_title(loc="left"), axis.get_xlabel(), axis.get_ylabel(), *_legend(axis))
    )


def _legend(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()] if axis.get_legend() else []


def test_gaussians():
    """Distances of lengths drawn uniformly from a uniform density: of the order of m^{-1/2} times its width."""
    lengths = DRAW.uniform(0, 4, (2, 3, 400))
    found = experiments.IsotropicGaussians(
        0.8, TIMES, GRID, MASSES, np.ones(3), lengths, np.ones((2, 3)), lengths[0], np.ones(3), np.ones(3)
    )
    assert found.distances.shape == (2, 3)
    assert 0.01 < found.distances.mean() < 0.2
    np.testing.assert_array_equal(found.sgd_distances, found.distances[0])
    shown = labels(isotropic_gaussians.isotropic_gaussians(found))
    for text in ("400 radial neurons, mean", "SGD, 400 neurons", "t = 2", "Wasserstein-1 distance from the density"):
        assert text in shown


def test_separation():
    row = np.array([0.3, 0.1, 0.05])
    flow = np.stack([2 * row, row], 1)
    found = experiments.Separation(
        np.array([0.2, 0.4, 0.6]), np.array([50.0, 200.0]), flow, flow, row, row, np.zeros(3), 0.432
    )
    shown = labels(isotropic_gaussians.separation(found))
    for text in ("radial flow at time 50", "of the flow at time 200", "best single sphere", "0.432"):
        assert text in shown


def test_teacher_student():
    risks = np.array([[1e-2, 1e-8, 0.0], [1e-8, 1e-7, -1e-17]])
    found = experiments.TeacherStudent(np.array([5, 8]), 5, 5, risks, 1e-6, ())
    np.testing.assert_array_equal(found.reached, [2, 3])
    assert "of 3 runs" in labels(teacher_student.teacher_student(found))


def test_sparse_recovery():
    """Neurons at 0 and 60 degrees from a teacher's, with a quarter of the mass at 60."""
    teacher = np.eye(2)[:1]
    places = np.tile(np.array([[1.0, 0.0], [0.5, 3**0.5 / 2]]), (3, 1, 1))
    masses = np.tile(np.array([0.75, 0.25]), (3, 1))
    found = experiments.SparseRecovery(teacher, np.ones(1), TIMES, np.ones(3), places, masses, np.ones(3))
    np.testing.assert_allclose(found.angles[0], [0, 60], atol=1e-5)
    np.testing.assert_allclose(found.gathered(30.0), 0.75)
    assert "angle to the nearest neuron" in labels(teacher_student.sparse_recovery(found))


def test_noisy_descent():
    """Draws from the law itself are as far from it as the expectation says, to three of its standard errors."""
    particles = DRAW.uniform(0, 4, (3, 10_000))
    found = experiments.NoisyDescent(
        0.02,
        TIMES,
        GRID,
        MASSES,
        particles,
        MASSES[0],
        np.ones(3),
        np.ones(3),
        np.ones(3),
        0.5,
        np.ones(3),
        np.ones(3),
        1.0,
    )
    distance, expected = found.particle_distance()
    assert abs(distance / expected - 1) < 3 * 0.756 / 50**0.5  # of |normal|: relative deviation (pi/2 - 1)^{1/2}
    assert found.density_distance == 0
    assert "10,000 particles" in labels(noisy_descent.noisy_descent(found))


def test_three_layers():
    """Errors that halve from width 16 to 64 have the slope -1/2."""
    errors = {"outputs at time 0": np.array([[0.2, 0.2], [0.1, 0.1]]), "risk": np.array([[0.3, 0.3], [0.1, 0.1]])}
    found = Convergence(np.array([16.0, 64.0]), TIMES, np.ones(3), np.ones((2, 2, 3)), errors)
    shown = labels(three_layers.three_layers(experiments.ThreeLayers(found, found)))
    for text in (
        "outputs at time 0: slope \u22120.50",
        "risk: slope \u22120.79",
        "functions of labels",
        "width 64",
        "limit",
    ):
        assert text in shown


def test_feature_learning():
    moves = np.array([[0.2, 0.2], [0.1, 0.1]])
    learned = experiments.Learned(np.full((2, 2), 10), moves, moves, moves, 4 * moves)
    found = experiments.FeatureLearning(np.array([16, 64]), 0.05, learned, learned)
    shown = labels(feature_learning.feature_learning(found))
    for text in ("mean field: slope \u22120.50", "NTK, after", "width of both hidden layers"):
        assert text in shown


def test_regimes():
    alphas, levels = np.array([1.0, 16.0, 32.0]), np.array([0.5, 1.0])
    parts = (np.outer(alphas**power, levels) for power in (1.0, 1.0, -1.0, -2.0))
    shown = labels(regimes.regimes(experiments.Regimes(alphas, 16, 10.0, *parts)))
    for text in ("hidden weights: slope \u22121.00", "tangent kernel: slope \u22122.00", "held-out data", "time 10"):
        assert text in shown
