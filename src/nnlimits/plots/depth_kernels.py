"""Errors of kernels by depth, and of simulated networks by width, against the limits of both."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from nnlimits.infinite_depth.experiments import DepthKernels
from nnlimits.plots.style import COLORS, legend, new_figure, title
from nnlimits.rates import FittedRate

_LOOKS = (("blue", "o"), ("orange", "s"), ("green", "^"))
_KERNELS = {"NNGP": ("--", "none"), "NTK": ("-", "full")}


def depth_kernels(found: DepthKernels) -> Figure:
    """Errors of finite depth, and mean offsets and deviations of simulated networks, with their fitted power laws."""
    figure, ((depth, scatter, bias),) = new_figure(1, 3, width=16.0, height=6.6)
    names = list(dict.fromkeys(name.rpartition(", ")[0] for name in found.errors))
    _draw(depth, found.depths, {(n, k): found.rate(f"{n}, {k}") for n in names for k in _KERNELS}, -1.0, "depth L")
    depth.set_ylabel("relative error, Frobenius norm")
    title(depth, "Kernels of finite depth, infinite width")
    widths = next(iter(found.sampled.values())).widths
    scatters = {(n, k): one.scatter(k) for n, one in found.sampled.items() for k in _KERNELS}
    _draw(scatter, widths, scatters, -0.5, "width")
    scatter.set_ylabel("relative deviation, root mean square over draws")
    title(scatter, "Simulated: kernels of single networks")
    biases = {(n, k): one.bias(k) for n, one in found.sampled.items() for k in _KERNELS}
    _draw(bias, widths, biases, -1.0, "width")
    for number, one in enumerate(found.sampled.values()):
        for values in one.offsets.values():
            error = values.std(1, ddof=1) / np.sqrt(values.shape[1])
            color, _ = _LOOKS[number % len(_LOOKS)]
            bias.errorbar(widths, np.abs(values.mean(1)), error, fmt="none", ecolor=COLORS[color], alpha=0.6, capsize=2)
    bias.set_ylabel("relative offset of the mean over draws, and its standard error")
    title(bias, "Simulated: means")
    return figure


def _draw(
    axis: Axes, scales: np.ndarray, rates: dict[tuple[str, str], FittedRate], promised: float, label: str
) -> None:
    scales = np.asarray(scales, float)
    names = list(dict.fromkeys(name for name, _ in rates))
    for (name, kernel), rate in rates.items():
        color, marker = _LOOKS[names.index(name) % len(_LOOKS)]
        style, fill = _KERNELS[kernel]
        shown = f"{name}, {kernel}: hidden by noise"
        if np.isfinite(rate.slope):
            shown = f"{name}, {kernel}: slope {rate.slope:.2f} [{rate.low:.2f}, {rate.high:.2f}]"
            axis.fill_between(scales, *rate.band, color=COLORS[color], alpha=0.12, linewidth=0)
            axis.plot(scales, np.exp(rate.intercept) * scales**rate.slope, style, color=COLORS[color], linewidth=1.3)
        axis.plot(
            scales,
            rate.errors,
            marker,
            color=COLORS[color],
            fillstyle=fill,
            markersize=7 if fill == "none" else 5,
            label=shown.replace("-", "\u2212"),
        )
    resolved = [rate for rate in rates.values() if np.isfinite(rate.slope)] or list(rates.values())
    lowest = min(float((rate.errors * scales**-promised).min()) for rate in resolved)
    promise = f"slope {promised:g}, promised".replace("-", "\u2212")
    axis.plot(scales, 0.6 * lowest * scales**promised, ":", color=COLORS["theory"], label=promise)
    axis.set(xscale="log", yscale="log", xlabel=label)
    axis.xaxis.set_major_locator(FixedLocator(list(scales)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_minor_locator(NullLocator())
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.12))
