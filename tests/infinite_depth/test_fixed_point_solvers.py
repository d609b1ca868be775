"""The solvers side by side on a trained cell."""

import numpy as np
import pytest

from nnlimits.infinite_depth.experiments import fixed_point_solvers
from nnlimits.plots import fixed_point_solvers as plots


@pytest.mark.slow
def test_accelerated_solvers_beat_plain_iteration_on_a_trained_cell():
    """At every tolerance, and by more than a third of the evaluations from 1e-5 on; the counts do not depend on the machine's
    speed."""
    told = []
    found = fixed_point_solvers(width=16, examples=64, steps=60, budget=150, advance=told.append)
    assert told == ["trained", *(curve.name for curve in found.curves)]
    assert found.losses[-1] < 0.3 * found.losses[0]
    assert found.accuracy > 0.8
    assert (found.spectral_radius < 0.97).all()
    plain, *fast = found.curves
    assert (plain.evaluations > 0).all()
    # the rate of plain iteration is the spectral radius: over the last decades, to a tenth of its logarithm for the worst example
    decades = np.diff(np.log10(found.tolerances[-3:])).sum()
    rate = 10 ** (decades / (plain.evaluations[-1] - plain.evaluations[-3]))
    assert np.log(rate) == pytest.approx(np.log(found.spectral_radius.max()), rel=0.25)
    for curve in fast:
        assert (curve.evaluations > 0).all()
        assert (curve.evaluations < plain.evaluations).all()
        assert (curve.evaluations[2:] < plain.evaluations[2:] / 1.5).all()
        assert (np.diff(curve.median) <= 0).all()
        assert (curve.median <= curve.worst).all()
    figure = plots.fixed_point_solvers(found)
    residuals, costs = figure.axes
    assert len(costs.get_lines()) == 4
    np.testing.assert_array_equal(costs.get_lines()[0].get_ydata(), plain.evaluations)
    assert residuals.get_yscale() == "log"
