"""`nnlimits explain`: what theory says of a network before it is trained."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported

WIDTHS = (64, 128, 256, 512, 1024, 2048)
DEGREES = (0, 15, 30, 45, 60, 90, 120, 150, 180)
LEADING = 12
"""Eigen-directions that are listed."""


@reported()
def explain(
    network: Annotated[
        str, typer.Argument(help="A preset such as mlp, or a Python file that defines net.", metavar="NETWORK")
    ],
    depth: Annotated[int | None, typer.Option(help="Preset: number of hidden layers.")] = None,
    width: Annotated[int | None, typer.Option(help="Preset: their width.")] = None,
    activation: Annotated[str | None, typer.Option(help="Preset: activation, such as relu or tanh.")] = None,
    w_std: Annotated[float | None, typer.Option(help="Preset: scale of the hidden layers' weights.")] = None,
    b_std: Annotated[float | None, typer.Option(help="Preset: scale of the hidden layers' biases.")] = None,
    outputs: Annotated[int | None, typer.Option(help="Preset: number of outputs.")] = None,
    data: Annotated[Path | None, typer.Option(help="CSV, Parquet or NPZ file whose spectrum is shown.")] = None,
    target: Annotated[str | None, typer.Option(help="Column of the data that is to be predicted.")] = None,
    digits: Annotated[bool, typer.Option("--digits", help="Show the spectrum on scikit-learn's digits.")] = False,
    rows: Annotated[int, typer.Option(help="Largest number of rows of the data to use.", min=2)] = 1000,
    features: Annotated[
        int | None, typer.Option(help="Number of inputs, for parameter counts; 64 without data.", min=1)
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="Save a figure of the kernel here, as PNG.")] = None,
    seed: Annotated[int, typer.Option(help="Which rows are drawn, if there are more than --rows.")] = 0,
) -> None:
    """What theory says of a network: its kernels, its size, and how it would learn the data.

    For example: nnlimits explain mlp --depth 5 --activation tanh --digits
    """
    from nnlimits.cli import console, networks

    if data is not None and digits:
        raise ValueError("--data and --digits exclude each other")
    if data is None and target is not None:
        raise ValueError("--target names a column of --data, which is not given")
    preset_options = {
        "depth": depth,
        "width": width,
        "activation": activation,
        "w_std": w_std,
        "b_std": b_std,
        "outputs": outputs,
    }
    net = networks.resolve(network, preset_options)
    sample = _load(data, target, digits, rows, seed)
    out = console.output()
    out.print(f"[bold]network[/bold]  {net!r}", markup=True, soft_wrap=True)
    curves = _print_kernel(out, net)
    _print_sizes(out, net, features or (64 if sample is None else sample.x.shape[1]))
    found = None if sample is None else _print_spectrum(out, net, sample)
    if figure is not None:
        _save_figures(out, figure, curves, found)


def _load(data: Path | None, target: str | None, digits: bool, rows: int, seed: int) -> Any:
    from nnlimits.cli import spectra

    if digits:
        return spectra.digits_sample(rows, seed)
    return None if data is None else spectra.table_sample(data, target, rows, seed)


def _print_kernel(out: Any, net: Any) -> Any:
    from nnlimits.cli import spectra
    from nnlimits.cli.tables import Column, numbers

    shown = spectra.kernel_values(net, DEGREES)
    columns = [
        Column("correlation in"),
        Column("NNGP", ".4f"),
        Column("NTK", ".4f"),
        Column("correlation out", ".4f"),
        Column("NTK, relative", ".4f"),
    ]
    rows = [(f"{degrees}°", values) for degrees, values in zip(DEGREES, shown.rows(), strict=True)]
    out.print()
    out.print(numbers("Kernels of two inputs of unit mean square, by the angle between them", "angle", columns, rows))
    out.print(
        "[dim]NNGP is the covariance of the random network's outputs for two inputs, and NTK how much training on one of them "
        "moves the other. Correlation out is the NNGP's: where it stays near 1, the network hardly tells inputs apart.[/dim]"
    )
    return spectra.kernel_values(net, range(0, 181, 2))


def _print_sizes(out: Any, net: Any, features: int) -> None:
    from nnlimits import nn
    from nnlimits.cli import networks
    from nnlimits.cli.tables import Column, numbers

    rows = [("as written", [nn.count_parameters(net, (features,))])]
    for width in WIDTHS:
        try:
            rows.append((f"{width}", [nn.count_parameters(networks.with_width(net, width), (features,))]))
        except ValueError:  # widths that have to agree with something that is not a dense layer
            continue
    out.print()
    out.print(numbers(f"Parameters, with {features} inputs", "width", [Column("parameters", ",d")], rows))


def _print_spectrum(out: Any, net: Any, sample: Any) -> Any:
    from rich.markup import escape

    from nnlimits.cli import spectra
    from nnlimits.cli.tables import Column, numbers

    found = spectra.spectrum(net, sample)
    columns = [
        Column("NNGP eigenvalue", ".4g"),
        Column("NTK eigenvalue", ".4g"),
        Column("share of trace", ".1%"),
        Column("share of targets", ".1%"),
        Column("steps to half", ",.0f"),
        Column("steps to 1 %", ",.0f"),
    ]
    rows = [(f"{i + 1}", values) for i, values in enumerate(found.rows(LEADING))]
    out.print()
    out.print(numbers(f"Kernels on {escape(sample.name)}", "direction", columns, rows))
    out.print(
        f"Full-batch gradient descent is stable below a learning rate of [bold]{found.max_learning_rate:.6g}[/bold] "
        f"(loss: half the mean squared error over {found.n_targets:,} targets, NTK parameterization)."
    )
    out.print(
        f"[dim]Steps are those at half that rate: along each eigenvector of the NTK the error shrinks by itself, and falls to a "
        f"half, and to 1 %, in so many. Share of targets: how much of what is to be learned lies along it. "
        f"The condition number is {found.condition_number:.3g}.[/dim]"
    )
    return found


def _save_figures(out: Any, path: Path, curves: Any, found: Any) -> None:
    from nnlimits import plots

    figure = plots.explanation(
        curves.degrees,
        curves.nngp,
        curves.ntk,
        eigenvalues=None if found is None else {"NNGP": found.nngp, "NTK": found.ntk},
        half_life=None if found is None else found.steps_to(0.5),
    )
    saved = plots.save(figure, path)
    out.print(f"\nfigure saved: {saved}", soft_wrap=True)
