"""Errors of greedy networks by their number of units, with certificates and fitted slopes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.approximation.experiments import GreedyRate
from nnlimits.plots.style import COLORS, legend, new_figure, title

_COLORS = ("blue", "orange", "green", "purple", "yellow", "sky")
_MARKERS = "os^Dvx"
_NAMES = {0: "steps", 1: "ReLU", 2: "ReLU squared", 3: "ReLU cubed"}


def greedy_rates(found: Sequence[GreedyRate]) -> Figure:
    """One column a dimension, one row an algorithm: errors, fitted power laws, the theorem's slope, and its bounds."""
    dimensions = sorted({one.dimension for one in found})
    algorithms = list(dict.fromkeys((one.algorithm, one.degree) for one in found))
    targets = list(dict.fromkeys(one.target for one in found))
    figure, axes = new_figure(
        len(algorithms),
        len(dimensions),
        width=max(8.0, 4.3 * len(dimensions)),
        height=5.4 * len(algorithms),
        sharey="row",
    )
    for row, (algorithm, degree) in enumerate(algorithms):
        for column, dimension in enumerate(dimensions):
            chosen = [
                one for one in found if (one.algorithm, one.degree, one.dimension) == (algorithm, degree, dimension)
            ]
            axis = axes[row, column]
            _panel(axis, chosen, targets)
            title(axis, f"{algorithm}, {_NAMES[degree]}, d = {dimension}")
            axis.set_xlabel("units N")
            if column == 0:
                axis.set_ylabel("$L^2$ distance on the held-out set")
    return figure


def _panel(axis: Axes, found: Sequence[GreedyRate], targets: list[str]) -> None:
    """Bounds are dashed in the colour of their function."""
    for one in found:
        place = targets.index(one.target)
        color, sizes = COLORS[_COLORS[place]], np.asarray(one.sizes, float)
        label = f"{one.target}: {_slope(one)}"
        axis.plot(sizes, one.rate.errors, _MARKERS[place], color=color, markersize=5, label=label)
        axis.plot(sizes, np.exp(one.rate.intercept) * sizes**one.rate.slope, color=color, linewidth=1.3)
        axis.plot(sizes, one.bounds_from_start, "--", color=color, linewidth=1.0, alpha=0.7)
    if found:
        sizes = np.asarray(found[0].sizes, float)
        start = min(float(one.rate.errors[0]) for one in found)
        slope = found[0].promised
        label = f"{slope:.2f}, promised for large N".replace("-", "\u2212")
        axis.plot(sizes, 0.4 * start * (sizes / sizes[0]) ** slope, ":", color=COLORS["theory"], label=label)
        axis.plot([], [], "--", color=COLORS["theory"], linewidth=1.0, label=r"bound $(s_0^{-2} + 4N/V^2)^{-1/2}$")
        axis.set(xscale="log", yscale="log")
        axis.xaxis.set_major_locator(FixedLocator([size for size in sizes if np.log2(size).is_integer()]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=1, handletextpad=0.4)


def _slope(one: GreedyRate) -> str:
    """The fitted slope with its interval, and how far the bound falls over the same sizes."""
    shown = f"{one.rate.slope:.2f} [{one.rate.low:.2f}, {one.rate.high:.2f}], bound {one.bound_slope:.2f}"
    return shown.replace("-", "\u2212")
