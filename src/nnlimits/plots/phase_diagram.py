"""Order and chaos over the plane of initializations, and how deep signals reach there."""

from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from nnlimits.plots.style import COLORS, legend, new_figure, title

_SHALLOWEST, _DEEPEST = 3.0, 300.0
"""Depths at which the colours begin and end."""


def phase_diagram(diagram: Any, *, mark: tuple[float, float] | None = None, mark_label: str = "this network") -> Figure:
    """Trainable depth over weights' and biases' variances, with the line between order and chaos.

    **Arguments:** `diagram`, a `nnlimits.signal.PhaseDiagram`; `mark`, a point `(w_std, b_std)` to show, and its label.
    """
    figure, axes = new_figure(1, 1, width=6.4, height=4.4)
    axis = axes[0, 0]
    x, y = diagram.w_std**2, diagram.b_std**2
    depth = np.clip(np.nan_to_num(diagram.points.trainable_depth, posinf=1e6), 1.0, 1e6)
    levels = np.geomspace(_SHALLOWEST, _DEEPEST, 41)
    shown = axis.contourf(x, y, depth, levels, norm=LogNorm(_SHALLOWEST, _DEEPEST), cmap="viridis", extend="both")
    bar = figure.colorbar(shown, ax=axis, label="trainable depth 6 ξc, in layers")
    bar.ax.minorticks_off()
    bar.set_ticks([3, 10, 30, 100, 300], labels=["3", "10", "30", "100", "300"])
    chi = diagram.points.chi_perp
    if chi.min() < 1 < chi.max():
        axis.contour(x, y, chi, levels=[1.0], colors="white", linewidths=2.2)
        axis.plot([], [], color=COLORS["faint"], linewidth=2.2, label="edge of chaos, χ⊥ = 1 (white)")
    _name_phases(axis, x, y, chi)
    if mark is not None:
        axis.plot(
            mark[0] ** 2,
            mark[1] ** 2,
            "o",
            color=COLORS["orange"],
            markeredgecolor="white",
            markersize=9,
            label=mark_label,
            clip_on=False,
            zorder=5,
        )
    axis.set(
        xlabel="variance of weights, w_std²",
        ylabel="variance of biases, b_std²",
        xlim=(x[0], x[-1]),
        ylim=(y[0], y[-1]),
    )
    axis.grid(False)
    title(axis, "How deep a signal reaches")
    if axis.get_legend_handles_labels()[0]:
        legend(axis, loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=2)
    return figure


def _name_phases(axis: Any, x: Any, y: Any, chi: Any) -> None:
    for name, inside in (("ordered", chi < 0.95), ("chaotic", chi > 1.05)):
        if inside.mean() < 0.05:
            continue
        rows, columns = np.nonzero(inside)
        row = int(np.median(rows))
        across = columns[rows == row] if (rows == row).any() else columns
        axis.text(
            x[int(np.median(across))],
            y[row],
            name,
            color="white",
            ha="center",
            va="center",
            fontsize=12,
            fontweight="bold",
        )
