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


def measurements() -> list[tuple[str, str, str, bool]]:
    """What was measured, the figure, its budget, and whether it is kept."""
    base, package = best_times("import jax, equinox", "import nnlimits")
    helps = [run(HELP) for _ in range(RUNS)]
    without_jax = all(finished.stderr.split()[-1] == "False" for _, finished in helps)
    first = statistics.median(float(run(FIRST_CALL)[1].stdout) for _ in range(3))
    return [
        ("import jax, equinox", f"{base:.2f} s", "", True),
        ("import nnlimits", f"{package:.2f} s", f"{IMPORT_BUDGET * base:.2f} s", package <= IMPORT_BUDGET * base),
        ("nnlimits --help, whole process", f"{min(seconds for seconds, _ in helps):.2f} s", "", True),
        ("nnlimits --help imports jax", "no" if without_jax else "yes", "no", without_jax),
        (
            "first call, 10 hidden layers, n = 1,000",
            f"{first:.2f} s",
            f"{FIRST_CALL_BUDGET:.2f} s",
            first <= FIRST_CALL_BUDGET,
        ),
    ]


def main() -> int:
    console = Console()
    with console.status("starting fresh processes"):
        found = measurements()
    table = Table("what", "figure", "budget", "kept", title="Start-up")
    for what, figure, budget, kept in found:
        table.add_row(what, figure, budget, ("yes" if kept else "NO") if budget else "")
    console.print(table)
    return 0 if all(kept for *_, kept in found) else 1


if __name__ == "__main__":
    sys.exit(main())
