"""Figures of approximations and of greedy rates."""

import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import Certificate, from_weights, named_target
from nnlimits.approximation.approximation import approximation as approximated
from nnlimits.approximation.experiments import GreedyRate
from nnlimits.plots.approximation import approximation
from nnlimits.plots.greedy_rates import greedy_rates
from nnlimits.rates import fitted_rate


@pytest.mark.parametrize(("dimension", "panels"), [(1, 2), (2, 3), (3, 2)])
def test_panels(dimension, panels):
    """One for the function with the network, one for errors; maps have one more, and bars of colours."""
    target = named_target("step", dimension).target()
    network, params = from_weights(
        [(np.ones((dimension, 1)), np.full(1, -0.2)), (np.ones((1, 1)), np.zeros(1))], nn.Step()
    )
    found = approximated(network, params, target, Certificate("none", 0.5, "L2"), points=2**10)
    figure = approximation(found, "step")
    bars = ("value", "network \u2212 f") if dimension == 2 else ()
    titled = [axis for axis in figure.axes if axis.get_ylabel() not in bars]
    assert len(titled) == panels


@pytest.mark.parametrize(("dimension", "bound", "dashed"), [(1, 2.0, True), (1, 1e3, False), (2, 2.0, False)])
def test_a_dashed_bound_is_spoken_of_where_it_is_drawn(dimension, bound, dashed):
    network, params = from_weights([(np.zeros((dimension, 1)), np.zeros(1))], nn.Relu())
    target = named_target("gaussian", dimension).target()
    figure = approximation(approximated(network, params, target, Certificate("none", bound, "sup"), points=64))
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    texts += [axis.get_title(loc="left") for axis in figure.axes]
    assert any("measured" in text and f"{bound:.3g} certified" in text for text in texts)
    assert any("dashed" in text for text in texts) == dashed
    assert any(line.get_linestyle() == "--" for axis in figure.axes for line in axis.lines) == dashed


def test_rates_have_a_panel_for_each_dimension_and_algorithm():
    sizes = (4, 8, 16)
    errors = np.array(sizes, float)[:, None] ** -0.5 * [1.0, 1.1]
    rate = fitted_rate(np.array(sizes, float), errors)
    found = [
        GreedyRate(target, dimension, algorithm, degree, sizes, errors, errors, 2 * errors[:, 0], 0.8, 4.0, rate)
        for target in ("gaussian", "sine")
        for dimension in (1, 2)
        for algorithm, degree in (("orthogonal", 1), ("relaxed", 0))
    ]
    figure = greedy_rates(found)
    titles = {axis.get_title(loc="left") for axis in figure.axes}
    assert titles == {f"{name}, d = {d}" for name in ("orthogonal, ReLU", "relaxed, steps") for d in (1, 2)}
    assert found[0].promised == -2.0
