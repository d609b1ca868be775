"""Errors of residual networks by depth and by width, before and after training."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.infinite_depth.experiments import ResidualRates
from nnlimits.plots.style import COLORS, legend, new_figure, title
from nnlimits.rates import FittedRate

_LOOKS = (("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D"))


def residual_rates(found: ResidualRates) -> Figure:
    """Errors on logarithmic axes with their fitted slopes: of depth; of width, in three ways; and of width by depth."""
    figure, axes = new_figure(2, 2, width=12.4, height=11.4)
    when = f"after {found.training.steps} steps"
    times = (("at the start", found.before), (when, found.after))
    depth, width, expected, layers = axes.ravel()
    rates = [
        (f"{name}, {time}", rate)
        for time, one in times
        for name, rate in zip(("outputs", "risk"), one.depth.by_problem, strict=True)
    ]
    _draw(depth, found.before.depth.scales, rates, -1.0, "layers L")
    title(depth, "Depth: L layers, infinitely many neurons")
    rates = [
        (f"{kind}, {time}", errors.root_mean_square)
        for time, one in times
        for kind, errors in (("followed", one.width_followed), ("independent", one.width_independent))
    ]
    _draw(width, found.before.width_followed.scales, rates, -0.5, "neurons M in each layer")
    title(width, "Width: root mean square of outputs")
    rates = [(f"followed, expected risk, {time}", one.width_followed.expected_risk) for time, one in times]
    rates += [
        (f"followed, mean of outputs, {when}", found.after.width_followed.bias),
        (f"independent, mean square, {when}", found.after.width_independent.mean_square),
    ]
    _draw(expected, found.before.width_followed.scales, rates, -1.0, "neurons M in each layer")
    title(expected, "Width: expected risk, bias, mean square")
    rates = [
        (f"{kind}, {time}", errors.root_mean_square)
        for time, one in times
        for kind, errors in (("followed", one.layers_followed), ("independent", one.layers_independent))
    ]
    _draw(layers, found.before.layers_followed.scales, rates, -0.5, "layers L, of as many neurons each")
    title(layers, "What width costs, by depth")
    for axis in axes.ravel():
        axis.set_ylabel("error")
    return figure


def _draw(axis: Axes, scales: np.ndarray, rates: list[tuple[str, FittedRate]], promised: float, name: str) -> None:
    lowest: Any = np.inf
    for (label, rate), (color, marker) in zip(rates, _LOOKS, strict=True):
        if np.isfinite(rate.slope):
            shown = f"{label}: slope {rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}]".replace("-", "\u2212")
            axis.plot(scales, np.exp(rate.intercept) * scales**rate.slope, color=COLORS[color], linewidth=1.3)
        else:
            shown = f"{label}: hidden by noise"
        axis.plot(scales, rate.errors, marker, color=COLORS[color], markersize=6, label=shown)
        lowest = min(lowest, float((rate.errors * scales**-promised).min()))
    label = f"slope {promised:g}, promised".replace("-", "\u2212")
    axis.plot(scales, 0.6 * lowest * scales**promised, "--", color=COLORS["theory"], label=label)
    axis.set(xscale="log", yscale="log", xlabel=name)
    axis.xaxis.set_major_locator(FixedLocator(list(scales)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_minor_locator(NullLocator())
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.13))
