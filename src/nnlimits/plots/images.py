"""Networks of finite and of infinite depth on images: how they train, and what they cost."""

import numpy as np
from matplotlib.figure import Figure

from nnlimits.infinite_depth.experiments.images import Images
from nnlimits.plots.style import COLORS, legend, new_figure, title

_COLORS = ("theory", "blue", "orange")


def images(found: Images) -> Figure:
    """Loss by epochs and by seconds, evaluations of the equation over training, and the test error of each network."""
    figure, axes = new_figure(1, 4, width=15.5, height=4.0)
    by_epoch, by_time, evaluations, errors = axes[0]
    for model, color in zip(found.models, _COLORS, strict=True):
        epochs = np.arange(1, len(model.losses) + 1)
        style = {"color": COLORS[color], "marker": "o", "markersize": 4}
        by_epoch.plot(epochs, model.losses, label=f"{model.name}, {model.parameters:,} parameters", **style)
        by_time.plot(model.seconds, model.losses, label=model.name, **style)
        evaluations.plot(epochs, model.evaluations, label=model.name, **style)
    for axis in (by_epoch, by_time):
        axis.set(yscale="log", ylabel="training loss")
    by_epoch.set(xlabel="epoch")
    by_time.set(xlabel="seconds, compilation included", xscale="log")
    evaluations.set(xlabel="epoch", ylabel="evaluations an example", ylim=(0, None))
    names = [model.name.replace(" ", "\n") for model in found.models]
    wrong = [100 * (1 - model.accuracy) for model in found.models]
    error = [100 * np.sqrt(m.accuracy * (1 - m.accuracy) / found.test_examples) for m in found.models]
    errors.bar(names, wrong, yerr=error, color=[COLORS[c] for c in _COLORS], width=0.6, capsize=4)
    errors.set(ylabel="test error, %")
    errors.grid(False, axis="x")
    legend(by_epoch, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=1)
    title(by_epoch, "They learn alike")
    title(by_time, "Infinite depth takes longer")
    title(evaluations, "The equation chooses its depth")
    title(errors, f"{found.test_examples:,} test images, one s.e.")
    return figure
