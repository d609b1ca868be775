"""Learning curves: predicted from spectra, against measured ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title
from nnlimits.rkhs.experiments import DataCurve, SphereCurve

_LOOKS = (("blue", "o"), ("orange", "s"), ("green", "^"), ("purple", "D"), ("sky", "v"), ("yellow", "P"))
_CLAIM = 0.1
_NARROW, _WIDE = 3, 1e4


def sphere_learning_curves(curves: Mapping[str, SphereCurve], text: str) -> Figure:
    """Test errors on a sphere, and predictions over measurements, of some networks or targets by name.

    **Arguments:** `curves`, one or more with the same sizes; `text`, what they are, for the title.
    """
    figure, ((errors, ratios),) = new_figure(1, 2, width=12.4, height=5.6)
    for (name, found), (color, marker) in zip(curves.items(), _LOOKS, strict=False):
        sizes = found.measured.sizes
        errors.plot(sizes, found.predicted.test, "-", color=COLORS[color])
        _measured(errors, found, color, marker, name)
        _ratios(ratios, found, color, marker, name)
    first = next(iter(curves.values()))
    if first.noise > 0:
        errors.axhline(first.noise, color=COLORS["faint"], linestyle=":", linewidth=1.2, label="noise")
    _sizes(errors, first.measured.sizes, "mean squared test error")
    title(errors, text)
    legend(errors, loc="best", title="marks: measured; lines: predicted")
    _ratio_axis(ratios, first.measured.sizes)
    return figure


def data_learning_curves(curves: Mapping[str, DataCurve], text: str) -> Figure:
    """Test errors on data, and predictions over measurements, of some networks by name; arguments as `sphere_learning_curves`."""
    figure, ((errors, ratios),) = new_figure(1, 2, width=12.4, height=5.6)
    for (name, found), (color, marker) in zip(curves.items(), _LOOKS, strict=False):
        sizes = found.measured.sizes
        errors.plot(sizes, found.predicted.test, "-", color=COLORS[color])
        errors.plot(sizes, found.plug_in.test, "--", color=COLORS[color], linewidth=1.1)
        _measured(errors, found, color, marker, name)
        _ratios(ratios, found, color, marker, name)
        plug_in = found.plug_in.test / found.measured.mean
        ratios.plot(
            sizes, plug_in, "--", marker=marker, fillstyle="none", color=COLORS[color], markersize=5, linewidth=1.1
        )
    first = next(iter(curves.values()))
    errors.axhline(first.variance, color=COLORS["faint"], linestyle=":", linewidth=1.2, label="predicting zero")
    _sizes(errors, first.measured.sizes, "mean squared test error, summed over outputs")
    title(errors, text)
    legend(
        errors,
        loc="lower left",
        title="marks: measured\nlines: predicted from the sample\ndashed: sample taken for the distribution",
    )
    _ratio_axis(ratios, first.measured.sizes)
    return figure


def _measured(axis: Axes, found: Any, color: str, marker: str, name: str) -> None:
    measured = found.measured
    axis.errorbar(
        measured.sizes,
        measured.mean,
        measured.standard_error,
        fmt=marker,
        color=COLORS[color],
        markersize=5,
        capsize=2,
        label=name,
    )


def _ratios(axis: Axes, found: Any, color: str, marker: str, name: str) -> None:
    axis.errorbar(
        found.measured.sizes,
        found.ratios,
        found.ratios * found.measured.relative_errors,
        color=COLORS[color],
        marker=marker,
        markersize=5,
        linewidth=1.1,
        capsize=2,
        label=name,
    )


def _ratio_axis(axis: Axes, sizes: np.ndarray) -> None:
    axis.axhspan(1 - _CLAIM, 1 + _CLAIM, color=COLORS["faint"], alpha=0.15, linewidth=0, label="within 10 %")
    axis.axhline(1, color=COLORS["theory"], linewidth=1)
    _sizes(axis, sizes, "predicted over measured")
    axis.set_yscale("linear")
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, 0.75), max(high, 1.25))
    title(axis, "How far predictions are off")
    legend(axis, loc="best")


def _sizes(axis: Axes, sizes: np.ndarray, label: str) -> None:
    axis.set(xscale="log", yscale="log", xlabel="training examples n", ylabel=label)
    axis.xaxis.set_major_locator(FixedLocator(list(sizes)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_minor_locator(NullLocator())
    low, high = axis.get_ylim()
    if high < _NARROW * low:  # a logarithmic axis would have one tick, or none
        axis.set_yscale("linear")
    elif high < _WIDE * low:
        plain_logarithmic(axis.yaxis)
