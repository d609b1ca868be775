"""ODE networks in figures: how fast residual networks approach them, what their gradients cost, and a flow of densities."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title

_LOOKS = [("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D"), ("sky", "v")]
_BELOW = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 1}


def euler(found: Any) -> Figure:
    """Errors of residual networks against their depth with fitted power laws, beside how far their outputs move.

    **Arguments:** `found`, an `infinite_depth.experiments.Euler`.
    """
    figure, ((left, right),) = new_figure(1, 2, width=11.6, height=5.2)
    for (name, errors), look in zip(found.errors.items(), _LOOKS, strict=False):
        _line(left, found.depths, errors, found.rate(name), f"{name} blocks", look)
    left.set_ylabel("distance from the differential equation")
    title(left, "The same weights in all blocks")
    for (name, moved), look in zip(found.moved.items(), _LOOKS, strict=False):
        _line(right, found.depths, moved, found.movement(name), name, look)
    right.set_ylabel("distance of the outputs from the inputs")
    title(right, "Smooth and independent weights")
    for axis in (left, right):
        axis.set(xscale="log", yscale="log", xlabel="depth L")
        _at(axis, found.depths)
        legend(axis, **_BELOW)
    plain_logarithmic(right.yaxis)
    return figure


def adjoints(found: Any) -> Figure:
    """Errors of gradients against the solver's tolerance, beside the memory of a gradient against the number of steps.

    **Arguments:** `found`, an `infinite_depth.experiments.Adjoints`.
    """
    figure, ((left, right),) = new_figure(1, 2, width=11.6, height=5.2)
    names = dict.fromkeys([*found.memory, *found.errors])
    looks = dict(zip(names, _LOOKS, strict=False))  # a method looks the same on both sides
    for name, errors in found.errors.items():
        color, marker = looks[name]
        left.plot(found.tolerances, errors, marker + "-", color=COLORS[color], label=name)
    ends = np.array([found.tolerances.min(), found.tolerances.max()])
    left.plot(ends, ends, "--", color=COLORS["faint"], linewidth=1.3, label="the tolerance, for comparison")
    left.set(xscale="log", yscale="log", xlabel="tolerance of the solver", ylabel="error of the gradient, relative")
    title(left, "Errors of gradients")
    for name, sizes in found.memory.items():
        color, marker = looks[name]
        right.plot(found.steps, sizes / found.state, marker + "-", color=COLORS[color], label=name)
    right.set(xscale="log", yscale="log", xlabel="steps, or blocks", ylabel="memory, in states of all examples")
    _at(right, found.steps)
    title(right, "Memory of a gradient")
    for axis in (left, right):
        legend(axis, **_BELOW | {"ncols": 2})
    return figure


def flow(found: Any) -> Figure:
    """Points held out, the density and samples of a trained flow, and the loss while it was trained.

    **Arguments:** `found`, an `infinite_depth.experiments.Flow`.
    """
    figure, axes = new_figure(1, 4, width=15.6, height=4.3)
    data, density, samples, course = axes[0]
    reach = found.axis[-1] + (found.axis[1] - found.axis[0]) / 2
    for axis, points, name in (
        (data, found.held_out, "Points held out"),
        (samples, found.samples, "Samples of the flow"),
    ):
        axis.plot(*points.T, ".", color=COLORS["blue"], alpha=0.35, markersize=3, markeredgewidth=0)
        title(axis, name)
    image = density.imshow(found.density, origin="lower", extent=(-reach, reach, -reach, reach), cmap="magma_r")
    density.grid(visible=False)
    title(density, "Density of the flow")
    figure.colorbar(image, ax=density, shrink=0.75)
    for axis in (data, density, samples):
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="first coordinate")
    data.set_ylabel("second coordinate")
    course.plot(
        np.arange(1, len(found.losses) + 1), found.losses, color=COLORS["blue"], alpha=0.6, linewidth=1, label="batches"
    )
    for values, name, color in (
        (found.gaussian, "normal law, held out", "faint"),
        (found.flow, "flow, held out", "theory"),
    ):
        label = f"{name}: {-values.mean():.3f}".replace("-", "\u2212")
        course.axhline(-values.mean(), color=COLORS[color], linestyle="--", label=label)
    course.set(xlabel="step of training", ylabel="mean of \u2212log density, nats")
    title(course, "Training")
    legend(course, loc="upper right")
    return figure


def _line(axis: Axes, depths: np.ndarray, values: np.ndarray, rate: Any, name: str, look: tuple[str, str]) -> None:
    """Root mean squares over draws, and the power law through them."""
    color, marker = look
    label = f"{name}: slope {rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}]".replace("-", "\u2212")
    axis.fill_between(depths, *rate.band, color=COLORS[color], alpha=0.18, linewidth=0)
    axis.plot(depths, np.exp(rate.intercept) * depths.astype(float) ** rate.slope, color=COLORS[color], linewidth=1.3)
    axis.plot(depths, rate.errors, marker, color=COLORS[color], markersize=6, label=label)
    axis.plot(np.repeat(depths, values.shape[1]), values.ravel(), ".", color=COLORS[color], alpha=0.3, ms=3, mew=0)


def _at(axis: Axes, numbers: np.ndarray) -> None:
    """Ticks at these numbers only."""
    axis.xaxis.set_major_locator(FixedLocator(list(numbers)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    axis.xaxis.set_minor_locator(NullLocator())
