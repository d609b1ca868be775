"""Kernels of infinite depth against finite depth and simulated networks, as `nnlimits depth kernels` shows them."""

import numpy as np
import pytest

from nnlimits import nn
from nnlimits.infinite_depth import experiments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depths": (4,)}, r"depths must be two or more whole numbers that ascend, to fit a rate; received \(4,\)"),
        ({"widths": (8, 4)}, r"widths must be two or more whole numbers that ascend, to fit a rate; received \(8, 4\)"),
        ({"draws": 1}, "draws must be an integer, at least 2"),
        ({"inputs": 1}, "inputs must be an integer, at least 2"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        experiments.depth_kernels(**options)


def test_sampled_kernels_of_one_layer():
    """Its NTK is the limit in each draw; its NNGP is a Wishart matrix, `E|S - K|^2 = (|K|^2 + tr(K)^2) / width`, here to 10 %: the
    mean of 1,000 squares that scatter by about their own size.
    """
    x = np.random.default_rng(0).standard_normal((3, 4))
    found = experiments.sampled_kernels(
        lambda width: nn.Dense(width, b_std=None), nn.Dense(1, b_std=None), x, (16,), draws=1000
    )
    assert abs(found.offsets["NTK"]).max() < 1e-6
    assert found.deviations["NTK"].max() < 1e-6
    gram = x @ x.T / 4
    expected = 1 + np.trace(gram) ** 2 / np.sum(gram**2)
    np.testing.assert_allclose(np.mean(found.deviations["NNGP"] ** 2, 1) * found.widths, expected, rtol=0.1)
    errors = found.offsets["NNGP"].std(1) / 1000**0.5
    np.testing.assert_array_less(abs(found.offsets["NNGP"].mean(1)), 4 * errors)
