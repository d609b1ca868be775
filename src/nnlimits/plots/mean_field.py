"""The mean-field limit in figures: how fast it is reached, how it turns lazy, and particles against the equation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, sequence, title

_LOOKS = [("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D"), ("sky", "v")]


def propagation_of_chaos(found: Any, *, scale: str = "number of neurons m", slope: float = -0.5) -> Figure:
    """Errors against the number of neurons or the step size with fitted power laws and 95 % bands, beside the risks in time.

    **Arguments:** `found`, a `mean_field.Convergence`; `scale`, what its scales are; `slope`, what theory promises.
    """
    figure, axes = new_figure(1, 2, width=11.6, height=4.6)
    axis, curves = axes[0]
    scales = np.asarray(found.scales)
    lowest = np.inf
    for (name, errors), (color, marker) in zip(found.errors.items(), _LOOKS, strict=False):
        rate = found.rate(name)
        order = np.argsort(scales)
        line = np.exp(rate.intercept) * scales**rate.slope
        label = f"{name}: slope {rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}]".replace("-", "\u2212")
        axis.fill_between(scales[order], *rate.band[:, order], color=COLORS[color], alpha=0.18, linewidth=0)
        axis.plot(scales[order], line[order], color=COLORS[color], linewidth=1.3)
        axis.plot(scales, rate.errors, marker, color=COLORS[color], markersize=6, label=label)
        axis.plot(np.repeat(scales, errors.shape[1]), errors.ravel(), ".", color=COLORS[color], alpha=0.3, ms=3, mew=0)
        lowest = min(lowest, float((rate.errors / scales**slope).min()))
    ends = np.array([scales.min(), scales.max()])
    promised = f"slope {slope:g}, for comparison".replace("-", "\u2212")
    axis.plot(ends, 0.45 * lowest * ends**slope, "--", color=COLORS["faint"], linewidth=1.3, label=promised)
    axis.set(xscale="log", yscale="log", xlabel=scale, ylabel="error, root mean square over seeds")
    axis.xaxis.set_major_locator(FixedLocator(list(scales)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    axis.xaxis.set_minor_locator(NullLocator())
    title(axis, "Distance from the limit")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)
    _risks_in_time(curves, found, scale)
    return figure


def _risks_in_time(axis: Axes, found: Any, scale: str) -> None:
    """The middle of the seeds at each scale, and where nine of ten lie."""
    letter = scale.split()[-1]
    for value, risks, color in zip(found.scales, found.risks, sequence(len(found.scales)), strict=True):
        low, middle, high = np.quantile(risks, [0.05, 0.5, 0.95], axis=0)
        axis.fill_between(found.times, low, high, color=color, alpha=0.2, linewidth=0)
        axis.plot(found.times, middle, color=color, label=f"{letter} = {value:.4g}")
    axis.plot(found.times, found.reference_risks, "--", color=COLORS["theory"], label="reference")
    axis.set(xlabel="time", ylabel="risk (median and 90 % of seeds)")
    title(axis, "Risk")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


def laziness(found: Any) -> Figure:
    """Changes of hidden weights and tangent kernel, and risks, against the scale of the output, at the last time.

    **Arguments:** `found`, a `mean_field.LazyTraining`.
    """
    figure, axes = new_figure(1, 2, width=10.6, height=4.4, sharex=True)
    alphas = np.asarray(found.alphas)
    left, right = axes[0]
    for values, color, marker, label in (
        (found.weight_change, "blue", "o", "hidden weights"),
        (found.kernel_change, "orange", "s", "tangent kernel"),
    ):
        left.plot(alphas, values[:, -1], marker + "-", color=COLORS[color], markersize=5, label=label)
    start = 0.5 * min(found.weight_change[-1, -1], found.kernel_change[-1, -1]) * alphas[-1]
    kept = alphas >= alphas[-1] ** 0.5 * alphas[0] ** 0.5
    left.plot(alphas[kept], start / alphas[kept], "--", color=COLORS["faint"], linewidth=1.3, label="slope \u22121")
    left.set(xscale="log", yscale="log", xlabel="scale of the output, alpha", ylabel="relative change in training")
    title(left, "Small scales learn features")
    legend(left, loc="lower left")
    right.plot(alphas, found.risks[:, -1], "o-", color=COLORS["green"], markersize=5, label="training")
    if found.test_risks is not None:
        right.plot(alphas, found.test_risks[:, -1], "s-", color=COLORS["purple"], markersize=5, label="test")
    right.set(yscale="log", xlabel="scale of the output, alpha", ylabel="loss")
    title(right, f"Loss at time {found.times[-1]:g}")
    plain_logarithmic(right.xaxis)
    legend(right)
    return figure


def particles_against_density(density: Any, particles: Mapping[str, Any], *, parameter: str = "parameter") -> Figure:
    """Risks of particles in time against the equation's, and its density at the last time over a histogram of particles.

    **Arguments:** `density`, a `mean_field.DensityCourse` over one parameter; `particles`, a `mean_field.Course` by its label,
    drawn in this order, of which the last is shown as a histogram; `parameter`, the name of the axis.

    **Raises:** `ValueError` for a grid of two axes.
    """
    if len(density.grid.cells) != 1:
        raise ValueError(f"density must be over one parameter; its grid has {len(density.grid.cells)} axes")
    figure, axes = new_figure(1, 2, width=10.6, height=4.4)
    left, right = axes[0]
    for (label, course), color in zip(particles.items(), _colors(len(particles)), strict=True):
        left.plot(course.times, course.risks, ".-", color=color, linewidth=1.2, label=label)
    left.plot(density.times, density.risks, "--", color=COLORS["theory"], label="finite volumes")
    left.set(xlabel="time", ylabel="risk")
    title(left, "Risk")
    legend(left)
    label, course = list(particles.items())[-1]
    (centres,) = density.grid.axes()
    places = np.asarray(course.positions[-1])[:, 0]
    right.hist(
        places, 60, weights=np.asarray(course.masses[-1]), density=True, color=COLORS["sky"], alpha=0.5, label=label
    )
    for record, style in ((0, ":"), (-1, "--")):
        shown = np.asarray(density.masses[record]) / density.grid.volume
        right.plot(
            centres, shown, style, color=COLORS["theory"], label=f"finite volumes, time {density.times[record]:g}"
        )
    room = 0.1 * np.ptp(places)
    right.set(xlabel=parameter, ylabel="density of neurons", xlim=(places.min() - room, places.max() + room))
    title(right, f"Neurons at time {density.times[-1]:g}")
    legend(right)
    return figure


def _colors(n: int) -> Sequence[Any]:
    return sequence(n) if n > 3 else [COLORS[name] for name in ("blue", "orange", "green")[:n]]
