"""A function, the network that approximates it, and what lies between them."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnlimits.approximation import Approximation, Box
from nnlimits.plots.style import COLORS, legend, new_figure, title

_POINTS = 1201
"""Along a curve."""

_CELLS = 161
"""Along an axis of a map."""

_BAR = 0.8
"""The height of a bar of colours; maps with equal axes do not fill theirs."""


def approximation(found: Approximation, name: str = "f") -> Figure:
    """Curves of one variable, maps of two; of more a line through the box, and how errors are distributed.

    **Arguments:** `found`, of one output (of several the first is shown); `name`, of the function.
    """
    dimension = found.target.domain.dimension
    if dimension == 1:
        return _curves(found, name)
    return _maps(found, name) if dimension == 2 else _slice(found, name)


def _values(
    found: Approximation, points: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    return found.target(points)[:, 0], np.asarray(found(points), np.float64)[:, 0]


def _curves(found: Approximation, name: str) -> Figure:
    figure, axes = new_figure(2, 1, width=8.4, height=6.6, sharex=True, height_ratios=[3, 2])
    above, below = axes[:, 0]
    x = found.target.domain.grid(_POINTS)
    wanted, got = _values(found, x)
    _draw_both(above, x[:, 0], wanted, got, name)
    title(above, f"{name}: {_size_text(found)}")
    _draw_difference(below, x[:, 0], got - wanted, found)
    below.set(xlabel="x", ylabel="network \u2212 f")
    return figure


def _draw_both(axis: Axes, x: np.ndarray, wanted: np.ndarray, got: np.ndarray, name: str) -> None:
    axis.plot(x, wanted, color=COLORS["theory"], linewidth=2.6, label=name)
    axis.plot(x, got, color=COLORS["orange"], linewidth=1.3, label="network")
    axis.set_ylabel("value")
    low, high = min(wanted.min(), got.min()), max(wanted.max(), got.max())
    axis.set_ylim(low - 0.06 * (high - low), high + 0.2 * (high - low) + 1e-12)
    legend(axis, loc="upper right", ncols=2)


def _draw_difference(axis: Axes, x: np.ndarray, difference: np.ndarray, found: Approximation) -> None:
    """With the bound in the sup norm, where there is one; means have no line of their own, so the figure says them."""
    largest = max(float(np.abs(difference).max()), found.error.sup, 1e-300)
    axis.plot(x, difference, color=COLORS["blue"], linewidth=1.1)
    axis.axhline(0, color=COLORS["faint"], linewidth=0.8)
    bound, text = found.certificate.bound, ", ".join(_error_texts(found))
    if found.certificate.norm == "sup" and bound < 20 * largest:
        for side in (-bound, bound):
            axis.axhline(side, color=COLORS["theory"], linestyle="--", linewidth=1.2)
        largest, text = max(largest, bound), f"{text} (dashed)"
    axis.set_ylim(-1.15 * largest, 1.6 * largest)
    axis.text(0.995, 0.98, text, transform=axis.transAxes, ha="right", va="top", fontsize=9.5)


def _error_texts(found: Approximation) -> tuple[str, str]:
    """What was measured in the certificate's norm, and what is certified."""
    norm = {"sup": "sup", "L2": "$L^2$", "Lp": f"$L^{{{found.certificate.p or 0:g}}}$"}[found.certificate.norm]
    return f"{norm} error: {found.measured:.3g} measured", f"{found.certificate.bound:.3g} certified"


def _size_text(found: Approximation) -> str:
    from nnlimits.approximation.size import size

    counts = size(found)
    layers = "1 hidden layer" if counts.depth == 1 else f"{counts.depth:,} hidden layers"
    return f"{layers}, width {counts.width:,}"


def _maps(found: Approximation, name: str) -> Figure:
    figure, axes = new_figure(1, 3, width=15.0, height=4.6)
    box: Box = found.target.domain
    points = box.grid(_CELLS)
    wanted, got = (values.reshape(_CELLS, _CELLS).T for values in _values(found, points))
    extent = (box.lower[0], box.upper[0], box.lower[1], box.upper[1])
    low, high = float(min(wanted.min(), got.min())), float(max(wanted.max(), got.max()))
    aspect = "equal" if box.sides.max() < 3 * box.sides.min() else "auto"
    shared = {"origin": "lower", "extent": extent, "aspect": aspect, "interpolation": "nearest"}
    heads = name, f"network:\n{_size_text(found)}"
    for axis, values, head in zip(axes[0], (wanted, got), heads, strict=False):
        image = axis.imshow(values, vmin=low, vmax=high, cmap="viridis", **shared)
        title(axis, head)
    figure.colorbar(image, ax=axes[0, :2], label="value", pad=0.015, shrink=_BAR)
    difference = got - wanted
    largest = float(np.abs(difference).max()) or 1e-300
    image = axes[0, 2].imshow(difference, vmin=-largest, vmax=largest, cmap="RdBu_r", **shared)
    figure.colorbar(image, ax=axes[0, 2], label="network \u2212 f", pad=0.015, shrink=_BAR)
    axes[0, 2].set_title("\n".join(_error_texts(found)), loc="left", fontsize=10)
    for axis in axes[0]:
        axis.set(xlabel="$x_0$", ylabel="$x_1$")
        axis.grid(False)
    return figure


def _slice(found: Approximation, name: str) -> Figure:
    figure, axes = new_figure(1, 2, width=12.6, height=4.8)
    line, share = axes[0]
    box = found.target.domain
    position = np.linspace(-1, 1, _POINTS)
    wanted, got = _values(found, box.centre + position[:, None] * box.sides / 2)
    _draw_both(line, position, wanted, got, name)
    line.set_xlabel("position on the diagonal from lower to upper corner")
    title(line, f"{name}, {box.dimension} inputs: {_size_text(found)}")
    errors = np.sort(found.error.differences)[::-1]
    positive = errors > 0
    shares = np.arange(1, len(errors) + 1) / len(errors)
    share.plot(errors[positive], shares[positive], color=COLORS["blue"])
    share.axvline(found.measured, color=COLORS["orange"], linewidth=1.3, label=f"measured, {_norm_text(found)}")
    share.axvline(
        found.certificate.bound, color=COLORS["theory"], linestyle="--", linewidth=1.3, label="its certificate"
    )
    share.set(xscale="log", yscale="log", xlabel="absolute error", ylabel="share of points with a larger one")
    share.set_xlim(left=max(float(np.quantile(errors, 0.02)), 1e-4 * errors[0], 1e-300))
    legend(share, loc="center left")
    title(share, f"Errors at {found.error.points:,} points")
    return figure


def _norm_text(found: Approximation) -> str:
    return {"sup": "largest", "L2": "root mean square", "Lp": f"$L^{{{found.certificate.p or 0:g}}}$ norm"}[
        found.certificate.norm
    ]
