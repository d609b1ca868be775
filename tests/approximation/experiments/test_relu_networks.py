"""Certificates and rates of deep ReLU networks, and their figure."""

import numpy as np
import pytest

from nnlimits.approximation import adversarial_error
from nnlimits.approximation.experiments import ReluExperiment, relu_networks
from nnlimits.approximation.experiments.relu_networks import relu_rate
from nnlimits.plots.relu_networks import relu_networks as figure_of


@pytest.mark.parametrize(("dimension", "order", "cells"), [(1, 3, (16, 32, 64, 128)), (2, 2, (4, 8, 16))])
def test_rates(dimension: int, order: int, cells: tuple[int, ...]) -> None:
    rate = relu_rate(dimension, order, cells)
    np.testing.assert_array_equal([row.approximation.certificate.constants["cells"] for row in rate.rows], cells)
    assert all(row.approximation.holds for row in rate.rows)
    # products add up to a tenth of the bound, and the largest error lies off the dense set in two dimensions
    assert rate.cells.slope == pytest.approx(-order, abs=0.1)
    assert rate.weights.slope <= -order / dimension


def test_the_figure() -> None:
    rate = relu_rate(1, 2, (4, 8, 16))
    figure = figure_of(ReluExperiment(rate.rows, (rate,)))
    _, by_cells, by_weights = figure.axes
    np.testing.assert_array_equal(
        by_cells.get_lines()[0].get_ydata(), [row.approximation.error.sup for row in rate.rows]
    )
    np.testing.assert_array_equal(by_weights.get_lines()[0].get_xdata(), [row.size.nonzero for row in rate.rows])


@pytest.mark.slow
def test_every_certificate_holds() -> None:
    found = relu_networks()
    assert found.holds
    assert all(row.approximation.certificate.rigorous for row in found.rows)
    assert {row.dimension for row in found.rows} == {1, 2, 3, 4, 6}
    assert {row.approximation.certificate.norm for row in found.rows} == {"sup", "Lp"}
    for row in found.rows:
        if row.approximation.certificate.norm == "sup" and row.dimension < 3:
            worst = adversarial_error(row.approximation, starts=4, points=2**12)
            assert worst.error <= row.approximation.certificate.bound
    for rate in found.rates:
        assert rate.cells.slope == pytest.approx(-rate.order, abs=0.06)
        assert rate.weights.slope <= -rate.order / rate.dimension
