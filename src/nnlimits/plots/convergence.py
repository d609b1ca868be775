"""Finite networks approach their limits as they grow wider."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title

_LOOKS = [("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D")]


class Rate(NamedTuple):
    """A power law `exp(intercept) width^slope`, and the standard error of its slope."""

    slope: float
    error: float
    intercept: float


def fit_rate(widths: Sequence[int], distances: Float[np.ndarray, "widths seeds"]) -> Rate:
    """Least squares in logarithms through the means over seeds; the error comes from their spread."""
    logs = np.log(distances)
    x = np.log(np.asarray(widths, float))
    centred = x - x.mean()
    slope = float(centred @ logs.mean(1) / (centred @ centred))
    seeds = distances.shape[1]
    errors = logs.std(1, ddof=1) / seeds**0.5 if seeds > 1 else np.full(len(x), np.nan)
    error = float((centred**2 @ errors**2) ** 0.5 / (centred @ centred))
    return Rate(slope, error, float(logs.mean() - slope * x.mean()))


def convergence(
    widths: Sequence[int], distances: Mapping[str, Float[np.ndarray, "widths seeds"]], *, unit: str
) -> Figure:
    """Distances of finite networks from a limit, against width, on logarithmic axes with fitted power laws.

    **Arguments:** `distances`, by what they are distances from, one of each width and seed; `unit`, what they are measured in.
    """
    figure, axes = new_figure(1, 1, width=7.2, height=5.0)
    axis = axes[0, 0]
    for (name, values), (color, marker) in zip(distances.items(), _LOOKS, strict=False):
        _draw(axis, name, np.asarray(widths, float), values, COLORS[color], marker)
    _reference(axis, np.asarray(widths, float), float(min(values.mean(1)[0] for values in distances.values())))
    axis.set(xscale="log", yscale="log", xlabel="width of the hidden layers", ylabel=unit)
    axis.xaxis.set_major_locator(FixedLocator(list(widths)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    plain_logarithmic(axis.yaxis)
    title(axis, "Wider networks come closer to theory")
    legend(axis, loc="upper right", labelspacing=0.7)
    return figure


def _draw(axis: Axes, name: str, widths: np.ndarray, values: np.ndarray, color: str, marker: str) -> None:
    rate = fit_rate([int(w) for w in widths], values)
    axis.plot(np.repeat(widths, values.shape[1]), values.ravel(), ".", color=color, alpha=0.45, markersize=5, mew=0)
    mean = np.exp(np.log(values).mean(1))
    label = f"{name}\nfitted slope {rate.slope:.2f} ± {rate.error:.2f}".replace("-", "\u2212")
    axis.plot(widths, mean, marker, color=color, markersize=7, label=label)
    axis.plot(widths, np.exp(rate.intercept) * widths**rate.slope, color=color, linewidth=1.4)


def _reference(axis: Axes, widths: np.ndarray, start: float) -> None:
    """What a rate of one half looks like, below the data."""
    axis.plot(
        widths,
        0.55 * start * (widths / widths[0]) ** -0.5,
        "--",
        color=COLORS["faint"],
        linewidth=1.3,
        label="slope \u22121/2, for comparison",
    )
