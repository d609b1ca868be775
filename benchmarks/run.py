"""Compare nnlimits with neural-tangents: `python benchmarks/run.py [--cases PATTERN ...] [--quick]`.

Both sides compute both kernels of the same arrays, in processes of their own that take turns, call by call. The peer is
given its best variant, found in the same run. Its environment is built on first use in `benchmarks/environments/`.
"""

import argparse
import dataclasses
import pathlib
import sys
import tempfile

import cases
import environments
import report
from measure import SideError, measure
from rich.console import Console

RESULTS = pathlib.Path(__file__).resolve().parent / "results"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=[], metavar="PATTERN", help="names, * allowed; default: all")
    parser.add_argument("--quick", action="store_true", help="five times fewer examples, two timed calls")
    parser.add_argument("--repeats", type=int, default=None, help="timed calls of each side (default 5)")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="folder for results.json and results.md")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        selected = cases.select(options.cases)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        console.print("\n".join(case.name for case in selected))
        return 0
    if options.quick:
        selected = [cases.shrink(case) for case in selected]
    repeats = options.repeats or (2 if options.quick else 5)
    results = run(selected, repeats, options.output, console)
    report.show(results, console)
    return 1 if any("error" in result for result in results) else 0


def run(selected: list[cases.Case], repeats: int, output: pathlib.Path, console: Console) -> list[dict]:
    """The figures of each case, written to `output` as they come; a failing case is reported and the others go on."""
    peer_python = environments.peer_python(console.print) if any(case.peer for case in selected) else ""
    results = []
    with console.status("starting") as status, tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(selected, 1):

            def step(text, number=number):
                status.update(f"[{number}/{len(selected)}] {text}")

            try:
                results.append(measure(case, peer_python, pathlib.Path(folder), repeats, step))
            except SideError as error:
                results.append({"case": dataclasses.asdict(case), "error": str(error)})
            report.save(results, output)
            console.print(f"{case.name}: {summary(results[-1])}")
    console.print(f"wrote results.json and results.md in {output}")
    return results


def summary(result: dict) -> str:
    """One line on one finished case."""
    if "error" in result:
        return result["error"]
    figures = []
    if result["peer"]:
        figures.append(f"peer ({result['peer']['variant']}) {result['peer']['median_s']:.3g} s")
    for ours in result["ours"]:
        figures.append(f"ours ({ours['activation']}) {ours['median_s']:.3g} s")
    return ", ".join(figures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
