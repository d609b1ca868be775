"""What shallow networks cannot do: Telgarsky's sawtooth by pieces and by depth."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnlimits.approximation.depth_separation import DepthSeparation
from nnlimits.approximation.experiments import TrainedSawtooth
from nnlimits.approximation.optimal_pieces import shallow_sawtooth
from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title


def depth_separation(found: DepthSeparation, trained: TrainedSawtooth | None = None) -> Figure:
    """Three panels: the sawtooth with a shallow network, errors of few pieces between their bounds, and units by depth.

    **Arguments:** `found`; `trained`, networks trained on the same sawtooth, whose errors join those of the second panel.

    **Raises:** `ValueError` for networks trained on another sawtooth.
    """
    if trained is not None and trained.k != found.k:
        raise ValueError(f"trained is of the sawtooth of {trained.k} layers, and found of that of {found.k}")
    figure, axes = new_figure(1, 3, width=15.0, height=5.6)
    functions, errors, units = axes.ravel()
    _functions(functions, found)
    _errors(errors, found, trained)
    _units(units, found)
    return figure


def _functions(axis: Axes, found: DepthSeparation) -> None:
    x = np.arange(2 ** (found.k + 3) + 1)[:, None] / 2 ** (found.k + 3)
    shown = x[:, 0] <= 16 / 2**found.k  # 16 pieces of it, so that they can be told apart
    shallow = min(8, 2**found.k - 1)
    axis.plot(
        x[shown],
        found.deep(x[shown]),
        color=COLORS["blue"],
        linewidth=1.6,
        label=f"{found.k} layers of 2 units: the sawtooth",
    )
    axis.plot(
        x[shown],
        shallow_sawtooth(found.k, shallow)(x[shown]),
        "--",
        color=COLORS["orange"],
        linewidth=2.0,
        label=f"1 layer of {shallow} units",
    )
    axis.set(xlabel="x", ylabel="output", yticks=[0, 0.5, 1])
    title(axis, f"A sawtooth of {2**found.k} pieces, its first {min(16, 2**found.k)}")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.13))


def _errors(axis: Axes, found: DepthSeparation, trained: TrainedSawtooth | None) -> None:
    axis.fill_between(found.pieces, 0, found.least, color="#F1F1F1", linewidth=0)
    axis.plot(found.pieces, found.achieved, color=COLORS["orange"], label="1 layer of P units, reached")
    axis.plot(found.pieces, found.least, color=COLORS["theory"], label="any P pieces, proved by programme")
    axis.plot(found.pieces, found.theorem, "--", color=COLORS["faint"], label="any P pieces, theorem")
    axis.plot(
        [2 * found.k],
        [0],
        "o",
        color=COLORS["blue"],
        markersize=8,
        clip_on=False,
        label=f"{found.k} layers, P = {2 * found.k} units",
    )
    widest = 2**found.k
    if trained is not None:
        best = trained.errors.min(axis=1)
        axis.plot(
            trained.units,
            best,
            "D",
            color=COLORS["purple"],
            label=f"1 layer trained, best of {trained.errors.shape[1]}",
        )
        widest = max(widest, int(trained.units.max()))
    axis.text(2**found.k * 0.5, 0.03, "no function\nof P pieces", color=COLORS["faint"], fontsize=9.5)
    axis.set(
        xlabel="P, pieces or hidden units",
        ylabel="$L^2$ distance to the sawtooth",
        ylim=(0, 0.31),
        xlim=(0, 1.02 * widest),
    )
    title(axis, "The closest functions of P pieces")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.13))


def _units(axis: Axes, found: DepthSeparation) -> None:
    depths = [row.depth for row in found.depths]
    axis.plot(depths, [row.built for row in found.depths], "o", color=COLORS["blue"], label="built, exact")
    axis.plot(
        depths, [row.needed for row in found.depths], color=COLORS["theory"], label="needed for $L^1$ error below 1/16"
    )
    axis.set(xlabel="hidden layers", ylabel="hidden units in all", yscale="log", xticks=depths)
    plain_logarithmic(axis.yaxis)
    title(axis, f"Units by depth, a sawtooth of {2 ** (2 * found.k):,} pieces")
    legend(axis, loc="upper center", bbox_to_anchor=(0.5, -0.13))
