"""How finite networks with two hidden layers approach their limit."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.mean_field import Convergence
from nnlimits.mean_field.experiments import ThreeLayers
from nnlimits.plots.style import COLORS, legend, new_figure, sequence, title

_LOOKS = (("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D"), ("sky", "v"), ("yellow", "P"))


def three_layers(found: ThreeLayers) -> Figure:
    """Errors by width with fitted power laws, for both kinds of weights at the start, over the risks in time."""
    figure, axes = new_figure(2, 2, width=11.6, height=10.4, sharex="row", sharey="row")
    names = "functions of labels", "independent draws"
    for column, (name, convergence) in enumerate(zip(names, found, strict=True)):
        _draw_errors(axes[0, column], convergence)
        _draw_risks(axes[1, column], convergence)
        title(axes[0, column], f"Weights at the start: {name}")
    axes[0, 0].set_ylabel("error, root mean square over networks")
    axes[1, 0].set_ylabel("risk (median and 90 % of networks)")
    return figure


def _draw_errors(axis: Axes, found: Convergence) -> None:
    widths, lowest = found.scales, np.inf
    for (name, _), (color, marker) in zip(found.errors.items(), _LOOKS, strict=False):
        rate = found.rate(name)
        label = f"{name}: slope {rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}]".replace("-", "\u2212")
        axis.fill_between(widths, *rate.band, color=COLORS[color], alpha=0.15, linewidth=0)
        axis.plot(widths, np.exp(rate.intercept) * widths**rate.slope, color=COLORS[color], linewidth=1.3)
        axis.plot(widths, rate.errors, marker, color=COLORS[color], markersize=6, label=label)
        lowest = min(lowest, float((rate.errors * widths**0.5).min()))
    axis.plot(widths, 0.6 * lowest * widths**-0.5, "--", color=COLORS["theory"], label="slope \u22121/2, promised")
    axis.set(xscale="log", yscale="log", xlabel="width of both hidden layers")
    axis.xaxis.set_major_locator(FixedLocator(list(widths)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_minor_locator(NullLocator())
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.13))


def _draw_risks(axis: Axes, found: Convergence) -> None:
    shown = sorted({0, len(found.scales) // 2, len(found.scales) - 1})
    for index, color in zip(shown, sequence(len(shown)), strict=True):
        low, middle, high = np.quantile(found.risks[index], [0.05, 0.5, 0.95], axis=0)
        axis.fill_between(found.times, low, high, color=color, alpha=0.25, linewidth=0)
        axis.plot(found.times, middle, ".-", color=color, label=f"width {found.scales[index]:,.0f}")
    axis.plot(found.times, found.reference_risks, "--", color=COLORS["theory"], label="limit")
    axis.set(xlabel="time of the flow")
    legend(axis)
