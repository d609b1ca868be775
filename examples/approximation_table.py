"""Every theorem of universal approximation on functions of every kind, and how fast greedy networks approach them.

    python examples/approximation_table.py --folder figures
    python examples/approximation_table.py --folder figures --only-rates

Prints what is certified, proved, found by an adversarial search, and measured on a held-out set in the sup norm and in L^2, one
row a network; then the rates fitted to networks of growing size beside those that the theorems promise. Saves a figure of each
network, and two of the rates. About fifteen minutes on one core.
"""

import argparse
import math
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from nnlimits.approximation.experiments import (
    CASES,
    RATES,
    GreedyRate,
    Row,
    TheoremRate,
    greedy_rates,
    theorem_rates,
    theorem_table,
)
from nnlimits.plots import save
from nnlimits.plots.approximation import approximation
from nnlimits.plots.greedy_rates import greedy_rates as draw_greedy_rates
from nnlimits.plots.theorem_rates import theorem_rates as draw_theorem_rates

_GREEDY = "barron", "orthogonal-greedy"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("approximation"))
    parser.add_argument("--theorems", nargs="+", choices=sorted({case.theorem for case in CASES}), help="only these")
    parser.add_argument("--without-rates", action="store_true", help="no networks of growing size")
    parser.add_argument("--only-rates", action="store_true", help="nothing but them")
    parser.add_argument("--largest", type=int, default=64, help="units of the largest greedy networks (64)")
    options = parser.parse_args()
    out, progress = Console(width=190), Console(stderr=True)
    wanted = options.theorems or sorted({case.theorem for case in CASES})
    if not options.only_rates:
        networks(wanted, options.folder, out, progress)
    if not options.without_rates:
        growing(wanted, options.folder, out, progress)
        if set(_GREEDY) & set(wanted):
            greedy(options.largest, options.folder, out, progress)
    print(f"figures saved: {options.folder}")


def networks(wanted: list[str], folder: Path, out: Console, progress: Console) -> None:
    rows = theorem_table([case for case in CASES if case.theorem in wanted], advance=progress.print)
    out.print(network_table(rows))
    for row in rows:
        name = f"{row.case.theorem}_{row.case.target}_{row.case.dimension}_{row.case.budget.replace(' ', '_')}.png"
        save(approximation(row.approximation, row.case.target), folder / name)


def growing(wanted: list[str], folder: Path, out: Console, progress: Console) -> None:
    found = theorem_rates([case for case in RATES if case.theorem in wanted], advance=progress.print)
    if found:
        out.print(rate_table(found))
        save(draw_theorem_rates(found), folder / "theorem_rates.png")


def greedy(largest: int, folder: Path, out: Console, progress: Console) -> None:
    sizes = sorted({round(2 ** (step / 2)) for step in range(6, 1 + round(2 * math.log2(largest)))})
    found = greedy_rates(sizes=sizes, advance=progress.print)
    out.print(greedy_table(found))
    save(draw_greedy_rates(found), folder / "greedy_rates.png")


def network_table(rows: tuple[Row, ...]) -> Table:
    """One row a network."""
    heads = "theorem", "target", "kind", "d", "budget", "depth", "width", "weights", "norm", "promised", "proved"
    heads += "verified", "attacked", "sup", "L2", "holds"
    made = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False, title="Networks", caption=_TABLE_CAPTION)
    for row in rows:
        found = row.approximation
        certificate = found.certificate
        norm = f"L{certificate.p:g}" if certificate.p else certificate.norm
        proved = "estimated" if not certificate.rigorous else "w.h.p." if certificate.failure else "yes"
        checks = [written(value) for value in (row.verified, row.attacked, found.error.sup, found.error.l2)]
        counts = [f"{count:,}" for count in row.size[:3]]
        cells = [row.case.theorem, row.case.target, row.kind, f"{row.case.dimension}", row.case.budget, *counts, norm]
        made.add_row(
            *cells, written(certificate.bound), proved, *checks, "yes" if row.holds else "[bold red]NO[/bold red]"
        )
    return made


_TABLE_CAPTION = (
    "promised: the certificate's bound in its norm; verified: bounded by intervals, or by the greedy theorems' own proof; "
    "attacked: the largest difference that a search found; sup and L2: measured on the held-out set"
)


def rate_table(found: tuple[TheoremRate, ...]) -> Table:
    """One row a theorem and a function, in the order of the theorems."""
    heads = "theorem", "activation", "target", "d", "from", "to", "in", "norm", "promised", "sup", "L2", "share"
    made = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False, title="Rates", caption=_RATES_CAPTION)
    for one in found:
        case, norm = one.case, "L2" if one.certificate.p else one.certificate.norm
        cells = [case.theorem, type(case.activation).__name__ if case.activation else "Relu", case.target]
        cells += [f"{case.dimension}", f"{one.scales[0]:g}", f"{one.scales[-1]:g}", case.scale, norm]
        made.add_row(
            *cells,
            f"{case.promised:.2f}",
            f"{one.sup_rate.slope:.2f}",
            f"{one.l2_rate.slope:.2f}",
            f"{one.share:.3f}",
        )
    return made


_RATES_CAPTION = (
    "promised: the exponent of the theorem, in the norm named; sup and L2: exponents fitted to what was measured; share: the "
    "largest measured error in parts of its certificate"
)


def greedy_table(found: tuple[GreedyRate, ...]) -> Table:
    """One row a function, dimension and algorithm; the onset is the number of units from which the bound falls at its rate."""
    heads = "algorithm", "units", "target", "d", "variation", "onset", "slope", "95 %", "bound's slope", "promised"
    made = Table(*heads, "held out / fitted", "share of bound", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        share = float((one.errors / one.bounds_from_start[:, None]).max())
        excess = float((one.errors[-1] / one.fitted[-1]).mean())
        interval = f"{one.rate.low:.2f} to {one.rate.high:.2f}"
        units = {0: "steps", 1: "ReLU"}.get(one.degree, f"ReLU^{one.degree}")
        cells = [one.algorithm, units, one.target, f"{one.dimension}", f"{one.variation:.3g}", f"{one.onset:,.0f}"]
        cells += [f"{one.rate.slope:.2f}", interval, f"{one.bound_slope:.2f}", f"{one.promised:.2f}"]
        made.add_row(*cells, f"{excess:.2f}", f"{share:.3f}")
    return made


def written(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()
