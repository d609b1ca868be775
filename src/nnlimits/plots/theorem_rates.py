"""Errors of the theorems' networks by their size, with certificates and fitted slopes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.approximation.experiments import TheoremRate
from nnlimits.plots.style import COLORS, legend, new_figure, title

_COLORS = ("blue", "orange", "green", "purple", "sky", "yellow")
_MARKERS = "os^Dvx"
_MOST_TICKS = 8


def theorem_rates(found: Sequence[TheoremRate]) -> Figure:
    """One panel a theorem: measured errors in the norm of its certificates, fitted power laws, and the certificates."""
    theorems = list(dict.fromkeys(one.case.theorem for one in found))
    figure, axes = new_figure(1, len(theorems), width=max(7.0, 4.9 * len(theorems)), height=6.0)
    for axis, theorem in zip(axes[0], theorems, strict=True):
        chosen = [one for one in found if one.case.theorem == theorem]
        _panel(axis, chosen)
        title(axis, theorem)
    axes[0, 0].set_ylabel("measured error, in the certificate's norm")
    return figure


def _panel(axis: Axes, chosen: list[TheoremRate]) -> None:
    for one, color, marker in zip(chosen, _COLORS, _MARKERS, strict=False):
        axis.plot(one.scales, one.measured, marker, color=COLORS[color], markersize=6, label=_name(one))
        axis.plot(
            one.scales, np.exp(one.rate.intercept) * one.scales**one.rate.slope, color=COLORS[color], linewidth=1.2
        )
        axis.plot(one.scales, one.bounds, color=COLORS[color], linestyle="--", linewidth=1.2)
    axis.set(xscale="log", yscale="log", xlabel=chosen[0].case.scale)
    scales = np.unique(np.concatenate([one.scales for one in chosen]))
    if len(scales) <= _MOST_TICKS:
        axis.xaxis.set_major_locator(FixedLocator(scales.tolist()))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.plot([], [], "--", color=COLORS["theory"], linewidth=1.2, label="certificates")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.12), handletextpad=0.4)


def _name(one: TheoremRate) -> str:
    case, norm = one.case, "sup" if one.certificate.norm == "sup" else "$L^2$"
    activation = f", {type(case.activation).__name__.lower()}" if case.activation else ""
    slopes = f"{one.rate.slope:.2f}, promised {case.promised:.2f}".replace("-", "\u2212")
    return f"{case.target}, d = {case.dimension}{activation}, {norm}: {slopes}"
