"""Networks one unit too narrow, and those of the least width that approximates."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnlimits.approximation.minimum_width.experiments import Obstructed
from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title


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
