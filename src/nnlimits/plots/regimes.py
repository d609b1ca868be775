"""What a network learns between mean-field and lazy training, in figures."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.plots.style import COLORS, legend, new_figure, title


def regimes(found: Any) -> Figure:
    """Changes of hidden weights and kernel with fitted powers, beside risks, against the scale of the output.

    **Arguments:** `found`, a `mean_field.experiments.Regimes`: geometric means over its draws, all of which are shown.
    """
    figure, axes = new_figure(1, 2, width=11.2, height=4.8, sharex=True)
    left, right = axes[0]
    alphas = np.asarray(found.alphas)
    for name, color, marker, label in (
        ("weight_change", "blue", "o", "hidden weights"),
        ("kernel_change", "orange", "s", "tangent kernel"),
    ):
        rate = found.rate(name)
        if rate is not None:
            label += f": slope {rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}]".replace("-", "\u2212")
            lazy = alphas[-len(rate.errors) :]
            left.plot(lazy, np.exp(rate.intercept) * lazy**rate.slope, color=COLORS[color], linewidth=4, alpha=0.25)
        _curves(left, alphas, getattr(found, name), COLORS[color], marker, label)
    left.set(yscale="log", ylabel="relative change in training")
    title(left, "Small scales learn features")
    _curves(right, alphas, found.risks, COLORS["green"], "o", "training data")
    _curves(right, alphas, found.test_risks, COLORS["purple"], "s", "held-out data")
    right.set(yscale="log", ylabel="half the mean square error")
    title(right, f"Risk at time {found.time:g}")
    for axis in (left, right):
        _scales(axis, alphas, found.m, named=axis is left)
        legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=1)
    return figure


def _curves(axis: Axes, alphas: np.ndarray, values: np.ndarray, color: str, marker: str, label: str) -> None:
    axis.plot(np.repeat(alphas, values.shape[1]), values.ravel(), ".", color=color, alpha=0.35, markersize=4, mew=0)
    axis.plot(alphas, np.exp(np.log(values).mean(1)), marker + "-", color=color, markersize=5, label=label)


def _scales(axis: Axes, alphas: np.ndarray, m: int, *, named: bool) -> None:
    """The two scales of the literature, where they are among those shown, named where there is room."""
    axis.set(xscale="log", xlabel="scale of the output, alpha")
    axis.xaxis.set_major_locator(FixedLocator([float(alpha) for alpha in alphas]))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_locator(NullLocator())
    for value, name in ((1.0, "mean field, 1/m"), (m**0.5, "NTK, 1/\u221am")):
        if alphas.min() <= value <= alphas.max():
            axis.axvline(value, color=COLORS["faint"], linestyle="--", linewidth=1.1, zorder=0)
            axis.text(
                value * 1.06,
                0.02,
                name if named else "",
                transform=axis.get_xaxis_transform(),
                rotation=90,
                va="bottom",
                fontsize=9,
                color=COLORS["faint"],
            )
