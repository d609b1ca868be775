"""`nnlimits explain`: what theory says of a network before it is trained."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli import options
from nnlimits.cli.errors import reported

WIDTHS = (64, 128, 256, 512, 1024, 2048)
DEGREES = (0, 15, 30, 45, 60, 90, 120, 150, 180)
LEADING = 12
"""Eigen-directions that are listed."""

SHAPE_HELP = "Shape of an example, such as 32,32,3; that of the data, or a usual one of the preset, if left out."


@reported()
def explain(
    network: Annotated[str | None, typer.Argument(help=options.NETWORK_HELP, metavar="NETWORK")] = None,
    preset: Annotated[str | None, typer.Option(help="The same as NETWORK.")] = None,
    depth: options.Depth = None,
    width: options.Width = None,
    blocks: options.Blocks = None,
    kernel_size: options.KernelSize = None,
    activation: options.Activation = None,
    w_std: options.WStd = None,
    b_std: options.BStd = None,
    outputs: Annotated[int | None, typer.Option(help="Preset: number of outputs.")] = None,
    input_shape: Annotated[str | None, typer.Option(help=SHAPE_HELP)] = None,
    data: Annotated[Path | None, typer.Option(help="CSV, Parquet or NPZ file whose spectrum is shown.")] = None,
    target: options.Target = None,
    digits: Annotated[bool, typer.Option("--digits", help="Show the spectrum on scikit-learn's digits.")] = False,
    rows: Annotated[int, typer.Option(help="Largest number of rows of the data to use.", min=2)] = 1000,
    features: Annotated[
        int | None, typer.Option(help="Number of inputs, for parameter counts; 64 without data.", min=1)
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="Save a figure of the kernel here, as PNG.")] = None,
    seed: Annotated[int, typer.Option(help="Which rows are drawn, if there are more than --rows.")] = 0,
) -> None:
    """What theory says of a network: its kernels, its size, and how it would learn the data.

    For example: nnlimits explain mlp --depth 5 --activation tanh --digits, or nnlimits explain cnn --input-shape 28,28,1
    """
    from nnlimits.cli import console, networks, shapes

    _check_exclusive(data, target, digits, features, input_shape)
    name = _named(network, preset)
    given = options.given(
        depth=depth,
        width=width,
        blocks=blocks,
        kernel_size=kernel_size,
        activation=activation,
        w_std=w_std,
        b_std=b_std,
        outputs=outputs,
    )
    net = networks.resolve(name, given)
    wanted = shapes.parsed(input_shape) if input_shape else (features,) if features else None
    out, stages = console.output(), console.Stages()
    sample = load(name, net, data, target, digits, rows, seed)
    shape = shapes.of(name, net, wanted, None if sample is None else sample.x.shape[1:])
    out.print(f"[bold]network[/bold]  {net!r}", markup=True, soft_wrap=True)
    with stages.stage("kernels of two inputs"):
        values = _kernels(net, shape, DEGREES)
        curves = None if figure is None else _kernels(net, shape, range(0, 181, 2))
    _print_kernel(out, values, shape)
    _print_sizes(out, net, shape)
    with stages.stage("theory of depth, width and learning rate"):
        card = _theory(net, shape, sample, seed)
    _print_theory(out, card)
    found = None
    if sample is not None:
        with stages.stage(f"kernels of {len(sample.x)} rows"):
            found = _spectrum(net, sample)
        _print_spectrum(out, sample, found)
    if figure is not None:
        if curves is None:
            raise ValueError("a figure of the kernel needs inputs with angles between them; tokens have none")
        _save_figures(out, figure, net, curves, found)


def _check_exclusive(
    data: Path | None, target: str | None, digits: bool, features: int | None, input_shape: str | None
) -> None:
    if data is not None and digits:
        raise ValueError("--data and --digits exclude each other")
    if data is None and target is not None:
        raise ValueError("--target names a column of --data, which is not given")
    if features is not None and input_shape is not None:
        raise ValueError("--features and --input-shape exclude each other")


def _named(network: str | None, preset: str | None) -> str:
    if (network is None) == (preset is None):
        raise ValueError(
            "one network is needed, by its name or as --preset: a preset such as mlp or cnn, or a Python file"
        )
    return network or preset or ""


def _kernels(net: Any, shape: tuple[int, ...], degrees: Any) -> Any:
    from nnlimits.cli import spectra

    return spectra.kernel_values(net, degrees, shape)


def _spectrum(net: Any, sample: Any) -> Any:
    from nnlimits.cli import spectra

    return spectra.spectrum(net, sample)


def load(name: str, net: Any, data: Path | None, target: str | None, digits: bool, rows: int, seed: int) -> Any:
    """Standardised rows of the data that is named, the digits, or `None`."""
    from nnlimits.cli import arrays, networks, spectra

    if digits:
        return spectra.digits_sample(rows, seed, net)
    if data is None:
        return None
    if arrays.hold_positions(data) or (data.suffix.lower() == ".npz" and networks.takes_tokens(net)):
        return spectra.array_sample(data, target, rows, seed, net, images=name in networks.FOR_IMAGES)
    return spectra.table_sample(data, target, rows, seed)


def _print_kernel(out: Any, shown: Any, shape: tuple[int, ...]) -> None:
    from nnlimits.cli.tables import Column, numbers

    if shown is None:
        out.print("[dim]Tokens have no angle between them, so there is no table of kernels by angle.[/dim]")
        return
    columns = [
        Column("correlation in"),
        Column("NNGP", ".4f"),
        Column("NTK", ".4f"),
        Column("correlation out", ".4f"),
        Column("NTK, relative", ".4f"),
    ]
    rows = [(f"{degrees}°", values) for degrees, values in zip(DEGREES, shown.rows(), strict=True)]
    drawn = "" if len(shape) == 1 else f" random {shape}"
    out.print()
    out.print(
        numbers(f"Kernels of two{drawn} inputs of unit mean square, by the angle between them", "angle", columns, rows)
    )
    out.print(
        "[dim]NNGP is the covariance of the random network's outputs for two inputs, and NTK how much training on one of them "
        "moves the other. Correlation out is the NNGP's: where it stays near 1, the network hardly tells inputs apart.[/dim]"
    )


def _print_sizes(out: Any, net: Any, shape: tuple[int, ...]) -> None:
    from nnlimits import nn
    from nnlimits.cli.tables import Column, numbers

    rows = [("as written", [nn.count_parameters(net, shape)])]
    for width in WIDTHS:
        try:
            rows.append((f"{width}", [nn.count_parameters(nn.with_width(net, width), shape)]))
        except ValueError:  # widths that have to agree with something that has none of its own
            continue
    inputs = f"{shape[0]} inputs" if len(shape) == 1 else f"inputs of shape {shape}"
    out.print()
    out.print(numbers(f"Parameters, with {inputs}", "width", [Column("parameters", ",d")], rows))


def _theory(net: Any, shape: tuple[int, ...], sample: Any, seed: int) -> list[tuple[str, str]]:
    from nnlimits.cli import theory_card

    return theory_card.lines(net, shape, sample, seed)


def _print_theory(out: Any, card: list[tuple[str, str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title="What theory says of training it", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for heading, text in card:
        table.add_row(heading, escape(text))
    out.print()
    out.print(table)


def _print_spectrum(out: Any, sample: Any, found: Any) -> None:
    from rich.markup import escape

    from nnlimits.cli.tables import Column, numbers

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


def _save_figures(out: Any, path: Path, net: Any, curves: Any, found: Any) -> None:
    from nnlimits import plots, signal

    figure = plots.explanation(
        curves.degrees,
        curves.nngp / curves.variance,
        curves.ntk / curves.gradient,
        eigenvalues=None if found is None else {"NNGP": found.nngp, "NTK": found.ntk},
        half_life=None if found is None else found.steps_to(0.5),
    )
    saved = plots.save(figure, path)
    out.print(f"\nfigure saved: {saved}", soft_wrap=True)
    try:
        signals = signal.propagate(net)
    except NotImplementedError:
        return
    saved = plots.save(plots.propagation({"this network": signals}), saved.with_stem(f"{saved.stem}_signals"))
    out.print(f"figure saved: {saved}", soft_wrap=True)
