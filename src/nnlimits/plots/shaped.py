"""Output correlations and variances of shaped networks, against the diffusion of their covariance."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from scipy.stats import gaussian_kde

from nnlimits.infinite_depth.experiments.shaped import Distance, ShapedNetworks
from nnlimits.plots.style import COLORS, legend, new_figure, title

_LOOKS = ("blue", "orange", "green", "purple", "sky", "yellow")
_BINS = 40


def shaped(found: ShapedNetworks) -> Figure:
    """Densities of the output correlation, and of the logarithm of an output variance, and distances by the width."""
    figure, axes = new_figure(1, 3, width=16.0, height=5.6)
    correlation, variance, distance = axes[0]
    for case, color in zip(found.cases, _LOOKS, strict=False):
        # by Fisher's z, in which the density has no ends
        networks, diffusion = (sample.correlations[:, 0, 1] for sample in (case.networks, case.diffusion))
        label = f"inputs {case.correlation:g}".replace("-", "\u2212")
        _histogram(correlation, networks, np.linspace(-1, 1, 2 * _BINS + 1), color, label)
        grid = np.tanh(np.linspace(-3.2, 3.2, 400))
        inside = np.clip(diffusion, -1 + 1e-12, 1 - 1e-12)
        density = gaussian_kde(np.arctanh(inside))(np.arctanh(grid)) / (1 - grid**2)
        correlation.plot(grid, density, color=COLORS[color])
    first = found.cases[0]
    unshaped = first.unshaped.correlations[:, 0, 1]
    counts, edges = np.histogram(unshaped, np.linspace(-1, 1, 2 * _BINS + 1), density=True)
    top = max(line.get_ydata().max() for line in correlation.get_lines())  # pyright: ignore
    correlation.stairs(counts, edges, color=COLORS["theory"], linestyle=":", label="plain ReLU, cut off")
    correlation.set(xlabel="correlation of the outputs", ylabel="density", xlim=(-1, 1), ylim=(0, 1.15 * top))
    title(correlation, f"Correlation: width {first.width:,}, depth {first.depth:,}")
    legend(correlation, loc="upper left", title="histograms: networks; lines: diffusion")
    for sample, name, color in ((first.networks, "shaped ReLU", "blue"), (first.unshaped, "plain ReLU", "theory")):
        logarithms = np.log(np.maximum(sample.covariances[:, 0, 0], 1e-300))
        _histogram(variance, logarithms, np.linspace(*np.quantile(logarithms, [0.001, 0.999]), _BINS), color, name)
    ratio = first.depth / first.width
    grid = np.linspace(-ratio - 4.5 * np.sqrt(2 * ratio), -ratio + 4.5 * np.sqrt(2 * ratio), 300)
    density = np.exp(-((grid + ratio) ** 2) / (4 * ratio)) / np.sqrt(4 * np.pi * ratio)
    variance.plot(grid, density, color=COLORS["blue"], label="diffusion: normal")
    variance.set(xlabel="logarithm of an output variance", ylabel="density")
    title(variance, "Variance")
    legend(variance, loc="upper left")
    _distances(distance, found.widths, found.distances)
    return figure


def _histogram(axis: Axes, values: np.ndarray, edges: np.ndarray, color: str, label: str) -> None:
    counts, edges = np.histogram(values, edges, density=True)
    axis.stairs(counts, edges, color=COLORS[color], fill=True, alpha=0.28, label=label)


def _distances(axis: Axes, widths: np.ndarray, distances: tuple[Distance, ...]) -> None:
    axis.plot(widths, [one.value for one in distances], "o-", color=COLORS["blue"], label="networks to diffusion")
    axis.plot(widths, [one.noise for one in distances], "--", color=COLORS["faint"], label="sampling noise, no distance")
    axis.set(xscale="log", yscale="log", xlabel="width, at the same ratio of depth", ylabel="Kolmogorov distance")
    axis.xaxis.set_major_locator(FixedLocator(list(widths)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(lambda value, _: f"{value:.2g}")
    title(axis, "Correlation: distance from the limit")
    legend(axis, loc="best")
