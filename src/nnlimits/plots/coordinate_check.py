"""The sizes of what a network's layers make, against its width."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.plots.style import COLORS, legend, new_figure, sequence, title
from nnlimits.training.coordinate_check import CoordinateCheck, PowerLaw

_SHOWN = 8
"""Layers with a line of their own, the first and the last among them."""


def coordinate_check(result: CoordinateCheck, *, name: str = "") -> Figure:
    """Root mean squares of each layer's outputs at initialization, and of their change in training, with fitted exponents.

    **Arguments:** `result` of `nnlimits.training.coordinate_check`; `name`, of the network or its parameterization, in titles.
    Of more than eight layers, eight are shown, evenly spaced, with the first and the last.
    """
    figure, axes = new_figure(1, 2, width=11.6, height=5.0)
    steps = result.change.shape[2]
    after = "1 step" if steps == 1 else f"{steps} steps"
    prefix = f"{name}: " if name else ""
    for axis, text, sizes, law in (
        (axes[0, 0], f"{prefix}at initialization", result.initial, result.initial_law()),
        (axes[0, 1], f"{prefix}change after {after}", result.change[:, :, -1], result.change_law()),
    ):
        _draw(axis, result, sizes, law)
        title(axis, text)
    axes[0, 0].set_ylabel("root mean square of a coordinate")
    return figure


def _draw(axis: Axes, result: CoordinateCheck, sizes: np.ndarray, law: PowerLaw) -> None:
    widths = np.asarray(result.widths, float)
    count = len(result.layers)
    shown = np.unique(np.linspace(0, count - 1, min(count, _SHOWN)).round().astype(int))
    for color, layer in zip([*sequence(len(shown))[:-1], COLORS["orange"]], shown, strict=True):
        values = sizes[:, :, layer]
        axis.plot(np.repeat(widths, values.shape[1]), values.ravel(), ".", color=color, alpha=0.4, markersize=5, mew=0)
        label = f"{result.layers[layer]}   {_signed(float(law.exponent[layer]))} ± {law.error[layer]:.2f}"
        axis.plot(widths, np.exp(np.log(values).mean(1)), "o-", color=color, markersize=5, label=label)
    axis.set(xscale="log", yscale="log", xlabel="width")
    axis.xaxis.set_major_locator(FixedLocator(list(widths)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    low, high = sizes.min(), sizes.max()
    if high < 100 * low:  # slopes are compared by eye only over a range that is not magnified
        middle = float(np.sqrt(low * high))
        axis.set_ylim(middle / 12, middle * 12)
    options: Any = {"title": "layer   fitted exponent of the width", "loc": "upper center"}
    legend(axis, **options, bbox_to_anchor=(0.5, -0.14), ncols=2 if len(shown) > 3 else 1)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\u2212")
