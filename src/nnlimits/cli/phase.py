"""`nnlimits phase`: order and chaos, and where a network stands between them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nnlimits.cli import options
from nnlimits.cli.errors import reported


@reported()
def phase(
    network: options.Network = "mlp",
    depth: options.Depth = None,
    kernel_size: options.KernelSize = None,
    activation: options.Activation = None,
    w_std: options.WStd = None,
    b_std: options.BStd = None,
    figure: Annotated[Path | None, typer.Option(help="Save the phase diagram here, as PNG.")] = None,
    max_w_std: Annotated[float, typer.Option(help="Largest scale of weights in the diagram.")] = 2.0,
    max_b_std: Annotated[float, typer.Option(help="Largest scale of biases in the diagram.")] = 0.6,
    points: Annotated[
        int, typer.Option(help="Points of the diagram along weights; two thirds along biases.", min=4)
    ] = 30,
) -> None:
    """Where signals and gradients of a deep network settle, its critical initialization, and the phase diagram round it.

    For example: nnlimits phase mlp --activation tanh --w-std 1.5 --b-std 0.3 --figure phase.png
    """
    from nnlimits import signal
    from nnlimits.cli import console, networks

    if not (max_w_std > 0 and max_b_std > 0):
        raise ValueError(f"--max-w-std and --max-b-std must be positive; received {max_w_std:g} and {max_b_std:g}")
    given = options.given(depth=depth, kernel_size=kernel_size, activation=activation, w_std=w_std, b_std=b_std)
    net = networks.resolve(network, given)
    out, stages = console.output(), console.Stages()
    with stages.stage("fixed points"):
        block = signal.repeated_block(net)
        settled = signal.fixed_point(net)
    out.print(f"[bold]repeated block[/bold]  {block!r}", soft_wrap=True)
    print_fixed_point(out, settled)
    out.print(critical_text(net), soft_wrap=True)
    if figure is not None:
        _save_diagram(out, stages, net, block, figure, max_w_std, max_b_std, points)


def print_fixed_point(out: Any, settled: Any) -> None:
    """A table of where signals settle, and what it means."""
    from nnlimits.cli.tables import Column, numbers

    rows = [
        ("variance of a unit", [settled.variance]),
        ("correlation of two inputs", [settled.correlation]),
        ("growth of gradients a block, chi_perp", [settled.chi_perp]),
        ("growth of a difference in variance, chi_parallel", [settled.chi_parallel]),
        ("blocks in which correlations settle, xi_c", [settled.xi_c]),
        ("blocks in which variances settle, xi_q", [settled.xi_q]),
        ("trainable depth, blocks", [settled.trainable_depth]),
    ]
    out.print()
    out.print(numbers(f"Deep signals: the {settled.phase} phase", "where they settle", [Column("", ".6g")], rows))
    out.print(f"[dim]{MEANING[settled.phase]}[/dim]")


MEANING = {
    "ordered": "Inputs become alike and gradients vanish with depth: beyond the trainable depth nothing is learned.",
    "chaotic": "Near inputs come apart and gradients explode with depth: beyond the trainable depth nothing generalizes.",
    "critical": "Signals and gradients neither vanish nor explode with depth, but by powers of it.",
}


def critical_text(net: Any) -> str:
    """The critical scales of a network, or why there are none."""
    from nnlimits import nn, signal

    try:
        found = signal.critical(net)
    except (ValueError, NotImplementedError) as error:
        return f"[bold]critical initialization[/bold]  none: {error}"
    block = signal.repeated_block(found)
    layer = next(layer for layer in block.layers if isinstance(layer, nn.Dense))
    b_std = 0.0 if layer.b_std is None else layer.b_std
    return f"[bold]critical initialization[/bold]  w_std={layer.w_std:.8g}, b_std={b_std:.8g}"


def _save_diagram(
    out: Any, stages: Any, net: Any, block: Any, figure: Path, max_w_std: float, max_b_std: float, points: int
) -> None:
    import numpy as np

    from nnlimits import nn, plots, signal

    weights = np.sqrt(np.linspace(0.05, 1, points)) * max_w_std
    rows = max(3, 2 * points // 3)
    biases = np.linspace(1 / rows, 1, rows) * max_b_std  # its square is dense near zero, where the edge of chaos bends
    with stages.stage(f"phase diagram of {points * rows} points"):
        diagram = signal.phase_diagram(net, weights, np.concatenate([[1e-3 * max_b_std], biases]))
    layer = next((layer for layer in block.layers if isinstance(layer, nn.Dense)), None)
    mark = None if layer is None else (float(layer.w_std), float(layer.b_std or 0.0))
    if mark is not None and (mark[0] > max_w_std or mark[1] > max_b_std):
        mark = None
    saved = plots.save(plots.phase_diagram(diagram, mark=mark), figure)
    out.print(f"\nfigure saved: {saved}", soft_wrap=True)
