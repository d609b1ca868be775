"""The figure of kernels by depth and width, from made-up results."""

import numpy as np

from nnlimits.infinite_depth import experiments
from nnlimits.plots.depth_kernels import depth_kernels


def test_slopes_of_exact_power_laws():
    """Offsets of which the sign changes from draw to draw are said to be hidden."""
    depths, widths = np.array([4, 16, 64]), np.array([8, 32])
    power = widths[:, None] ** -0.5 * np.ones(10)
    sampled = experiments.SampledKernels(
        widths, {"NNGP": power**2, "NTK": power * (-1) ** np.arange(10)}, {"NNGP": power, "NTK": 3 * power}
    )
    errors = {f"ReLU, {kernel}": np.outer(1 / depths, [1.0, 2.0]) for kernel in ("NNGP", "NTK")}
    figure = depth_kernels(experiments.DepthKernels(depths, errors, 1e-3, {}, {"equilibrium": sampled}))
    legends = [axis.get_legend() for axis in figure.axes]
    shown = "\n".join(text.get_text() for legend in legends if legend for text in legend.get_texts())
    for text in (
        "ReLU, NTK: slope \u22121.00 [\u22121.00, \u22121.00]",
        "equilibrium, NTK: slope \u22120.50",
        "equilibrium, NNGP: slope \u22121.00",
        "equilibrium, NTK: hidden by noise",
        "slope \u22120.5, promised",
    ):
        assert text in shown
