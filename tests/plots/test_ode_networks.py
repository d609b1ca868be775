"""Figures of the experiments on ODE networks, from made-up results."""

import numpy as np

from nnlimits.infinite_depth import experiments
from nnlimits.plots import ode_networks

DRAW = np.random.default_rng(0)


def labels(figure):
    legends = [axis.get_legend() for axis in figure.axes if axis.get_legend()]
    texts = [text.get_text() for legend in legends for text in legend.get_texts()]
    return "\n".join(
        [*texts, *(axis.get_title(loc="left") for axis in figure.axes), *(a.get_ylabel() for a in figure.axes)]
    )


def test_euler():
    depths = np.array([4, 16, 64])
    errors = {"euler": np.outer(1 / depths, [1, 2]), "midpoint": np.outer(depths**-2.0, [1, 2])}
    shown = labels(ode_networks.euler(experiments.Euler(depths, errors, {"smooth": np.ones((3, 2))})))
    for text in (
        "euler blocks: slope \u22121.00",
        "midpoint blocks: slope \u22122.00",
        "smooth: slope 0.00",
        "Smooth and",
    ):
        assert text in shown


def test_adjoints():
    values = np.array([1e-8, 1e-4])
    memory = {"direct": np.array([10, 40]), "backsolve": np.array([5, 5])}
    found = experiments.Adjoints(values, {"backsolve": values}, np.array([16, 64]), {}, memory, 5)
    figure = ode_networks.adjoints(found)
    left, right = ({line.get_label(): line for line in axis.lines} for axis in figure.axes)
    assert left["backsolve"].get_color() == right["backsolve"].get_color() != right["direct"].get_color()
    shown = labels(figure)
    for text in ("backsolve", "direct", "memory, in states of all examples", "Errors of gradients"):
        assert text in shown


def test_flow():
    axis = np.linspace(-2.9, 2.9, 30)
    density = np.exp(-0.5 * (axis**2 + axis[:, None] ** 2)) / (2 * np.pi)
    points = DRAW.standard_normal((50, 2))
    found = experiments.Flow(np.ones(20), points, np.full(50, -2.0), np.full(50, -2.5), axis, density, points, 7)
    assert abs(found.mass - 1) < 0.01
    shown = labels(ode_networks.flow(found))
    for text in ("flow, held out: 2.000", "normal law, held out: 2.500", "Density of the flow"):
        assert text in shown
