"""Kernels of infinite depth against finite depth and simulated networks, as `nnlimits depth kernels` shows them."""

import numpy as np
import pytest

from nnlimits import nn
from nnlimits.infinite_depth import experiments
from nnlimits.infinite_depth.experiments.depth_kernels import work


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
    """Its NTK is the limit in each draw; its NNGP is a Wishart matrix, `E|S - K|^2 = (|K|^2 + tr(K)^2) / width`, here to 10 %:
    the mean of 1,000 squares that scatter by about their own size.
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


@pytest.mark.slow
def test_rates():
    """Terms of order 1/L^2 leave -0.97 to -1 at depths 16 to 256. At widths 16 and 32 terms of the next order in 1/width make
    deviations fall by up to width^-0.75, and draws scatter the slope by 0.05.
    """
    told = []
    depths, widths = (16, 64, 256), (16, 32)
    found = experiments.depth_kernels(depths, widths, draws=400, inputs=40, advance=told.append)
    assert len(told) == work(depths, widths)
    for name in found.errors:
        assert found.rate(name).slope == pytest.approx(-1, abs=0.05), name
    assert found.derivative_error < 3 / 256
    assert min(found.smallest_eigenvalues.values()) > 0
    assert len(found.smallest_eigenvalues) == 10
    for name, sampled in found.sampled.items():
        for kernel in ("NNGP", "NTK"):
            assert -0.85 < sampled.scatter(kernel).slope < -0.35, (name, kernel)
            errors = sampled.offsets[kernel].std(1) / 400**0.5
            np.testing.assert_array_less(
                abs(sampled.offsets[kernel].mean(1)), 3 / found.sampled[name].widths + 4 * errors
            )
