"""A signal on its way through a network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nnlimits.plots.style import COLORS, legend, new_figure, title

_LOOKS = (("blue", "-"), ("orange", "--"), ("green", "-."), ("purple", ":"))


def propagation(signals: Mapping[str, Any]) -> Figure:
    """Variance, correlation and gradients of two inputs, after each affine layer (after each layer, if none is affine).

    **Arguments:** `signals`, by name, each a `nnlimits.signal.Propagation`.
    """
    figure, axes = new_figure(1, 3, width=11.5, height=3.8)
    labels = ("variance of a unit", "correlation of two inputs", "mean square of gradients, to the last")
    titles = ("Signals", "Inputs apart", "Gradients")
    for axis, entry, label, text in zip(axes[0], ("variance", "correlation", "gradient"), labels, titles, strict=True):
        for (name, found), (color, line) in zip(signals.items(), _LOOKS, strict=False):
            places = _affine(found.layers)
            axis.plot(np.arange(len(places)), getattr(found, entry)[places], line, color=COLORS[color], label=name)
        axis.set(xlabel="affine layer (0: the input)", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        title(axis, text)
        if entry != "correlation":
            axis.set_yscale("log")
    legend(axes[0, 1])
    return figure


def _affine(layers: tuple[str, ...]) -> list[int]:
    """The input and the affine layers; activations between them make curves jagged."""
    places = [0, *(place for place, name in enumerate(layers) if name == "Dense")]
    return places if len(places) > 1 else list(range(len(layers)))
