"""`nnlimits rkhs digits`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnlimits.cli import options
from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, print_saved, whole_numbers
from nnlimits.cli.images import TRAINING, labelled_images, with_channels
from nnlimits.cli.rkhs.learning_curve import Ridge, Sizes, print_curve

if TYPE_CHECKING:
    import numpy as np

    from nnlimits import nn

FIRST, TRUSTED = 10, 10
"""Exponents are fitted from this eigenfunction on, to this part of the sample: beyond, empirical eigenvalues fall too fast."""


@reported()
def digits(
    file: Annotated[
        Path,
        typer.Argument(help="Images and labels, such as MNIST: an NPZ file with arrays Xtrain and ytrain, or X and y."),
    ],
    network: Annotated[str, typer.Option(help=options.NETWORK_HELP)] = "mlp",
    depth: options.Depth = None,
    activation: options.Activation = None,
    w_std: options.WStd = None,
    b_std: options.BStd = None,
    sample: Annotated[int, typer.Option(help="Images that the curve is predicted from.", min=8)] = 2000,
    tests: Annotated[int, typer.Option(help="Other images, to measure test errors on.", min=8)] = 2000,
    sizes: Sizes = "16,32,64,128,256,512,1024",
    ridge: Ridge = 0.0,
    draws: Annotated[int, typer.Option(help="Training sets of each size.", min=2)] = 5,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Learning curves of a network's kernels on images: predicted from the spectrum of a sample, and measured on other images.

    Images are standardised one by one, and classes coded as ones less their mean. All are drawn from one set, since test
    files are often of another distribution.

    For example: nnlimits rkhs digits mnist.npz --depth 3
    """
    import nnlimits as nl
    from nnlimits.cli import console, networks
    from nnlimits.plots import save
    from nnlimits.plots.learning_curves import data_learning_curves
    from nnlimits.rkhs.experiments import data_learning_curve

    counts = whole_numbers("--sizes", sizes)
    if counts[-1] >= sample:
        raise ValueError(f"--sizes must be below --sample, {sample}; received {sizes!r}")
    net = networks.resolve(network, options.given(depth=depth, activation=activation, w_std=w_std, b_std=b_std))
    x, y = _examples(file, net, sample + tests, seed)
    kernel, curves = nl.kernel(net), {}
    out, stages = console.output(), console.Stages()
    with stages.stage("learning curves", 2 * (len(counts) + 2)) as advance:
        for name, function in (("NTK", kernel.ntk), ("NNGP", kernel.nngp)):
            curves[name] = data_learning_curve(
                function,
                x[:sample],
                y[:sample],
                x[sample:],
                y[sample:],
                counts,
                ridge=ridge,
                draws=draws,
                seed=seed,
                advance=advance,
            )
    for name, found in curves.items():
        print_curve(out, name, found, f"summed over classes, {draws} training sets of each size")
        _print_exponents(out, name, found, y[:sample])
    text = f"{y.shape[1]} classes of {file.name}, predicted from {sample:,} images"
    print_saved(out, [save(data_learning_curves(curves, text), folder / "digits.png")])


def _print_exponents(out: Any, name: str, found: Any, y: Any) -> None:
    """How fast eigenvalues fall, and how smooth the targets are beside them, where the sample is large enough to say so."""
    from nnlimits import rkhs

    last = len(y) // TRUSTED
    if last < FIRST + 3 or found.spectrum.eigenvalues[last - 1] <= 0:
        return
    leading = found.spectrum.leading(last)
    remaining = rkhs.target_power(leading, y).unlearnable
    fit = rkhs.source_condition(leading.eigenvalues, leading.coefficients(y), first=FIRST, remaining=remaining)
    out.print(
        f"[bold]{name}[/bold]  eigenvalues fall as i^-{fit.capacity.value:.2f} (95 % interval {fit.capacity.low:.2f} to "
        f"{fit.capacity.high:.2f}); source exponent of the labels {fit.source.value:.2f} ({fit.source.low:.2f} to "
        f"{fit.source.high:.2f}); from eigenfunctions {fit.first} to {fit.last}\n",
        soft_wrap=True,
    )


def _examples(file: Path, net: "nn.Layer", count: int, seed: int) -> tuple["np.ndarray", Any]:
    """So many random images, standardised, in a shape that the network takes, and their classes as ones less their mean."""
    import numpy as np

    from nnlimits.rkhs.experiments import standardised_rows

    images, labels = labelled_images(file, TRAINING)
    if len(images) < count:
        raise ValueError(f"{file} has {len(images)} images; --sample and --tests together must be at most that")
    if labels.dtype.kind == "f" and not (labels == np.round(labels)).all():
        raise ValueError(f"{file} must have images with their classes; its labels are numbers such as {labels[0]:.6g}")
    rows = np.random.default_rng(seed).permutation(len(images))[:count]
    known, codes = np.unique(labels[rows], return_inverse=True)
    if len(known) < 2:
        raise ValueError(f"{file} must have images of two classes or more; those drawn are all {known.tolist()}")
    drawn = np.asarray(images[rows], np.float64).reshape(count, -1)
    spread = np.ptp(drawn, axis=1)
    if not (np.isfinite(spread) & (spread > 0)).all():
        worst = rows[int(np.argmin(np.isfinite(spread) & (spread > 0)))]
        raise ValueError(f"image {worst} of {file} has NaN, or entries that are all alike, and cannot be standardised")
    return standardised_rows(drawn).reshape(count, *_shape(net, images)), np.eye(len(known))[codes] - 1 / len(known)


def _shape(net: "nn.Layer", images: "np.ndarray") -> tuple[int, ...]:
    """Of an image: its entries in a row, or with positions and channels for a network that needs them.

    **Raises:** `ValueError` for a network that takes neither.
    """
    flat = (math.prod(images.shape[1:]),)
    try:
        net.output_shape(flat)
    except ValueError:
        if images.ndim == 2:
            raise
        shape = with_channels(images[:1]).shape[1:]
        net.output_shape(shape)
        return shape
    return flat
