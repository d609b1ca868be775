"""The figure of shaped networks, from made-up results."""

import numpy as np

from nnlimits import nn
from nnlimits.infinite_depth import CovarianceSamples
from nnlimits.infinite_depth.experiments.shaped import Distance, ShapedCase, ShapedNetworks
from nnlimits.plots import shaped as plots

DRAW = np.random.default_rng(0)


def samples():
    factors = DRAW.standard_normal((200, 2, 5))
    return CovarianceSamples(factors @ factors.transpose(0, 2, 1))


def test_shows_all_correlations_and_widths():
    cases = tuple(ShapedCase(rho, 8, 16, samples(), samples(), samples()) for rho in (0.0, -0.5))
    widths, distances = np.array([4, 8]), (Distance(0.1, 0.02), Distance(0.05, 0.02))
    figure = plots.shaped(ShapedNetworks(nn.ShapedRelu(1.0, -1.0), 2.0, cases, widths, distances))
    correlation, variance, distance = figure.axes
    assert correlation.get_title(loc="left") == "Correlation: width 8, depth 16"
    legend = [text.get_text() for text in correlation.get_legend().get_texts()]
    assert legend == ["inputs 0", "inputs \u22120.5", "plain ReLU, inputs 0"]
    assert len(correlation.get_lines()) == 2
    normal = variance.get_lines()[0].get_xydata()
    np.testing.assert_allclose(normal[np.argmax(normal[:, 1]), 0], -2.0, atol=0.1)  # T is 2
    np.testing.assert_allclose(distance.get_lines()[0].get_ydata(), [0.1, 0.05])
