"""`nnlimits rkhs mercer`."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli import options
from nnlimits.cli.errors import reported
from nnlimits.cli.experiments import Folder, print_saved

LISTED = 12
"""Degrees that are listed."""


@reported()
def mercer(
    network: options.Network = "mlp",
    depth: options.Depth = None,
    activation: options.Activation = None,
    w_std: options.WStd = None,
    b_std: options.BStd = None,
    dimension: Annotated[int, typer.Option(help="Of the inputs, uniform on a sphere.", min=2)] = 10,
    degrees: Annotated[int, typer.Option(help="The highest degree of spherical harmonics.", min=1)] = 60,
    radius: Annotated[float | None, typer.Option(help="Of the sphere; sqrt(dimension) if left out.")] = None,
    folder: Folder = Path(),
) -> None:
    """The eigenvalues of a fully connected network's kernels on a sphere: what it learns first, and how fast they fall.

    For example: nnlimits rkhs mercer mlp --depth 1 --activation relu --dimension 5
    """
    from nnlimits.cli import console, networks
    from nnlimits.plots import save
    from nnlimits.plots.mercer_spectrum import mercer_spectrum
    from nnlimits.rkhs.experiments import sphere_spectra

    net = networks.resolve(network, options.given(depth=depth, activation=activation, w_std=w_std, b_std=b_std))
    out, stages = console.output(), console.Stages()
    out.print(f"[bold]network[/bold]  {net!r}", soft_wrap=True)
    with stages.stage("spectra", 2) as advance:
        found = sphere_spectra(net, dimension, degrees, radius=radius, advance=advance)
    _print_eigenvalues(out, found)
    for name, spectrum in found.spectra.items():
        out.print(f"[bold]{name}[/bold]  {_promise(found.exponent(name))}; {_tail(spectrum)}", soft_wrap=True)
    print_saved(out, [save(mercer_spectrum(found), folder / "mercer.png")])


def _print_eigenvalues(out: Any, found: Any) -> None:
    import numpy as np

    from nnlimits.cli.tables import Column, numbers

    columns, parts = [Column("harmonics", ",.0f" if _most(found) < 1e15 else ".4g")], []
    for name, spectrum in found.spectra.items():
        columns += [Column(f"{name}: eigenvalue", ".6g"), Column("share of trace", ".4f")]
        seen = np.where(spectrum.resolved, spectrum.eigenvalues, math.nan)
        parts.append((seen, seen * spectrum.multiplicities / spectrum.diagonal))
    first = next(iter(found.spectra.values()))
    rows = [
        (str(k), [first.multiplicities[k], *(part[k] for pair in parts for part in pair)])
        for k in range(min(LISTED, len(first.eigenvalues)))
    ]
    unseen = "; -: none above rounding" if any(math.isnan(number) for _, listed in rows for number in listed) else ""
    text = f"Eigenvalues on the sphere of radius {first.radius:.4g} in {first.dimension:,} dimensions{unseen}"
    out.print()
    out.print(numbers(text, "degree", columns, rows))


def _most(found: Any) -> float:
    """The most harmonics that a listed degree has."""
    return max(spectrum.multiplicities[:LISTED].max() for spectrum in found.spectra.values())


def _promise(exponent: float) -> str:
    if math.isnan(exponent):
        return "its singularity is of no kind with a known decay"
    if math.isinf(exponent):
        return "no singularity stands out of rounding: as far as is seen, eigenvalues fall faster than any power of the degree"
    return f"eigenvalues fall as k^-{exponent:.10g} at high degrees"


def _tail(spectrum: Any) -> str:
    share = spectrum.tail / spectrum.diagonal
    return f"{share:.2g} of the trace is beyond degree {len(spectrum.eigenvalues) - 1} or below rounding"
