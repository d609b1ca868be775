"""Output correlations and variances of shaped networks, against the diffusion of their covariance."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from scipy.stats import gaussian_kde

from nnlimits.infinite_depth.covariance_sde import CovarianceSamples
from nnlimits.infinite_depth.experiments.shaped import Distance, ShapedNetworks
from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title

_LOOKS = ("blue", "orange", "green", "purple", "sky", "yellow")
_BINS = 40
_LOWEST, _HIGHEST = -2.0, 6.0
_TICKS = (-0.9, -0.5, 0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)


def shaped(found: ShapedNetworks) -> Figure:
    """Densities of the output correlation, and of the logarithm of an output variance, and distances by the width."""
    figure, axes = new_figure(1, 3, width=16.0, height=5.6)
    correlation, variance, distance = axes[0]
    first = found.cases[0]
    edges = np.linspace(_LOWEST, _HIGHEST, 2 * _BINS + 1)
    for case, color in zip(found.cases, _LOOKS, strict=False):
        label = f"inputs {case.correlation:g}".replace("-", "\u2212")
        _histogram(correlation, _fisher(case.networks), edges, color, label)
        grid = np.linspace(_LOWEST, _HIGHEST, 300)
        correlation.plot(grid, gaussian_kde(_fisher(case.diffusion))(grid), color=COLORS[color])
    counts, edges = np.histogram(_fisher(first.unshaped), edges, density=True)
    correlation.stairs(counts, edges, color=COLORS["theory"], label=f"plain ReLU, inputs {first.correlation:g}")
    correlation.set(xlabel="correlation of the outputs, by Fisher's z", ylabel="density in z", xlim=(_LOWEST, _HIGHEST))
    correlation.xaxis.set_major_locator(FixedLocator([float(np.arctanh(rho)) for rho in _TICKS]))
    correlation.xaxis.set_major_formatter(lambda z, _: f"{np.tanh(z):.4g}".replace("-", "\u2212"))
    correlation.set_ylim(top=1.45 * correlation.get_ylim()[1])
    title(correlation, f"Correlation: width {first.width:,}, depth {first.depth:,}")
    legend(correlation, loc="upper left", title="histograms: networks; curves: diffusion", ncols=2)
    for sample, name, color in ((first.networks, "shaped ReLU", "blue"), (first.unshaped, "plain ReLU", "theory")):
        logarithms = np.log(np.maximum(sample.covariances[:, 0, 0], 1e-300))
        low, high = np.quantile(logarithms, [0.001, 0.999])
        _histogram(variance, logarithms, np.linspace(low, high, _BINS), color, name)
    ratio = first.depth / first.width
    grid = np.linspace(-ratio - 4.5 * np.sqrt(2 * ratio), -ratio + 4.5 * np.sqrt(2 * ratio), 300)
    density = np.exp(-((grid + ratio) ** 2) / (4 * ratio)) / np.sqrt(4 * np.pi * ratio)
    variance.plot(grid, density, color=COLORS["blue"], label="diffusion: normal")
    variance.set_ylim(top=1.2 * variance.get_ylim()[1])
    variance.set(xlabel="logarithm of an output variance", ylabel="density")
    title(variance, "Variance")
    legend(variance, loc="upper left")
    _distances(distance, found.widths, found.distances)
    return figure


def _fisher(sample: CovarianceSamples) -> np.ndarray:
    """`artanh` of the correlations, in which their densities have no ends."""
    return np.arctanh(np.clip(sample.correlations[:, 0, 1], -1 + 1e-12, 1 - 1e-12))


def _histogram(axis: Axes, values: np.ndarray, edges: np.ndarray, color: str, label: str) -> None:
    counts, edges = np.histogram(values, edges, density=True)
    axis.stairs(counts, edges, color=COLORS[color], fill=True, alpha=0.28, label=label)


def _distances(axis: Axes, widths: np.ndarray, distances: tuple[Distance, ...]) -> None:
    axis.plot(widths, [one.value for one in distances], "o-", color=COLORS["blue"], label="networks to diffusion")
    axis.plot(
        widths, [one.noise for one in distances], "--", color=COLORS["faint"], label="sampling noise, no distance"
    )
    axis.set(xscale="log", yscale="log", xlabel="width, at the same ratio of depth", ylabel="Kolmogorov distance")
    axis.xaxis.set_major_locator(FixedLocator(list(widths)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_minor_locator(NullLocator())
    plain_logarithmic(axis.yaxis)
    axis.set_ylim(bottom=0.5 * min(one.noise for one in distances))
    title(axis, "Correlation: distance from the limit")
    legend(axis, loc="best")
