"""The verdict on a network's shape."""

import math

import numpy as np
import pytest
from networks import mlp

from nnlimits import nn
from nnlimits.fluctuations import verdict


@pytest.mark.parametrize(("width", "category"), [(2000, "wide"), (100, "finite"), (20, "narrow")])
def test_categories_of_relu_networks(width, category):
    """The kernel's relative variance is 5 depth / width: 0.0075, 0.15, 0.75; the NTK's is less."""
    found = verdict(mlp([width] * 3, nn.Relu(), math.sqrt(2)))
    assert found.category == category
    assert found.depth_to_width == pytest.approx(3 / width)
    assert found.kernel_deviation == pytest.approx(math.sqrt(15 / width), rel=1e-5)
    assert found.kurtosis == pytest.approx(45 / width, rel=1e-5)
    assert abs(found.kernel_shift) < 1e-6
    assert abs(found.ntk_shift) < 1e-6
    assert ("monte_carlo" in str(found)) == (category == "narrow")


def test_the_worst_input_counts():
    net = mlp([50, 50, 50], nn.Relu(), math.sqrt(2), 0.5)
    x = np.array([[0.1], [3.0]])
    both, alone = verdict(net, x), [verdict(net, row[None]) for row in x]
    assert both.kernel_deviation == max(v.kernel_deviation for v in alone)
    assert both.ntk_deviation == max(v.ntk_deviation for v in alone)
    assert alone[0].kernel_deviation < alone[1].kernel_deviation
