"""Sharpness that rises to the edge of stability, and the loss that falls all the same."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title

_LOOKS = ["blue", "orange", "green", "purple", "sky", "yellow"]


class Sharpening(NamedTuple):
    """One run of gradient descent."""

    learning_rate: float
    losses: Float[np.ndarray, " steps"]
    """At every step, from 0."""
    steps: Int[np.ndarray, " records"]
    """At which sharpness was found."""
    sharpness: Float[np.ndarray, " records"]
    """The largest eigenvalue of the loss's Hessian."""


def edge_of_stability(runs: Sequence[Sharpening], *, loss: str = "training loss") -> Figure:
    """Loss and sharpness against steps, one colour a learning rate, with a dashed line at `2 / learning rate`.

    **Arguments:** `runs`, at most six; `loss`, what the losses are.
    """
    figure, axes = new_figure(1, 2, width=10.4, height=4.3)
    for run, name in zip(runs, _LOOKS, strict=False):
        color = COLORS[name]
        axes[0, 0].plot(run.losses, color=color, linewidth=1.1, label=f"learning rate {run.learning_rate:.3g}")
        axes[0, 1].plot(run.steps, run.sharpness, color=color, linewidth=1.3, label=f"{run.learning_rate:.3g}")
        axes[0, 1].axhline(2 / run.learning_rate, color=color, linestyle="--", linewidth=1.2)
    axes[0, 1].plot([], [], "--", color=COLORS["faint"], linewidth=1.2, label="2 / learning rate")
    axes[0, 0].set(yscale="log", xlabel="steps of gradient descent", ylabel=loss)
    plain_logarithmic(axes[0, 0].yaxis)
    axes[0, 1].set(xlabel="steps of gradient descent", ylabel="largest eigenvalue of the Hessian")
    top = max(max(float(np.nanquantile(run.sharpness, 0.98)), 2 / run.learning_rate) for run in runs)
    axes[0, 1].set_ylim(0, 1.12 * top)
    title(axes[0, 0], "The loss falls, if not steadily")
    title(axes[0, 1], "Sharpness rises to 2 / learning rate and stays")
    legend(axes[0, 0], loc="upper right")
    legend(axes[0, 1], loc="lower right", title="learning rate", ncols=2)
    return figure
