"""The law of the singular values of input-output Jacobians."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from nnlimits.plots.style import COLORS, legend, new_figure, title

_LOOKS = ("blue", "orange", "green", "purple")


def jacobian_spectrum(
    laws: Mapping[str, Any], *, simulated: Mapping[str, Float[np.ndarray, " n"]] | None = None
) -> Figure:
    """Densities of singular values that are not zero, over histograms of simulated ones.

    **Arguments:** `laws`, by name, each a `nnlimits.signal.JacobianSpectrum`; `simulated`, singular values of finite networks by
    the same names.
    """
    figure, axes = new_figure(1, 1, width=6.0, height=4.2)
    axis = axes[0, 0]
    largest = max(float(law.singular_values[-1]) for law in laws.values())
    highest = 0.0
    for (name, law), color in zip(laws.items(), _LOOKS, strict=False):
        seen = law.singular_values > largest / 100
        axis.plot(law.singular_values, law.density, color=COLORS[color], label=name)
        highest = max(highest, float(law.density[seen].max()))
        values = (simulated or {}).get(name)
        if values is not None:
            bins = np.linspace(0, largest, 60)
            counts, _ = np.histogram(values[values > 0], bins)
            axis.stairs(counts / len(values) / np.diff(bins), bins, color=COLORS[color], alpha=0.3, fill=True)
    if simulated:
        axis.stairs([0], [0, 0], color=COLORS["faint"], alpha=0.5, fill=True, label="finite networks")
    axis.set(xlabel="singular value", ylabel="density", xlim=(0, 1.02 * largest), ylim=(0, 1.1 * min(highest, 3.0)))
    title(axis, "Singular values of the Jacobian")
    legend(axis)
    return figure
