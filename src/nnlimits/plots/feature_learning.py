"""How far first layers move, and how far kernels turn to the labels, by width."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.mean_field.experiments import FeatureLearning
from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title


def feature_learning(found: FeatureLearning) -> Figure:
    """Movement of the first layer with fitted power laws, and alignments before and after, in both scalings.

    Bands of alignments are from the least to the greatest of the seeds.
    """
    figure, axes = new_figure(1, 2, width=11.6, height=4.6)
    moved, aligned = axes[0]
    for name, learned, color in (("mean field", found.mean_field, "orange"), ("NTK", found.ntk, "blue")):
        rate, widths = found.rate(learned), np.asarray(found.widths, float)
        label = f"{name}: slope {rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}]".replace("-", "\u2212")
        moved.plot(widths, np.exp(rate.intercept) * widths**rate.slope, color=COLORS[color], linewidth=1.3)
        moved.plot(widths, rate.errors, "o", color=COLORS[color], markersize=6, label=label)
        for values, style, when in ((learned.before, "o:", "before"), (learned.after, "o-", "after")):
            low, high = values.min(1), values.max(1)
            aligned.fill_between(widths, low, high, color=COLORS[color], alpha=0.15, linewidth=0)
            aligned.plot(widths, values.mean(1), style, color=COLORS[color], label=f"{name}, {when}")
    start = float(found.ntk.movement[0].mean())
    ends = np.array([found.widths[0], found.widths[-1]], float)
    moved.plot(
        ends,
        0.6 * start * (ends / ends[0]) ** -0.5,
        "--",
        color=COLORS["theory"],
        label="slope \u22121/2, kernel limit",
    )
    moved.set(yscale="log", ylabel="relative movement of first-layer weights")
    plain_logarithmic(moved.yaxis)
    aligned.set(ylabel="alignment of the last hidden kernel", ylim=(0, 1))
    for axis in (moved, aligned):
        _widths(axis, found.widths)
        legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2 if axis is aligned else 1)
    title(moved, "Features move at any width, or ever less")
    title(aligned, "The kernel turns to the labels, or stays")
    return figure


def _widths(axis: Axes, widths: np.ndarray) -> None:
    axis.set(xscale="log", xlabel="width of both hidden layers")
    axis.xaxis.set_major_locator(FixedLocator(list(widths)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_minor_locator(NullLocator())
