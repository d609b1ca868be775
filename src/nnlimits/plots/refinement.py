"""Errors of finite volumes against the size of their cells, and their density against many particles."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.mean_field.experiments import AgainstParticles, Refinement
from nnlimits.plots.style import COLORS, legend, new_figure, title

_LOOKS = [("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D")]


def refinement(found: Sequence[Refinement], particles: Sequence[AgainstParticles] = ()) -> Figure:
    """Errors on logarithmic axes with their orders; risks of particles beside the density's, with two standard errors of as many
    independent draws; and their distance, with that of independent draws.
    """
    figure, axes = new_figure(1, 3 if particles else 1, width=13.2 if particles else 5.6, height=4.6)
    _errors(axes[0, 0], found)
    if particles:
        _risks(axes[0, 1], particles)
        _distances(axes[0, 2], particles)
    return figure


def _errors(axis: Axes, found: Sequence[Refinement]) -> None:
    least, most = np.inf, 0.0
    for case, (color, marker) in zip(found, _LOOKS, strict=False):
        noise = f"temperature {case.temperature:g}" if case.temperature else "no noise"
        kind = "one parameter" if case.axes == 1 else "two parameters"
        label = f"{kind}, {noise}: order {case.orders[-1]:.2f}"
        axis.plot(case.cells, case.errors, marker=marker, color=COLORS[color], markersize=6, label=label)
        least, most = min(least, case.cells.min()), max(most, case.cells.max())
    ends = np.array([least, most])
    top = max(float((case.errors * case.cells**2.0).max()) for case in found)
    axis.plot(ends, 2 * top * ends**-2.0, "--", color=COLORS["faint"], linewidth=1.3, label="second order")
    axis.set(xscale="log", yscale="log", xlabel="cells along an axis", ylabel="sum of errors of the cells' masses")
    axis.xaxis.set_major_locator(FixedLocator(sorted({int(n) for case in found for n in case.cells})))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    title(axis, "Errors (order of the last refinement)")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def _risks(axis: Axes, particles: Sequence[AgainstParticles]) -> None:
    for case, (color, marker) in zip(particles, _LOOKS, strict=False):
        noise = f"temperature {case.temperature:g}" if case.temperature else "no noise"
        label = f"{case.particles.shape[1]:,} particles, {noise}"
        excess = 100 * (case.particle_risks / case.density_risks - 1)
        bars = 200 * case.sampling_errors / case.density_risks
        axis.errorbar(case.times, excess, bars, fmt=marker, color=COLORS[color], markersize=5, capsize=4, label=label)
    axis.axhline(0, color=COLORS["theory"], linewidth=1.2, label="density")
    axis.set(xlabel="time of the flow", ylabel="risk above the density's, in percent")
    title(axis, "Two parameters: one risk")
    legend(axis, title="bars: two standard errors of draws", loc="upper center", bbox_to_anchor=(0.5, -0.16))


def _distances(axis: Axes, particles: Sequence[AgainstParticles]) -> None:
    for case, (color, marker) in zip(particles, _LOOKS, strict=False):
        noise = f"temperature {case.temperature:g}" if case.temperature else "no noise"
        distance, expected = case.distances()
        axis.plot(case.times, distance, marker, color=COLORS[color], markersize=6, label=f"particles, {noise}")
        axis.plot(case.times, expected, "--", color=COLORS[color], linewidth=1.3, label=f"independent draws, {noise}")
    axis.set_ylim(0, None)
    axis.set(xlabel="time of the flow", ylabel="total variation, 100 coarse cells")
    title(axis, "Two parameters: one law")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.16))
