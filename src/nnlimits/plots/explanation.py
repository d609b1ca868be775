"""One figure about a network: its kernels by angle and, with data, its spectrum and the pace of training."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from nnlimits.plots.style import COLORS, legend, new_figure, title

Curve = Float[np.ndarray, "_"]
_LOOKS = [("blue", "-"), ("orange", "--"), ("green", "-."), ("purple", ":")]


def explanation(
    degrees: Curve,
    nngp: Curve,
    ntk: Curve,
    *,
    eigenvalues: Mapping[str, Curve] | None = None,
    half_life: Curve | None = None,
) -> Figure:
    """Kernels against the angle between two inputs; then eigenvalues, and the steps that halve the error, if they are given.

    **Arguments:** `degrees`, ascending from 0, and both kernels there; `eigenvalues`, descending, by kernel; `half_life`, in
    steps of gradient descent, for the eigen-directions in order.
    """
    panels = 1 + (eigenvalues is not None) + (half_life is not None)
    figure, axes = new_figure(1, panels, width=4.6 * panels + (1.4 if panels == 1 else 0), height=4.2)
    draw_kernels(axes[0, 0], degrees, {"NNGP": nngp, "NTK": ntk})
    if eigenvalues is not None:
        draw_spectrum(axes[0, 1], eigenvalues)
    if half_life is not None:
        draw_pace(axes[0, -1], half_life)
    return figure


def draw_kernels(axis: Axes, degrees: Curve, kernels: Mapping[str, Curve]) -> None:
    """Kernels relative to their values at angle zero."""
    for (name, values), (color, line) in zip(kernels.items(), _LOOKS, strict=False):
        axis.plot(degrees, values / values[0], line, color=COLORS[color], label=name)
    axis.set(xlabel="angle between two inputs, in degrees", ylabel="kernel, relative to equal inputs", xlim=(0, 180))
    axis.xaxis.set_major_locator(MultipleLocator(30))
    axis.axhline(0, color=COLORS["faint"], linewidth=0.8)
    title(axis, "How alike the network finds inputs")
    legend(axis)


def draw_spectrum(axis: Axes, eigenvalues: Mapping[str, Curve]) -> None:
    """Eigenvalues in descending order."""
    for (name, values), (color, line) in zip(eigenvalues.items(), _LOOKS, strict=False):
        axis.plot(np.arange(1, len(values) + 1), values, line, color=COLORS[color], label=name)
    axis.set(xscale="log", yscale="log", xlabel="eigen-direction, from the largest", ylabel="eigenvalue")
    title(axis, "Spectrum on the data")
    legend(axis)


def draw_pace(axis: Axes, half_life: Curve) -> None:
    """Steps that halve the error along each eigen-direction."""
    axis.plot(np.arange(1, len(half_life) + 1), half_life, color=COLORS["green"])
    axis.set(xscale="log", yscale="log", xlabel="eigen-direction, from the largest", ylabel="steps of gradient descent")
    title(axis, "Steps that halve the error")
