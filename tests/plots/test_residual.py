"""Figures of mean-field residual networks, from made-up results."""

import numpy as np

from nnlimits import nn
from nnlimits.infinite_depth import experiments
from nnlimits.infinite_depth import mean_field_residual as residual
from nnlimits.plots import residual_rates, residual_training

DRAW = np.random.default_rng(0)


def labels(figure):
    return "\n".join(
        text
        for axis in figure.axes
        for text in (axis.get_title(loc="left"), axis.get_xlabel(), axis.get_ylabel(), *_legend(axis))
    )


def _legend(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()] if axis.get_legend() else []


def errors(power, noise=0.0):
    """Eight seeds of three outputs, of which the first scale's say where the bias is."""
    scales = np.array([4.0, 16.0])
    outputs = scales[:, None, None] ** power * np.ones((2, 8, 3)) + noise * DRAW.standard_normal((2, 8, 3))
    return residual.ResidualErrors(scales, outputs, outputs[..., 0])


def test_rates():
    """Exact power laws have their slopes; a mean that noise hides is said to be."""
    at = experiments.RatesAtTime(0.5, errors(-1.0), errors(-0.5), errors(-0.5), errors(0.0), errors(-0.5))
    noisy = at._replace(width_followed=errors(-0.5, 100.0))
    shown = labels(residual_rates.residual_rates(experiments.ResidualRates(residual.Training(0.2, 7), at, noisy)))
    for text in (
        "outputs, at the start: slope \u22121.00",
        "independent, mean square, after 7 steps: slope \u22121.00",
        "followed, at the start: slope 0.00",
        "followed, mean of outputs, after 7 steps: hidden by noise",
        "slope \u22120.5, promised",
    ):
        assert text in shown


def training(certified):
    unit = residual.ResidualUnit(nn.Tanh(), 3)
    laws = tuple(
        residual.ResidualLaw(unit, DRAW.standard_normal((4, 5, 7)), residual.padded(2, 3), residual.last_features(3, 1))
        for _ in range(2)
    )
    times, risks = np.array([0.0, 3.0]), np.array([0.5, 1e-3])
    course = residual.ResidualCourse(times, np.array([0, 1200]), risks, np.zeros(2), laws)
    found = residual.ResidualCertificate(certified, 1.0, 2.0, 0.1, 0.5, 1.0, 2.0)
    seen = residual.Monitor(times, risks, risks, risks / 9, risks, np.ones((2, 4)), risks, (None, found))
    x, y = DRAW.standard_normal((10, 2)), np.where(np.arange(10) % 2, 1.0, -1.0)
    return experiments.ResidualTraining(residual.ResidualRisk(x, y), course, seen, x, y[:, None])


def test_training():
    figure = residual_training.residual_spiral(training(certified=True))
    shown = labels(figure)
    for text in (
        "Loss: 0.5 to 0.001 in 1,200 steps",
        "certified bound",
        "guaranteed by the tangent kernel",
        "time 3",
        "Output over the plane",
        "label \u22121",
        "end: half",
    ):
        assert text in shown
    assert "certified bound" not in labels(residual_training.residual_digits(training(certified=False)))
