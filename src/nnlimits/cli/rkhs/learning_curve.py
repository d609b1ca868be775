"""`nnlimits rkhs learning-curve`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli import options
from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, Seed, print_saved, whole_numbers

Sizes = Annotated[str, typer.Option(help="Of training sets, with commas between.")]
Ridge = Annotated[float, typer.Option(help="What is added to the diagonal of the Gram matrix.", min=0)]


@reported()
def learning_curve(
    network: options.Network = "mlp",
    depth: options.Depth = None,
    activation: options.Activation = None,
    w_std: options.WStd = None,
    b_std: options.BStd = None,
    dimension: Annotated[int, typer.Option(help="Of the inputs, uniform on a sphere.", min=2)] = 10,
    power: Annotated[
        str, typer.Option(help="The mean square of the target in degrees 0, 1, ..., with commas between.")
    ] = "0,0.5,0.3,0.2",
    sizes: Sizes = "16,32,64,128,256,512,1024",
    ridge: Ridge = 0.0,
    noise: Annotated[float, typer.Option(help="The variance of the noise on targets.", min=0)] = 0.1,
    draws: Annotated[int, typer.Option(help="Samples that are measured.", min=2)] = 6,
    folder: Folder = Path(),
    seed: Seed = 0,
) -> None:
    """Learning curves of a network's kernels on a sphere: predicted from their spectra, and measured.

    Within some 10 % in 10 dimensions and more. In few dimensions, without noise and ridge, errors are a multiple
    of the prediction, as spherical harmonics are not Gaussian there.

    For example: nnlimits rkhs learning-curve mlp --dimension 20 --power 0,1 --ridge 0.5
    """
    import nnlimits as nl
    from nnlimits.cli import console, networks
    from nnlimits.plots import save
    from nnlimits.plots.learning_curves import sphere_learning_curves
    from nnlimits.rkhs.experiments import sphere_learning_curve

    counts, strength = whole_numbers("--sizes", sizes), _power(power)
    net = networks.resolve(network, options.given(depth=depth, activation=activation, w_std=w_std, b_std=b_std))
    kernel, curves = nl.kernel(net), {}
    out, stages = console.output(), console.Stages()
    with stages.stage("learning curves", 2 * (draws + 1)) as advance:
        for name, function in (("NTK", kernel.ntk), ("NNGP", kernel.nngp)):
            curves[name] = sphere_learning_curve(
                function,
                dimension,
                strength,
                counts,
                ridge=ridge,
                noise=noise,
                draws=draws,
                degrees=max(40, len(strength) - 1),
                seed=seed,
                advance=advance,
            )
    for name, found in curves.items():
        print_curve(out, name, found, f"{draws} samples")
    text = f"Uniform inputs on a sphere in {dimension:,} dimensions, ridge {ridge:g}, noise {noise:g}"
    print_saved(out, [save(sphere_learning_curves(curves, text), folder / "learning_curve.png")])


def print_curve(out: Any, name: str, found: Any, of: str) -> None:
    """A table of predicted and measured errors by the number of examples."""
    from nnlimits.cli.tables import Column, numbers

    names = ("predicted", "measured", "standard error", "predicted / measured", "training, predicted", "measured")
    columns = [Column(n, form) for n, form in zip(names, ("#.4g", "#.4g", "#.2g", "#.3g", "#.4g", "#.4g"), strict=True)]
    measured, predicted = found.measured, found.predicted
    rows = [
        (f"{int(n):,}", [predicted.test[i], measured.mean[i], measured.standard_error[i], found.ratios[i]])
        for i, n in enumerate(measured.sizes)
    ]
    for i, (_, numbers_of_row) in enumerate(rows):
        numbers_of_row += [predicted.train[i], measured.train[i].mean()]
    out.print(numbers(f"{name}: mean squared test error, {of}", "examples", columns, rows))


def _power(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 <= value < float("inf") for value in found) or not any(found):
        raise ValueError(
            f"--power must be numbers of at least 0, one for each degree, such as 0,0.5,0.3,0.2; received {text!r}"
        )
    return found
