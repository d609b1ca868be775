"""How errors of deep ReLU networks fall with their depth and their size."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.polynomial import polynomial as powers

from nnlimits.approximation.experiments import ReluExperiment
from nnlimits.approximation.relu_calculus import (
    polynomial,
    polynomial_error,
    product,
    product_error,
    square,
    square_error,
)
from nnlimits.plots.style import COLORS, legend, new_figure, title

_COLORS = ("blue", "orange", "green", "purple", "sky")
_MARKERS = ("o", "s", "^", "D", "v")
_QUARTIC = (1.0, -2.0, 0.5, 3.0, -1.0)


def relu_networks(found: ReluExperiment) -> Figure:
    """Three panels: squares, products and polynomials by depth; Yarotsky's networks by cells; the same by weights."""
    figure, axes = new_figure(1, 3, width=15.5, height=6.4)
    by_depth, by_cells, by_weights = axes.ravel()
    _by_depth(by_depth)
    _by_cells(by_cells, found)
    _by_weights(by_weights, found)
    for axis in axes.ravel():
        axis.set(yscale="log", ylabel="largest error")
        legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    return figure


def _by_depth(axis: Axes) -> None:
    levels = np.arange(1, 13)
    x, t = np.arange(2**13 + 1)[:, None] / 2**13, np.linspace(-1, 1, 3 * 2**13)[:, None]
    # for each level, products err most where y is half a knot away from zero
    xy = np.concatenate([np.hstack([x, np.full_like(x, 0.5**n)]) for n in range(2, 14)])
    errors = {
        "x²": [np.abs(square(n)(x) - x**2).max() for n in levels.tolist()],
        "x y": [np.abs(product(n)(xy)[:, 0] - xy.prod(axis=1)).max() for n in levels.tolist()],
        "a polynomial of degree 4": [
            np.abs(polynomial(_QUARTIC, n)(t)[:, 0] - powers.polyval(t[:, 0], _QUARTIC)).max() for n in levels.tolist()
        ],
    }
    bounds = {
        "x²": [square_error(n) for n in levels.tolist()],
        "x y": [product_error(n) for n in levels.tolist()],
        "a polynomial of degree 4": [polynomial_error(_QUARTIC, n) for n in levels.tolist()],
    }
    drawn = []
    for (name, values), color, marker in zip(errors.items(), _COLORS, _MARKERS, strict=False):
        size = 10 if name == "x y" else 5  # the first two have the same error
        face = "none" if name == "x y" else COLORS[color]
        axis.plot(levels, values, marker, color=COLORS[color], markersize=size, markerfacecolor=face, label=name)
        if bounds[name] not in drawn:
            label = None if drawn else "proved, $4^{-(L+1)}$ times a constant"
            axis.plot(levels, bounds[name], color=COLORS["theory"], linewidth=1, label=label, zorder=1)
            drawn.append(bounds[name])
    axis.set(xlabel="levels L, hidden layers for each product", xticks=levels)
    title(axis, "Squares and products by depth")


def _by_cells(axis: Axes, found: ReluExperiment) -> None:
    for rate, color, marker in zip(found.rates, _COLORS, _MARKERS, strict=False):
        cells = [row.approximation.certificate.constants["cells"] for row in rate.rows]
        errors = [row.approximation.error.sup for row in rate.rows]
        name = f"d = {rate.dimension}, n = {rate.order}: slope {rate.cells.slope:.2f}".replace("-", "\u2212")
        axis.plot(cells, errors, marker, color=COLORS[color], markersize=5.5, label=name)
        bounds = [row.approximation.certificate.bound for row in rate.rows]
        axis.plot(cells, bounds, color=COLORS[color], linewidth=1)
    axis.plot([], [], color=COLORS["faint"], linewidth=1, label="certificates")
    axis.set(xscale="log", xlabel="cells along each axis")
    title(axis, "Smooth functions by the grid")


def _by_weights(axis: Axes, found: ReluExperiment) -> None:
    for rate, color, marker in zip(found.rates, _COLORS, _MARKERS, strict=False):
        weights = np.array([row.size.nonzero for row in rate.rows], np.float64)
        errors = np.array([row.approximation.error.sup for row in rate.rows])
        promised = rate.order / rate.dimension
        name = f"slope {rate.weights.slope:.2f} of the finer half, promised {-promised:g} or less".replace(
            "-", "\u2212"
        )
        axis.plot(weights, errors, marker, color=COLORS[color], markersize=5.5, label=name)
        finer = weights[len(weights) // 2 :]
        axis.plot(finer, errors[-1] * (finer / finer[-1]) ** -promised, "--", color=COLORS[color], linewidth=1.2)
    axis.plot([], [], "--", color=COLORS["faint"], linewidth=1.2, label="promised slopes")
    axis.set(xscale="log", xlabel="weights that are not zero")
    title(axis, "The same by size")
