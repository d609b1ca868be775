"""Two isotropic Gaussian classes: risk and law of the lengths of neurons, and the change of phase."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nnlimits.mean_field.experiments import IsotropicGaussians, Separation
from nnlimits.plots.style import COLORS, legend, new_figure, sequence, title

_SHOWN, _FLOOR = 4, 1e-6


def isotropic_gaussians(found: IsotropicGaussians) -> Figure:
    """The risk over time three ways; the lengths of neurons against their density; and the distance between the two."""
    figure, axes = new_figure(1, 3, width=13.2, height=4.5)
    _risks(axes[0, 0], found)
    _lengths(axes[0, 1], found)
    _distances(axes[0, 2], found)
    return figure


def _risks(axis: Axes, found: IsotropicGaussians) -> None:
    t, mean, m = found.times, found.radial_risks.mean(0), found.sgd_lengths.shape[1]
    low, high = found.radial_risks.min(0), found.radial_risks.max(0)
    draws = len(found.radial_risks)
    axis.fill_between(t, low, high, color=COLORS["blue"], alpha=0.25, linewidth=0, label=f"range of {draws} draws")
    axis.plot(t, mean, color=COLORS["blue"], label=f"{m} radial neurons, mean")
    axis.plot(t, found.density_risks, "--", color=COLORS["theory"], label="radial density")
    axis.plot(t, found.sgd_risks, "o", color=COLORS["orange"], markersize=4, label=f"SGD, {m} neurons")
    axis.plot(
        t, found.sgd_radial_risks, "x", color=COLORS["green"], markersize=5, label="the same, directions averaged"
    )
    axis.set(xlabel="time of the flow", ylabel="risk, half the mean square error")
    axis.set_ylim(0, None)
    title(axis, f"One risk, $\\Delta$ = {found.delta:g}")
    legend(axis, loc="upper right")


def _lengths(axis: Axes, found: IsotropicGaussians) -> None:
    records = np.unique(np.linspace(0, len(found.times) - 1, _SHOWN).astype(int))
    lengths, spacing = found.grid.axes()[0], found.grid.spacing[0]
    farthest = float(found.sgd_lengths[records].max()) * 1.05
    bins = np.linspace(0, farthest, 46)
    for record, color in zip(records, sequence(len(records)), strict=True):
        label = f"t = {found.times[record]:g}"
        axis.hist(found.sgd_lengths[record], bins.tolist(), density=True, color=color, alpha=0.45, label=label)
        axis.plot(lengths, found.masses[record] / spacing, color=color)
    axis.set(
        xlim=(0, farthest),
        yscale="log",
        ylim=(3e-3, 20),
        xlabel="length of a neuron's weights, $|w|$",
        ylabel="density",
    )
    title(axis, "One law: SGD (bars), density (lines)")
    legend(axis)


def _distances(axis: Axes, found: IsotropicGaussians) -> None:
    t, distances = found.times, found.distances
    axis.fill_between(
        t, distances.min(0), distances.max(0), color=COLORS["blue"], alpha=0.25, linewidth=0, label="range of draws"
    )
    axis.plot(t, distances.mean(0), color=COLORS["blue"], label="radial neurons, mean")
    axis.plot(t, found.sgd_distances, "o", color=COLORS["orange"], markersize=4, label="SGD")
    axis.set(xlabel="time of the flow", ylabel="Wasserstein-1 distance from the density")
    axis.set_ylim(0, 1.35 * axis.get_ylim()[1])
    title(axis, "How far both are from the density")
    legend(axis, loc="upper left")


def separation(found: Separation) -> Figure:
    """The risks of the flow, of the best measure and of the best sphere by `delta`; and the certificates."""
    figure, axes = new_figure(1, 2, width=11.6, height=4.5)
    risks, gaps = axes[0]
    risks.plot(found.deltas, found.sphere, color=COLORS["sky"], label="best single sphere")
    risks.plot(found.deltas, found.best, color=COLORS["theory"], label="best measure")
    for flow, time, color in zip(found.flow.T, found.times, sequence(len(found.times)), strict=True):
        risks.plot(found.deltas, flow, "o", color=color, markersize=5, label=f"radial flow at time {time:g}")
    risks.set(yscale="log", ylabel="risk, half the mean square error")
    title(risks, "What is reached")
    gaps.plot(
        found.deltas, np.maximum(found.sphere_gap, _FLOOR), color=COLORS["sky"], label="of the best single sphere"
    )
    last = f"at time {found.times[-1]:g}"
    gaps.plot(
        found.deltas,
        np.maximum(found.flow_gap[:, -1], _FLOOR),
        "o",
        color=COLORS["orange"],
        label=f"of the flow {last}",
    )
    gaps.plot(
        found.deltas,
        np.maximum(found.flow[:, -1] - found.best, _FLOOR),
        "x",
        color=COLORS["theory"],
        label=f"flow {last} less best",
    )
    gaps.set(yscale="log", ylabel="certified gap, or 1e-6 if less")
    title(gaps, "What certificates say")
    for axis in axes[0]:
        axis.axvline(
            found.threshold,
            color=COLORS["faint"],
            linestyle=":",
            linewidth=1.4,
            label=f"$\\Delta$ = {found.threshold:.3f}",
        )
        axis.set_xlabel("difference of the classes' spreads, $\\Delta$")
        axis.xaxis.set_major_locator(MaxNLocator(9))
        legend(axis)
    return figure
