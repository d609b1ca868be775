"""Noisy neurons at rest, and the free energy on the way there."""

import numpy as np
from matplotlib.figure import Figure

from nnlimits.mean_field.experiments import NoisyDescent
from nnlimits.plots.style import COLORS, legend, new_figure, title


def noisy_descent(found: NoisyDescent) -> Figure:
    """The stationary law three ways; the free energy above its minimum; and the risk."""
    figure, axes = new_figure(1, 3, width=13.2, height=4.3)
    laws, free, risks = axes[0]
    places, spacing, m = found.grid.axes()[0], found.grid.spacing[0], found.particles.shape[1]
    shown = places[found.rest > 1e-4 * found.rest.max()]
    bins = np.linspace(shown[0], shown[-1], 61)
    laws.hist(
        found.particles[-1], bins.tolist(), density=True, color=COLORS["orange"], alpha=0.4, label=f"{m:,} particles"
    )
    laws.plot(places, found.rest / spacing, color=COLORS["blue"], linewidth=2.6, label="Gibbs measure")
    laws.plot(places, found.density[-1] / spacing, "--", color=COLORS["theory"], label="density of the equation")
    laws.plot(places, found.density[0] / spacing, ":", color=COLORS["faint"], label="all of them at the start")
    laws.set(xlim=(shown[0], shown[-1]), xlabel="parameter of a neuron, $\\theta$", ylabel="density")
    laws.set_ylim(0, 1.45 * laws.get_ylim()[1])
    title(laws, f"At rest (time {found.times[-1]:g})")
    legend(laws, loc="upper left")
    free.plot(
        found.times,
        np.maximum(found.free_energies - found.rest_free_energy, 1e-13),
        ".-",
        color=COLORS["blue"],
        label="density",
    )
    gaps = found.particle_free_energies - found.rest_free_energy
    shown = gaps > 0
    free.plot(
        found.times[shown], gaps[shown], "o", color=COLORS["orange"], markersize=4, label=f"{m:,} particles (estimated)"
    )
    error = found.temperature / m**0.5
    free.axhline(
        error, color=COLORS["orange"], linestyle="--", linewidth=1.2, label="standard error of the estimate, about"
    )
    free.plot(found.times, found.sure_gaps, ":", color=COLORS["theory"], label="bound by log-Sobolev inequalities")
    free.set(yscale="log", xlabel="time of the flow", ylabel="free energy above that of the Gibbs measure")
    title(free, "The free energy falls")
    legend(free)
    risks.plot(found.times, found.particle_risks, "o", color=COLORS["orange"], markersize=4, label="particles")
    risks.plot(found.times, found.density_risks, "--", color=COLORS["theory"], label="density")
    risks.axhline(found.rest_risk, color=COLORS["blue"], linewidth=1.2, label="Gibbs measure")
    risks.set(xlabel="time of the flow", ylabel="risk with decay, without entropy")
    title(risks, "One risk")
    legend(risks)
    return figure
