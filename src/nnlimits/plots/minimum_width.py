"""Networks one unit too narrow, and those of the least width that approximates."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.approximation.minimum_width.experiments import Approached, Obstructed
from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title

_DIMENSIONS = "blue", "orange", "green"
"""The colours of one, two and three dimensions."""


def minimum_width(found: Sequence[Obstructed]) -> Figure:
    """The L^2 distance against depth, of trained networks that are too narrow and of the theorem's, one panel for each function.

    No network of the smaller width, of any depth, is below the dashed line.
    """
    figure, axes = new_figure(1, len(found), width=6.4 * len(found), height=5.6)
    for axis, one in zip(axes.ravel(), found, strict=True):
        _draw(axis, one)
    return figure


def _draw(axis: Axes, found: Obstructed) -> None:
    sufficient = max(found.target.domain.dimension + 1, found.target.outputs)
    depth = np.array([one.certificate.constants["depth"] for one in found.constructed])
    errors = np.array([one.error.l2 for one in found.constructed])
    bounds = np.array([one.certificate.bound for one in found.constructed])
    axis.axhspan(1e-9, found.floor, color=COLORS["orange"], alpha=0.08)
    label = f"no network of width {found.width} is below {found.floor:.3g}"
    axis.axhline(found.floor, color=COLORS["orange"], linestyle="--", label=label)
    for i, one in enumerate(found.trained):
        jitter = np.exp(np.linspace(-0.08, 0.08, len(one.l2)))
        label = f"width {found.width}, trained from {len(one.l2)} seeds at each depth" if i == 0 else None
        axis.plot(one.depth * jitter, one.l2, "o", color=COLORS["orange"], markersize=5, alpha=0.75, label=label)
    axis.plot(depth, bounds, "--", color=COLORS["theory"], linewidth=1.3, label=f"width {sufficient}: certificate")
    axis.plot(
        depth, errors, "s-", color=COLORS["blue"], markersize=6, label=f"width {sufficient}: constructed, measured"
    )
    axis.set(xscale="log", yscale="log", xlabel="hidden layers", ylabel="$L^2$ distance")
    axis.set_ylim(
        0.6 * min(errors.min(), found.floor), 1.5 * max(bounds.max(), max(one.l2.max() for one in found.trained))
    )
    plain_logarithmic(axis.yaxis)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    title(axis, f"{found.name[0].upper()}{found.name[1:]}")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.12))


def minimum_width_rates(found: Sequence[Approached]) -> Figure:
    """The L^2 distance of the theorem's networks against the cells along each axis, one panel for each kind of function.

    Solid: measured; dashed: certified.
    """
    kinds = list(dict.fromkeys(one.case.name for one in found))
    figure, axes = new_figure(1, len(kinds), width=4.2 * len(kinds), height=5.4, sharey=True)
    for axis, kind in zip(axes.ravel(), kinds, strict=True):
        for one in found:
            if one.case.name != kind:
                continue
            cells = 2.0 ** np.array(one.case.bits)
            color = COLORS[_DIMENSIONS[one.case.dimension - 1]]
            slope = f"{one.rate.slope:.2f}".replace("-", "\u2212")
            label = f"d = {one.case.dimension}: slope {slope}"
            axis.plot(
                cells, [each.error.l2 for each in one.approximations], "o-", color=color, markersize=5, label=label
            )
            axis.plot(cells, [each.certificate.bound for each in one.approximations], "--", color=color, linewidth=1.2)
        axis.set(xscale="log", yscale="log", xlabel="cells along each axis, $2^K$")
        axis.xaxis.set_major_locator(FixedLocator([2.0**k for k in range(1, 9)]))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
        axis.xaxis.set_minor_locator(NullLocator())
        plain_logarithmic(axis.yaxis)
        title(axis, kind.capitalize())
        legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    axes[0, 0].set_ylabel("$L^2$ distance: measured, and certified (dashed)")
    return figure
