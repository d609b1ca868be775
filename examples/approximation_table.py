"""Every theorem of universal approximation on functions of every kind, and how fast greedy networks approach them.

    python examples/approximation_table.py --folder figures
    python examples/approximation_table.py --folder figures --only-rates

Prints what is certified, proved, found by an adversarial search, and measured on a held-out set, one row a network; then the
fitted rates of the greedy algorithms. Saves a figure of each network, and one of the rates. About ten minutes on one core, of
which the rates take five.
"""

import argparse
import math
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from nnlimits.approximation.experiments import CASES, GreedyRate, Row, greedy_rates, theorem_table
from nnlimits.plots import save
from nnlimits.plots.approximation import approximation
from nnlimits.plots.greedy_rates import greedy_rates as draw_rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("approximation"))
    parser.add_argument("--theorems", nargs="+", help="only these")
    parser.add_argument("--without-rates", action="store_true", help="no rates of greedy algorithms")
    parser.add_argument("--only-rates", action="store_true", help="nothing but them")
    parser.add_argument("--largest", type=int, default=64, help="units of the largest greedy networks (64)")
    options = parser.parse_args()
    progress, out = Console(stderr=True), Console(width=170)
    if not options.only_rates:
        cases = [case for case in CASES if not options.theorems or case.theorem in options.theorems]
        rows = theorem_table(cases, advance=progress.print)
        out.print(table(rows))
        for row in rows:
            name = f"{row.case.theorem}_{row.case.target}_{row.case.dimension}_{row.case.budget.replace(' ', '_')}.png"
            save(approximation(row.approximation, row.case.target), options.folder / name)
    if not options.without_rates:
        sizes = sorted({round(2 ** (step / 2)) for step in range(6, 1 + round(2 * math.log2(options.largest)))})
        found = greedy_rates(sizes=sizes, advance=progress.print)
        out.print(rates(found))
        save(draw_rates(found), options.folder / "greedy_rates.png")
    print(f"figures saved: {options.folder}")


def table(rows: tuple[Row, ...]) -> Table:
    """One row a network."""
    heads = "theorem", "target", "kind", "d", "budget", "depth", "width", "weights", "norm", "certified", "proved"
    made = Table(*heads, "verified", "attacked", "measured", "holds", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        found = row.approximation
        certificate = found.certificate
        norm = f"L{certificate.p:g}" if certificate.p else certificate.norm
        proved = "estimated" if not certificate.rigorous else "w.h.p." if certificate.failure else "yes"
        checks = [written(value) for value in (row.verified, row.attacked, found.measured)]
        counts = [f"{count:,}" for count in row.size[:3]]
        cells = [row.case.theorem, row.case.target, row.kind, f"{row.case.dimension}", row.case.budget, *counts, norm]
        made.add_row(
            *cells, written(certificate.bound), proved, *checks, "yes" if row.holds else "[bold red]NO[/bold red]"
        )
    return made


def rates(found: tuple[GreedyRate, ...]) -> Table:
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
