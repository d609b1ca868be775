"""The figure of depth separation shows what the result holds."""

import numpy as np
import pytest

from nnlimits.approximation.depth_separation import depth_separation
from nnlimits.approximation.experiments import TrainedSawtooth
from nnlimits.plots.depth_separation import depth_separation as figure_of


def test_depth_separation() -> None:
    found = depth_separation(3)
    trained = TrainedSawtooth(3, np.array([2, 4]), np.array([[0.28, 0.27], [0.25, 0.26]]))
    figure = figure_of(found, trained)
    functions, errors, units = figure.axes
    lines = {str(line.get_label()): line for line in errors.get_lines()}
    np.testing.assert_array_equal(lines["any P pieces, proved by programme"].get_ydata(), found.least)
    np.testing.assert_array_equal(lines["1 layer of P units, reached"].get_ydata(), found.achieved)
    np.testing.assert_array_equal(lines["3 layers, P = 6 units"].get_xdata(), [6])
    np.testing.assert_array_equal(units.get_lines()[0].get_ydata(), [row.built for row in found.depths])
    np.testing.assert_array_equal(
        functions.get_lines()[0].get_ydata()[:9], [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]
    )
    np.testing.assert_array_equal(lines["1 layer trained, best of 2"].get_ydata(), [0.27, 0.25])
    with pytest.raises(ValueError, match="of 4 layers, and found of that of 3"):
        figure_of(found, trained._replace(k=4))
