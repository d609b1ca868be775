"""Lazy, catapult and divergent training, by learning rate."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nnlimits.plots.style import COLORS, legend, new_figure, title

_LOOKS = [("blue", "-"), ("orange", "-"), ("green", "-"), ("purple", "-")]


class CatapultCurve(NamedTuple):
    """Training at several learning rates, from one curvature `lambda_0`; where it diverges, NaN or infinity."""

    multiples: Float[np.ndarray, " rates"]
    """The learning rate times `lambda_0`, ascending."""
    peak: Float[np.ndarray, " rates"]
    """The largest loss, relative to the first."""
    curvature: Float[np.ndarray, " rates"]
    """The last curvature times the learning rate."""
    loss: Float[np.ndarray, " rates"]
    """The last loss, relative to the first."""


def catapult(curves: Mapping[str, CatapultCurve], *, divergence: Mapping[str, float] | None = None) -> Figure:
    """The loss's peak, the curvature reached, and the last loss, against the learning rate times the first curvature.

    Lines at 2 and 4 are the boundaries of two-layer linear networks.

    **Arguments:** `curves`, by network; `divergence`, multiples at which a network was measured to diverge, by its name.
    """
    figure, axes = new_figure(1, 3, width=11.6, height=4.4, sharex=True)
    panels = [
        ("peak", "largest loss over first loss", "The loss is thrown up", "log"),
        ("curvature", "last curvature times learning rate", "and lands where it is flat", "linear"),
        ("loss", "last loss over first loss", "or training diverges", "log"),
    ]
    for axis, (field, label, heading, scale) in zip(axes[0], panels, strict=True):
        for (name, curve), (color, line) in zip(curves.items(), _LOOKS, strict=False):
            values = getattr(curve, field)
            shown = np.where(np.isfinite(values), values, np.nan)
            axis.plot(curve.multiples, shown, line, marker=".", color=COLORS[color], label=name)
            if divergence and name in divergence:
                axis.axvline(divergence[name], color=COLORS[color], linewidth=1.2, linestyle=":")
        axis.set(yscale=scale, xlabel="learning rate times first curvature", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 4, 10]))
        _boundaries(axis)
        title(axis, heading)
    axes[0, 1].axhline(2, color=COLORS["theory"], linewidth=1.0, linestyle="--")
    axes[0, 1].set_ylim(0, max(2.2, axes[0, 1].get_ylim()[1]))
    handles, labels = axes[0, 2].get_legend_handles_labels()
    for style, label in (("--", "2 and 4, from theory"), *([(":", "divergence, measured")] if divergence else [])):
        handles += axes[0, 2].plot([], [], style, color=COLORS["theory" if style == "--" else "faint"], linewidth=1.2)
        labels.append(label)
    legend(figure, handles=handles, labels=labels, loc="outside lower center", ncols=len(labels))
    return figure


def _boundaries(axis: Axes) -> None:
    for place in (2, 4):
        axis.axvline(place, color=COLORS["theory"], linewidth=1.0, linestyle="--", zorder=1)
