"""Residuals of fixed-point solvers against evaluations, and what each tolerance costs."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnlimits.infinite_depth.experiments import FixedPointSolvers
from nnlimits.plots.style import COLORS, legend, new_figure, title

_LOOKS = [("faint", "o"), ("sky", "^"), ("blue", "s"), ("orange", "D")]


def fixed_point_solvers(found: FixedPointSolvers) -> Figure:
    """The least residual so far, median and worst example, and the evaluations until all examples are below a tolerance."""
    figure, axes = new_figure(1, 2, width=11.0, height=4.6)
    _residuals(axes[0, 0], found)
    _costs(axes[0, 1], found)
    return figure


def _residuals(axis: Axes, found: FixedPointSolvers) -> None:
    least = found.tolerances.min()
    for curve, (color, _) in zip(found.curves, _LOOKS, strict=False):
        for values, style, label in ((curve.median, "-", curve.name), (curve.worst, ":", None)):
            shown = int(np.argmax(values <= least)) + 1 if (values <= least).any() else len(values)
            axis.plot(np.arange(1, shown + 1), values[:shown], style, color=COLORS[color], label=label)
    axis.plot([], [], ":", color=COLORS["theory"], label="worst example")
    axis.set(
        xscale="log", yscale="log", xlabel="evaluations of the cell", ylabel=r"$|f(z) - z| \,/\, |f(z)|$, least so far"
    )
    axis.set_ylim(0.3 * least, 3)
    title(axis, "Residual of the fixed point")
    legend(axis, loc="upper right")


def _costs(axis: Axes, found: FixedPointSolvers) -> None:
    for curve, (color, marker) in zip(found.curves, _LOOKS, strict=False):
        reached = curve.evaluations > 0
        axis.plot(
            found.tolerances[reached],
            curve.evaluations[reached],
            marker=marker,
            color=COLORS[color],
            markersize=6,
            label=curve.name,
        )
    axis.set(xscale="log", xlabel="tolerance (relative residual)", ylabel="evaluations of the cell")
    axis.invert_xaxis()
    axis.set_ylim(0, None)
    title(axis, "Cost of a tolerance, all examples")
    legend(axis, loc="upper left")
