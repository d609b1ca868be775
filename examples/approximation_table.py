"""Every theorem of universal approximation on functions of every kind, and how fast greedy networks approach them.

    python examples/approximation_table.py --folder figures

Prints what is certified, proved, found by an adversarial search, and measured on a held-out set in the sup norm and in L^2, one
row a network; then the rates fitted to networks of growing size beside those that the theorems promise. Saves a figure of each
network, and two of the rates. About fifteen minutes on one core.
"""

import argparse
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
    parser.add_argument("--without-rates", action="store_true")
    options = parser.parse_args()
    progress, out = Console(stderr=True), Console(width=190)
    wanted = options.theorems or [case.theorem for case in CASES]
    rows = theorem_table([case for case in CASES if case.theorem in wanted], advance=progress.print)
    out.print(table(rows))
    for row in rows:
        name = f"{row.case.theorem}_{row.case.target}_{row.case.dimension}_{row.case.budget.replace(' ', '_')}.png"
        save(approximation(row.approximation, row.case.target), options.folder / name)
    if not options.without_rates:
        found = theorem_rates([case for case in RATES if case.theorem in wanted], advance=progress.print)
        greedy = greedy_rates(advance=progress.print) if set(_GREEDY) & set(wanted) else ()
        out.print(rates(found, greedy))
        if found:
            save(draw_theorem_rates(found), options.folder / "theorem_rates.png")
        if greedy:
            save(draw_greedy_rates(greedy), options.folder / "greedy_rates.png")
    print(f"figures saved: {options.folder}")


def table(rows: tuple[Row, ...]) -> Table:
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


def rates(found: tuple[TheoremRate, ...], greedy: tuple[GreedyRate, ...]) -> Table:
    """One row a theorem and a function, in the order of the theorems; of the greedy ones, only L^2 is measured."""
    heads = "theorem", "activation", "target", "d", "from", "to", "in", "norm", "promised", "sup", "L2", "95 %"
    made = Table(*heads, "share", box=box.SIMPLE_HEAD, pad_edge=False, title="Rates", caption=_RATES_CAPTION)
    for one in found:
        case, norm = one.case, "L2" if one.certificate.p else one.certificate.norm
        cells = [case.theorem, type(case.activation).__name__ if case.activation else "Relu", case.target]
        cells += [f"{case.dimension}", f"{one.scales[0]:g}", f"{one.scales[-1]:g}", case.scale, norm]
        made.add_row(
            *cells,
            f"{case.promised:.2f}",
            f"{one.sup_rate.slope:.2f}",
            f"{one.l2_rate.slope:.2f}",
            "",
            f"{one.share:.3f}",
        )
    for one in sorted(greedy, key=lambda one: one.algorithm, reverse=True):
        name = dict(zip(("relaxed", "orthogonal"), _GREEDY, strict=True))[one.algorithm]
        units = {0: "Step", 1: "Relu"}.get(one.degree, f"ReLU^{one.degree}")
        cells = [name, units, one.target, f"{one.dimension}", f"{one.sizes[0]}", f"{one.sizes[-1]}", "units", "L2"]
        share = float((one.errors / one.bounds[:, None]).max())
        interval = f"{one.rate.low:.2f} to {one.rate.high:.2f}"
        made.add_row(*cells, f"{one.promised:.2f}", "", f"{one.rate.slope:.2f}", interval, f"{share:.3f}")
    return made


_RATES_CAPTION = (
    "promised: the exponent of the theorem, in the norm named; sup and L2: exponents fitted to what was measured; share: the "
    "largest measured error in parts of its certificate. In four dimensions and more, networks of up to 128 units do not follow "
    "the rate yet; their errors are far below their certificates"
)


def written(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()
