"""`nnlimits approximate`: a network by a theorem, with its certificate."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder

_Budget = Annotated[float | None, typer.Option(help="The error that the certificate is to promise.")]


@reported()
def approximate(
    target: Annotated[
        str | None, typer.Argument(help="A name (see --list), or an expression such as 'sin(3*x0) + abs(x1)'.")
    ] = None,
    dimension: Annotated[
        int | None, typer.Option(help="Number of inputs; what the expression names, or 1.", min=1)
    ] = None,
    theorem: Annotated[str, typer.Option(help="By which theorem (see --list).")] = "shallow",
    tolerance: _Budget = None,
    units: Annotated[int | None, typer.Option(help="Or the number of hidden units.", min=1)] = None,
    bits: Annotated[int | None, typer.Option(help="Or binary digits of each input, of minimum-width.", min=1)] = None,
    activation: Annotated[
        str | None,
        typer.Option(help="Such as relu, tanh, or 'nn.RectifiedMonomial(2)'; the theorem's own if left out."),
    ] = None,
    lipschitz: Annotated[float | None, typer.Option(help="A Lipschitz constant to claim of the function.")] = None,
    constant: Annotated[float | None, typer.Option(help="A Barron constant to claim of the function.")] = None,
    domain: Annotated[
        str | None, typer.Option(help="The box: '0,1' for all inputs, or '0,1;-2,2' one by one; -1,1 if left out.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Bound the sup norm by intervals, and search for it.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="List the functions with names, and the theorems.")] = False,
    folder: Folder = Path(),
) -> None:
    """Approximate a function by a network that a theorem constructs: certificate, measured error, a figure, and the network.

    For example: nnlimits approximate "sin(3*x0)*x1" --theorem orthogonal-greedy --units 64
    """
    from nnlimits.approximation.files import save_network
    from nnlimits.approximation.theorems import approximate as apply
    from nnlimits.cli import console
    from nnlimits.plots import save
    from nnlimits.plots.approximation import approximation as draw

    out = console.output()
    if show:
        return _list(out)
    if target is None:
        raise ValueError("TARGET is missing: name a function or write an expression; --list shows the names")
    f, name, box = _read(target, dimension, domain)
    word = None if activation is None else _activation(activation)
    stages = console.Stages()
    with stages.stage(f"{theorem}: {name}") as advance:
        found = apply(
            theorem,
            f,
            box,
            tolerance=tolerance,
            units=units,
            bits=bits,
            activation=word,
            lipschitz=lipschitz,
            constant=constant,
            advance=advance,
        )
    _print(out, found, name)
    if verify:
        _verify(out, stages, found)
    several = f"_{box.dimension}d" if box.dimension > 1 else ""
    stem = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40] + f"{several}_{theorem.replace('-', '_')}"
    about = {
        "target": name,
        "theorem": theorem,
        "certificate": str(found.certificate),
        "lower": box.lower,
        "upper": box.upper,
    }
    figure = draw(found, name)
    path = save_network(folder / f"{stem}.npz", found.network, found.params, about)
    out.print(f"figure saved: {save(figure, folder / f'{stem}.png')}", soft_wrap=True)
    out.print(f"network saved: {path} (nnlimits.approximation.load_network reads it)", soft_wrap=True)


def _read(text: str, dimension: int | None, domain: str | None) -> tuple[Any, str, Any]:
    """The function, what to call it, and its box."""
    from nnlimits.approximation import TARGETS, Box, expression, named_target

    if text in TARGETS:
        named = named_target(text, dimension or 1)
        return named, text, named.domain if domain is None else _box(domain, named.dimension)
    if text.isidentifier() and not re.fullmatch(r"x[0-9]*|r|e|pi", text):
        named_target(text)  # says which names there are
    written = expression(text, dimension)
    return written, text, Box.cube(written.dimension, -1.0, 1.0) if domain is None else _box(domain, written.dimension)


def _box(text: str, dimension: int) -> Any:
    from nnlimits.approximation import Box

    try:
        pairs = [tuple(float(end) for end in part.split(",")) for part in text.split(";")]
    except ValueError:
        pairs = []
    if not pairs or any(len(pair) != 2 for pair in pairs) or len(pairs) not in (1, dimension):
        pairs_as_well = f", or {dimension} such pairs with semicolons between" if dimension > 1 else ""
        raise ValueError(
            f"--domain must be two numbers with a comma between, such as 0,1{pairs_as_well}; received {text!r}"
        )
    pairs = pairs * (dimension // len(pairs))
    return Box(tuple(low for low, _ in pairs), tuple(high for _, high in pairs))


def _activation(text: str) -> Any:
    from nnlimits import nn
    from nnlimits.approximation.files import network_of
    from nnlimits.cli.networks import activation

    found = network_of(text) if text.startswith("nn.") else activation(text)
    if not isinstance(found, nn.Activation):
        raise ValueError(f"--activation must be a nonlinearity, such as tanh; received {text!r}")
    return found


def _print(out: Any, found: Any, name: str) -> None:
    from rich.markup import escape

    from nnlimits.approximation.size import size
    from nnlimits.cli.tables import Column, numbers

    certificate, counts = found.certificate, size(found)
    out.print(f"[bold]{escape(name)}[/bold]  {escape(str(certificate))}", soft_wrap=True)
    columns = [
        Column("hidden layers", ",.0f"),
        Column("width", ",.0f"),
        Column("weights", ",.0f"),
        Column("not zero", ",.0f"),
    ]
    out.print(numbers("The network", "", columns, [("", list(counts))]))
    norm = {"sup": "sup", "L2": "L^2"}.get(certificate.norm, f"L^{certificate.p or 0:g}")
    rows = [("sup", [found.error.sup]), ("L^2", [found.error.l2])]
    if norm not in dict(rows):
        rows.append((norm, [found.measured]))
    rows = [
        (f"{label}, certified {certificate.bound:.4g}" if label == norm else label, values) for label, values in rows
    ]
    out.print(numbers(f"Errors at {found.error.points:,} points", "norm", [Column("measured", ".4g")], rows))
    if not found.holds:
        out.print("[bold red]the measured error is above the certificate: an assumption does not hold[/bold red]")


def _verify(out: Any, stages: Any, found: Any) -> None:
    """Rigorous bounds of the sup norm, and the largest difference that a search finds."""
    from rich.markup import escape

    from nnlimits.approximation import adversarial_error
    from nnlimits.approximation import verify as verified

    with stages.stage("intervals") as advance:
        proved = verified(
            found, bound=found.certificate.bound if found.certificate.norm == "sup" else None, advance=advance
        )
    with stages.stage("adversarial search") as advance:
        worst = adversarial_error(found, advance=advance)
    out.print(f"[bold]verified[/bold]  {escape(str(proved))}", soft_wrap=True)
    out.print(f"[bold]searched[/bold]  the largest difference found is {worst.error:.6g}", soft_wrap=True)


def _list(out: Any) -> None:
    from rich.markup import escape

    from nnlimits.approximation import TARGETS, named_target
    from nnlimits.approximation.theorems import THEOREMS

    out.print("[bold]functions[/bold], on the cube from -1 to 1; in two dimensions:")
    for name in TARGETS:
        named = named_target(name, 2)
        known = "has jumps" if named.lipschitz is None else f"Lipschitz constant {named.lipschitz:.4g}"
        formula = named.formula if len(named.formula) < 60 else "sum of sines of six frequencies"
        out.print(f"  [bold]{name}[/bold]  {named.kind}, {known}: {escape(formula)}", soft_wrap=True)
    out.print("[bold]theorems[/bold], with what each can be given:")
    for theorem in THEOREMS.values():
        options = ", ".join(f"--{option}" for option in theorem.takes)
        out.print(f"  [bold]{theorem.name}[/bold]  {escape(theorem.statement)}; {options}", soft_wrap=True)
