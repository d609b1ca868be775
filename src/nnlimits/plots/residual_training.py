"""Mean-field residual networks in training: loss, convergence, the flow of states through depth, and the law over depth."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from nnlimits.infinite_depth.experiments import ResidualTraining
from nnlimits.plots.style import COLORS, legend, new_figure, sequence, title

_GRID = 160
_SHOWN = 40
"""Trajectories of each class that are drawn."""
_CLASSES = {-1.0: "orange", 1.0: "blue"}


def residual_spiral(found: ResidualTraining) -> Figure:
    """Loss and the inequality of Polyak and Lojasiewicz; the plane as it is divided; states through depth; the law over depth."""
    figure, axes = new_figure(2, 3, width=15.6, height=9.4)
    _losses(axes[0, 0], found)
    _inequality(axes[0, 1], found)
    _movement(axes[0, 2], found)
    _regions(axes[1, 0], found)
    _trajectories(axes[1, 1], found)
    _law(axes[1, 2], found)
    return figure


def residual_digits(found: ResidualTraining) -> Figure:
    """Loss and the inequality of Polyak and Lojasiewicz; outputs through depth; the movement of the law."""
    figure, axes = new_figure(2, 2, width=11.2, height=9.0)
    _losses(axes[0, 0], found)
    _inequality(axes[0, 1], found)
    _movement(axes[1, 0], found)
    _trajectories(axes[1, 1], found)
    return figure


def _losses(axis: Axes, found: ResidualTraining) -> None:
    times, risks = found.course.times, found.course.risks
    axis.plot(times, risks, "o-", color=COLORS["blue"], markersize=4, label="risk of training examples")
    if found.monitor.certified:
        first = next(i for i, one in enumerate(found.monitor.certificates) if one is not None and one.certified)
        rate = found.monitor.certificates[first].rate  # pyright: ignore[reportOptionalMemberAccess]
        bound = risks[first] * np.exp(-rate * (times[first:] - times[first]))
        axis.plot(times[first:], bound, "--", color=COLORS["theory"], label="certified bound")
    axis.set(yscale="log", xlabel="time of the flow", ylabel="risk")
    title(axis, f"Loss: {risks[0]:.2g} to {risks[-1]:.1g} in {found.course.steps[-1]:,} steps")
    legend(axis)


def _inequality(axis: Axes, found: ResidualTraining) -> None:
    seen = found.monitor
    axis.plot(seen.times, seen.ratios, "o-", color=COLORS["blue"], markersize=4, label="squared gradient / risk")
    known = seen.guaranteed > 0
    if known.any():
        label = "guaranteed by the tangent kernel"
        axis.plot(seen.times[known], seen.guaranteed[known], "s--", color=COLORS["theory"], markersize=4, label=label)
    axis.set(yscale="log", xlabel="time of the flow", ylabel="rate at which the risk falls")
    title(axis, "Polyak-Lojasiewicz ratio")
    legend(axis)


def _movement(axis: Axes, found: ResidualTraining) -> None:
    movements = found.monitor.movements
    depths = (np.arange(movements.shape[1]) + 0.5) / movements.shape[1]
    shown = [i for i in sorted({len(movements) // 3, 2 * len(movements) // 3, len(movements) - 1}) if i > 0]
    for index, color in zip(shown, sequence(len(shown)), strict=True):
        label = f"time {found.monitor.times[index]:.3g}"
        axis.plot(depths, movements[index], ".-", color=color, label=label)
    axis.set(xlabel="depth s", ylabel="root mean square way of neurons", xlim=(0, 1), ylim=(0, None))
    title(axis, "Movement of the law")
    legend(axis)


def _regions(axis: Axes, found: ResidualTraining) -> None:
    ticks = np.linspace(-1.25, 1.25, _GRID, dtype=np.float32)
    plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    outputs = np.asarray(found.course.final(plane)).reshape(_GRID, _GRID)
    colors = LinearSegmentedColormap.from_list("classes", [COLORS["orange"], "#FFFFFF", COLORS["blue"]])
    axis.imshow(
        np.clip(outputs, -2, 2),
        extent=(-1.25, 1.25, -1.25, 1.25),
        origin="lower",
        cmap=colors,
        alpha=0.45,
        vmin=-2,
        vmax=2,
    )
    axis.contour(ticks, ticks, outputs, levels=[0.0], colors=COLORS["theory"], linewidths=1.0)
    for label, color in _CLASSES.items():
        rows = np.asarray(found.risk.y)[:, 0] == label
        points = np.asarray(found.risk.x)[rows]
        axis.plot(*points.T, "o", color=COLORS[color], markersize=3.5, markeredgecolor="white", markeredgewidth=0.4)
    axis.set(xlabel="x", ylabel="y", aspect="equal")
    axis.grid(False)
    title(axis, "Output over the plane, and where it is zero")


def _trajectories(axis: Axes, found: ResidualTraining) -> None:
    """The output that each state would have if the network ended there."""
    law = found.course.final
    states = np.asarray(law.trajectories(found.risk.x))
    outputs = (states @ np.asarray(law.readout))[..., 0]
    depths = np.linspace(0, 1, len(outputs))
    for label, color in _CLASSES.items():
        rows = np.flatnonzero(np.asarray(found.risk.y)[:, 0] == label)
        rows = rows[np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)]
        lines: Any = axis.plot(depths, outputs[:, rows], color=COLORS[color], linewidth=0.7, alpha=0.7)
        lines[0].set_label(f"label {label:+.0f}".replace("-", "\u2212"))
    axis.axhline(0, color=COLORS["faint"], linewidth=0.8)
    axis.set(xlabel="depth s", ylabel="readout of the state X(s)", xlim=(0, 1))
    title(axis, "States on their way through depth")
    legend(axis)


def _law(axis: Axes, found: ResidualTraining) -> None:
    """How strongly neurons push the read-out feature, by depth."""
    laws = (("start", "faint", found.course.laws[0]), ("end", "blue", found.course.final))
    for label, color, law in laws:
        pushes = np.asarray(law.unit.split(law.particles)[2]) @ np.asarray(law.readout)[:, 0]
        depths = (np.arange(law.layers) + 0.5) / law.layers
        low, lower, middle, upper, high = np.quantile(pushes, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
        axis.fill_between(
            depths, low, high, color=COLORS[color], alpha=0.18, linewidth=0, label=f"{label}: 90 % of neurons"
        )
        axis.fill_between(depths, lower, upper, color=COLORS[color], alpha=0.3, linewidth=0, label=f"{label}: half")
        axis.plot(depths, middle, color=COLORS[color], linewidth=1.2)
    axis.set(xlabel="depth s", ylabel="output weight of neurons, read out", xlim=(0, 1))
    title(axis, "The law over depth")
    legend(axis)
