"""Networks of finite and of infinite depth on images: how they train, and what they cost."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nnlimits.infinite_depth.experiments.images import Images
from nnlimits.plots.style import COLORS, legend, new_figure, plain_logarithmic, title

_COLORS = ("theory", "blue", "orange")


def images(found: Images) -> Figure:
    """Loss by epochs and by seconds, evaluations of the equation over training, and the test error of each network.

    Bars of the test error are one standard error of so many test images.
    """
    figure, axes = new_figure(1, 4, width=15.0, height=4.2)
    by_epoch, by_time, evaluations, errors = axes[0]
    for model, color in zip(found.models, _COLORS, strict=True):
        epochs = np.arange(1, len(model.losses) + 1)
        style = {"color": COLORS[color], "marker": "o", "markersize": 4}
        by_epoch.plot(epochs, model.losses, label=f"{model.name}, {model.parameters:,} parameters", **style)
        by_time.plot(model.seconds, model.losses, **style)
        evaluations.plot(epochs, model.evaluations, **style)
    for axis in (by_epoch, by_time):
        axis.set(yscale="log", ylabel="cross-entropy of the epoch's batches")
        plain_logarithmic(axis.yaxis)
    for axis in (by_epoch, evaluations):
        axis.set(xlabel="epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    by_time.set(xlabel="seconds, compilation included", xscale="log")
    plain_logarithmic(by_time.xaxis)
    evaluations.set(ylabel="evaluations for an image", ylim=(0, None))
    names = [model.name.replace(" ", "\n") for model in found.models]
    wrong = np.array([1 - model.accuracy for model in found.models])
    deviation = np.sqrt(wrong * (1 - wrong) / found.test_examples)
    errors.bar(names, 100 * wrong, yerr=100 * deviation, color=[COLORS[c] for c in _COLORS], width=0.6, capsize=4)
    errors.set(ylabel=f"% wrong of {found.test_examples:,} images")
    errors.grid(False, axis="x")
    legend(figure, loc="outside lower center", ncols=3)
    title(by_epoch, "Training by epochs")
    title(by_time, "Training by time")
    title(evaluations, "Evaluations: the depth in use")
    title(errors, "Test error")
    return figure
