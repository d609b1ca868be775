"""Confidence against accuracy."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnlimits.plots.style import COLORS, new_figure
from nnlimits.report import Reliability

COLUMNS = 3
FEWEST = 5
"""Predictions that a bin needs to be drawn: the accuracy of fewer is chance."""


def calibration(reliabilities: Mapping[str, Reliability]) -> Figure:
    """One reliability diagram for each classifier, in the order given: dots on the diagonal are honest probabilities.

    The area of a dot is the number of predictions in its bin; bins of less than `FEWEST` are left out.
    """
    rows = -(-len(reliabilities) // COLUMNS)
    columns = min(COLUMNS, len(reliabilities))
    figure, axes = new_figure(
        rows, columns, width=3.2 * columns + 0.4, height=3.3 * rows + 0.4, sharex=True, sharey=True
    )
    for axis, (name, binned) in zip(axes.ravel(), reliabilities.items(), strict=False):
        _draw(axis, name, binned)
    for axis in axes.ravel()[len(reliabilities) :]:
        axis.set_axis_off()
    figure.supxlabel("confidence: probability given to the predicted class", fontsize=10.5)
    figure.supylabel("accuracy", fontsize=10.5)
    return figure


def _draw(axis: Axes, name: str, binned: Reliability) -> None:
    total = binned.count.sum()
    error = np.nansum(binned.count * abs(binned.confidence - binned.accuracy)) / total
    axis.plot([0, 1], [0, 1], "--", color=COLORS["faint"], linewidth=1.2)
    drawn = binned.count >= FEWEST
    confidence, accuracy, count = binned.confidence[drawn], binned.accuracy[drawn], binned.count[drawn]
    axis.vlines(confidence, confidence, accuracy, color=COLORS["orange"], linewidth=1.4)
    axis.scatter(
        confidence, accuracy, s=18 + 300 * count / total, color=COLORS["blue"], alpha=0.85, linewidths=0, zorder=3
    )
    axis.set(xlim=(0, 1.05), ylim=(0, 1.05), aspect="equal")
    axis.set_title(name, fontsize=10, loc="left", fontweight="bold")
    axis.text(1.01, 0.04, f"calibration error {error:.3f}", ha="right", va="bottom", fontsize=9.5)
