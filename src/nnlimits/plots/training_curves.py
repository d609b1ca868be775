"""Finite networks through training, against the infinite ensemble."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, sequence, title


class Curves(NamedTuple):
    """Averages over an ensemble, at each recorded step."""

    loss: Float[np.ndarray, " steps"]
    """The training loss."""
    spread: Float[np.ndarray, " steps"]
    """The standard deviation over networks of the outputs on test inputs, averaged over inputs."""


class Followed(NamedTuple):
    """One output at one test input, through training."""

    title: str
    mean: Float[np.ndarray, " steps"]
    std: Float[np.ndarray, " steps"]
    networks: Float[np.ndarray, "seeds steps"]
    """The same output of finite networks."""
    target: float


def training_curves(
    steps: Sequence[int], theory: Curves, widths: Sequence[int], finite: Sequence[Curves], followed: Followed
) -> Figure:
    """Training loss, one output, and the spread of the ensemble, against steps of gradient descent."""
    figure, axes = new_figure(1, 3, width=13.6, height=4.5)
    colors = sequence(len(widths))
    shown = np.asarray(steps) + 1
    for axis, field in ((axes[0, 0], "loss"), (axes[0, 2], "spread")):
        for width, color, curves in zip(widths, colors, finite, strict=True):
            axis.plot(shown, getattr(curves, field), color=color, label=f"width {width}")
        axis.plot(shown, getattr(theory, field), "--", color=COLORS["theory"], label="infinite width (theory)")
        _label(axis, steps)
    axes[0, 0].set(yscale="log", ylabel="training loss, mean over networks")
    plain_logarithmic(axes[0, 0].yaxis)
    title(axes[0, 0], "Loss on the training images")
    axes[0, 2].set(ylabel="standard deviation of the outputs", ylim=(0, None))
    title(axes[0, 2], "Spread of the ensemble on test images")
    legend(axes[0, 2], loc="upper right", ncols=1)
    _draw_followed(axes[0, 1], steps, followed, widths[-1], colors[-1])
    return figure


def _draw_followed(axis: Axes, steps: Sequence[int], followed: Followed, width: int, color: Any) -> None:
    shown = np.asarray(steps) + 1
    for low, high, alpha in ((-2, 2, 0.12), (-1, 1, 0.16)):
        axis.fill_between(
            shown,
            followed.mean + low * followed.std,
            followed.mean + high * followed.std,
            color=COLORS["theory"],
            alpha=alpha,
            linewidth=0,
        )
    for i, outputs in enumerate(followed.networks):
        label = f"networks of width {width}" if i == 0 else None
        axis.plot(shown, outputs, color=color, linewidth=0.9, alpha=0.75, label=label)
    axis.plot(shown, followed.mean, "--", color=COLORS["theory"], label="theory: mean, and 1 and 2 deviations")
    axis.axhline(followed.target, color=COLORS["orange"], linewidth=1.3, linestyle=":", label="target of its class")
    _label(axis, steps)
    axis.set(ylabel="output")
    title(axis, followed.title)
    legend(axis, loc="best")


def _label(axis: Axes, steps: Sequence[int]) -> None:
    """Steps on a logarithmic axis that begins at step 0: they stand at the logarithm of one more."""
    axis.set(xscale="log", xlabel="steps of gradient descent")
    axis.xaxis.set_major_locator(FixedLocator([step + 1 for step in steps]))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value - 1:g}")
    axis.xaxis.set_minor_locator(NullLocator())
