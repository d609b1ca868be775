"""Fitted rates of the theorems beside those that they promise."""

import numpy as np
import pytest

from nnlimits.approximation.experiments import RATES, RateCase, theorem_rates
from nnlimits.approximation.theorems import THEOREMS
from nnlimits.plots.theorem_rates import theorem_rates as figure_of


def test_every_theorem_but_the_greedy_ones_has_four_functions():
    listed = [case.theorem for case in RATES]
    assert {name: listed.count(name) for name in set(THEOREMS) - {"barron", "orthogonal-greedy"}} == dict.fromkeys(
        listed, 4
    )


def test_of_values_at_centres_of_cells():
    told = []
    (found,) = theorem_rates([RateCase("minimum-width", "sine", 1, (3, 4, 5), -1.0)], advance=told.append)
    np.testing.assert_array_equal(found.scales, [8, 16, 32])
    assert told[-1] == "minimum-width, sine in 1, budget 5"
    assert found.rate is found.l2_rate
    assert found.rate.slope == pytest.approx(-1, abs=0.05)  # in L^2, of a cell's width; its square adds 2 %
    assert found.share <= 1
    (axis,) = figure_of([found]).axes
    np.testing.assert_array_equal(axis.get_lines()[0].get_ydata(), found.l2)
    assert axis.get_title(loc="left") == "minimum-width"


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.slow) for case in RATES])
def test_fitted_rates_are_those_promised(case):
    (found,) = theorem_rates([case])
    assert found.share <= 1
    # certificates keep a constant of interpolation; coarse grids do not follow a power law yet, within a tenth of the exponent
    bounds = np.polyfit(np.log(found.scales), np.log(found.bounds), 1)[0]
    assert bounds == pytest.approx(case.promised, rel=0.05)
    assert found.rate.slope == pytest.approx(case.promised, rel=0.12)


def test_a_function_that_is_met_has_no_rate():
    with pytest.raises(ValueError, match="a network of minimum-width meets step exactly"):
        theorem_rates([RateCase("minimum-width", "step", 1, (2, 3), -0.5)])
