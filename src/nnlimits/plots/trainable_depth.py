"""How deep networks train, against how deep theory says."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from nnlimits.plots.style import COLORS, legend, new_figure, title


def trainable_depth(
    variances: Float[np.ndarray, " columns"],
    depths: Sequence[int],
    accuracy: Float[np.ndarray, "rows columns"],
    theory: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]],
) -> Figure:
    """Training accuracy by the variance of weights and the depth, and a predicted depth over it.

    **Arguments:** `variances` and `depths`, ascending; `accuracy` reached; `theory`, variances of weights and trainable depths.
    """
    figure, axes = new_figure(1, 1, width=6.4, height=4.4)
    axis = axes[0, 0]
    shown = axis.pcolormesh(variances, depths, accuracy, vmin=0, vmax=1, cmap="viridis", shading="nearest")
    figure.colorbar(shown, ax=axis, label="training accuracy")
    low, high = axis.get_ylim()
    axis.plot(*theory, color="white", linewidth=4)
    axis.plot(*theory, color=COLORS["orange"], label="6 ξc, from theory")
    axis.set(xlabel="variance of weights, w_std²", ylabel="depth, in layers", ylim=(low, high))
    axis.grid(False)
    title(axis, "How deep networks train")
    legend(axis, loc="upper left", bbox_to_anchor=(0.0, -0.16))
    return figure
