"""Mercer spectra of a network's kernels on a sphere, with the decay that theory promises."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title
from nnlimits.rkhs.experiments import SphereSpectra

_LOOKS = {"NTK": ("blue", "o"), "NNGP": ("orange", "s")}


def mercer_spectrum(found: SphereSpectra) -> Figure:
    """Eigenvalues by degree on logarithmic axes, and how much of the kernel each degree holds."""
    figure, ((decay, share),) = new_figure(1, 2, width=12.4, height=5.6)
    first = next(iter(found.spectra.values()))
    _draw_decay(decay, found)
    title(decay, f"Eigenvalues on the sphere in {first.dimension:,} dimensions")
    last = max(_last_seen(found), 4)
    for name, spectrum in found.spectra.items():
        color, marker = _LOOKS[name]
        shares = spectrum.eigenvalues * spectrum.multiplicities / spectrum.diagonal
        degrees = np.arange(len(shares))
        kept = (shares > 0) & (degrees <= last)
        label = f"{name}; beyond degree {len(shares) - 1}: {spectrum.tail / spectrum.diagonal:.2g}"
        share.plot(degrees[kept], shares[kept], marker, color=COLORS[color], markersize=5, label=label)
    share.set(yscale="log", xlabel="degree k", ylabel="share of the trace, N(d, k) \u03bc / k(x, x)")
    share.xaxis.set_major_locator(MaxNLocator(integer=True))
    share.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if share.get_ylim()[0] > 1e-2:  # else powers of ten alone
        plain_logarithmic(share.yaxis)
    title(share, "How much of the kernel each degree holds")
    legend(share, loc="best")
    return figure


def _draw_decay(axis: Axes, found: SphereSpectra) -> None:
    for name, spectrum in found.spectra.items():
        color, marker = _LOOKS[name]
        degrees = np.arange(len(spectrum.eigenvalues))
        kept = spectrum.resolved & (degrees > 0)
        if not kept.any():
            continue
        axis.plot(degrees[kept], spectrum.eigenvalues[kept], marker, color=COLORS[color], markersize=5, label=name)
        axis.plot(
            degrees[1:],
            spectrum.errors[1:],
            ":",
            color=COLORS[color],
            linewidth=1.1,
            label=f"{name}: bound of its error",
        )
        promise, decay = found.exponent(name), found.decays[name]
        if decay is not None and math.isfinite(promise):
            grid = np.arange(1, len(degrees))
            values = decay.eigenvalues(grid)
            seen = values > 0
            axis.plot(
                grid[seen],
                values[seen],
                "-",
                color=COLORS[color],
                linewidth=1.2,
                label=f"{name}: of its singularity, $k^{{-{promise:.10g}}}$",
            )
    seen = [value for s in found.spectra.values() for value in s.eigenvalues[1:] if value > 0]
    lowest = min((float(s.errors[1:].min()) for s in found.spectra.values()), default=0.0)
    lowest = max(lowest, min(seen, default=0.0) / 1e6)  # bounds of the degrees that are not seen go far down
    axis.set(xscale="log", yscale="log", xlabel="degree k", ylabel="eigenvalue \u03bc")
    axis.set_ylim(bottom=lowest / 3)
    last = max(len(spectrum.eigenvalues) for spectrum in found.spectra.values()) - 1
    if last < 10:
        axis.xaxis.set_major_locator(FixedLocator(list(range(1, last + 1))))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    legend(axis, loc="best")


def _last_seen(found: SphereSpectra) -> int:
    """The last degree in which a kernel has a part above rounding."""
    return max(int(np.flatnonzero(spectrum.resolved).max(initial=0)) for spectrum in found.spectra.values())
