"""What an approximation of a kernel costs, and what it loses."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator

from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title

_LOOKS = {"random": ("orange", "s", "random features", (5, 5)), "Nystrom": ("blue", "o", "Nyström", (-5, -13))}
"""Colour, marker, name, and where the number of features stands, in points from the marker."""

_HALO = withStroke(linewidth=2.5, foreground="white")
_MOST_LABELLED = 1000
"""A range of seconds with more room between its ends than this has a label at powers of ten only."""

Measurement = tuple[str, str, int, float, float]
"""A kernel's name, "exact", "random" or "Nystrom", the number of features, seconds, and the error on test rows."""


def feature_costs(measurements: Sequence[Measurement], name: str) -> Figure:
    """Test errors against seconds: the exact kernel as a line and a mark, random features and Nystrom in growing numbers.

    **Arguments:** `measurements`, with one "exact" for each kernel; `name`, that of the data.
    """
    kernels = list(dict.fromkeys(kernel for kernel, *_ in measurements))
    figure, axes = new_figure(1, len(kernels), width=5.2 * len(kernels), height=4.2)
    for axis, kernel in zip(axes[0], kernels, strict=True):
        mine = [row for row in measurements if row[0] == kernel]
        (exact,) = [row for row in mine if row[1] == "exact"]
        axis.axhline(exact[4], color=COLORS["theory"], linewidth=1.1, linestyle="--")
        axis.plot(exact[3], exact[4], "*", color=COLORS["theory"], markersize=13, label=f"exact, {exact[2]:,} rows")
        for method, (color, marker, label, place) in _LOOKS.items():
            rows = [row for row in mine if row[1] == method]
            if not rows:
                continue
            axis.plot([r[3] for r in rows], [r[4] for r in rows], marker + "-", color=COLORS[color], label=label)
            for row in rows:
                side = "left" if place[0] > 0 else "right"
                style = {"fontsize": 8.5, "color": COLORS[color], "ha": side, "path_effects": [_HALO], "zorder": 4}
                axis.annotate(f"{row[2]:,}", (row[3], row[4]), place, textcoords="offset points", **style)
        axis.set(xscale="log", xlabel="seconds to learn and predict", ylabel="test RMSE (targets of unit variance)")
        axis.margins(x=0.12, y=0.1)
        plain_logarithmic(axis.xaxis)
        low, high = axis.get_xlim()
        if high > _MOST_LABELLED * low:
            axis.xaxis.set_major_locator(LogLocator())
        title(axis, f"{name}: {kernel}")
        legend(axis)
    return figure
