"""What a user waits for first: `python benchmarks/startup.py`.

The import, the command line's help, and the first call of a deep kernel, each in fresh processes, beside its budget.
Ends with status 1 where a budget is exceeded.
"""

import statistics
import subprocess
import sys
import time

from environments import our_environment
from rich.console import Console
from rich.table import Table

RUNS = 5
IMPORT_BUDGET = 1.3  # times the import of jax and equinox
FIRST_CALL_BUDGET = 2.0  # seconds

Row = tuple[str, str, str, bool]  # what was measured, the figure, its budget, and whether it is kept

USED = "import nnlimits; nnlimits.nn, nnlimits.kernel"

HELP = """
import sys
sys.argv = ["nnlimits", "--help"]
from nnlimits.cli import main
try:
    main()
finally:
    print("jax" in sys.modules, file=sys.stderr)
"""

FIRST_CALL = """
import time
import jax
import numpy as np
import nnlimits as nl
from nnlimits import nn

layers = [layer for _ in range(10) for layer in (nn.Dense(512, w_std=1.2, b_std=0.3), nn.Relu())]
x = np.random.default_rng(0).standard_normal((1000, 784)).astype(np.float32)
start = time.perf_counter()
kernel = nl.kernel(nn.Sequential(*layers, nn.Dense(1)))
jax.block_until_ready(kernel(x))
print(time.perf_counter() - start)
"""


def run(code: str) -> tuple[float, subprocess.CompletedProcess]:
    """Seconds of a fresh interpreter that executes `code`, and what it printed."""
    start = time.perf_counter()
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env=our_environment(),
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return time.perf_counter() - start, finished


def best_times(*codes: str) -> list[float]:
    """The shortest of several runs of each, taken in turns; the interpreter's own start is subtracted."""
    times = [[run(code)[0] for code in ("pass", *codes)] for _ in range(RUNS)]
    empty, *rest = (min(column) for column in zip(*times, strict=True))
    return [seconds - empty for seconds in rest]


def imports() -> list[Row]:
    base, package, used = best_times("import jax, equinox", "import nnlimits", USED)
    budget = IMPORT_BUDGET * base
    return [
        ("import jax, equinox", f"{base:.2f} s", "", True),
        ("import nnlimits", f"{package:.2f} s", f"{budget:.2f} s", package <= budget),
        ("with nn and kernel, at first use", f"{used:.2f} s", f"{budget:.2f} s", used <= budget),
    ]


def command_line() -> list[Row]:
    runs = [run(HELP) for _ in range(RUNS)]
    with_jax = any(finished.stderr.split()[-1] == "True" for _, finished in runs)
    return [
        ("nnlimits --help, whole process", f"{min(seconds for seconds, _ in runs):.2f} s", "", True),
        ("nnlimits --help imports jax", "yes" if with_jax else "no", "no", not with_jax),
    ]


def first_call() -> list[Row]:
    seconds = statistics.median(float(run(FIRST_CALL)[1].stdout) for _ in range(3))
    kept = seconds <= FIRST_CALL_BUDGET
    return [("first call, 10 hidden layers, n = 1,000", f"{seconds:.2f} s", f"{FIRST_CALL_BUDGET:.2f} s", kept)]


def main() -> int:
    console = Console()
    found = []
    for measurement in (imports, command_line, first_call):
        with console.status(f"{measurement.__name__}: starting fresh processes"):
            try:
                found += measurement()
            except subprocess.CalledProcessError as error:
                found.append((measurement.__name__, error.stderr.strip().splitlines()[-1], "to run", False))
    table = Table("what", "figure", "budget", "kept", title="Start-up")
    for what, figure, budget, kept in found:
        table.add_row(what, figure, budget, ("yes" if kept else "NO") if budget else "")
    console.print(table)
    return 0 if all(kept for *_, kept in found) else 1


if __name__ == "__main__":
    sys.exit(main())
