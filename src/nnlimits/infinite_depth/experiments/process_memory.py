"""The memory that the gradient of an ODE network takes of a process of its own."""

import subprocess
import sys

from nnlimits.infinite_depth.experiments.adjoints import METHODS, STORED
from nnlimits.nn.fields import as_integer

_EXAMPLES = 8192
_PROGRAM = """
import sys
import jax, numpy as np
from nnlimits.infinite_depth.experiments.adjoints import problem, programs

def peak():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

name, steps, examples = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params, x = problem(0, np.float32, examples)
gradient = jax.jit(jax.grad(programs()[name](steps))).lower(params, x).compile()
before = peak()
jax.block_until_ready(gradient(params, x))
print(peak() - before, x.nbytes)
"""


def process_memory(name: str, steps: int) -> float:
    """How far one gradient through so many steps raises the peak of the resident set, in states of all examples.

    A fresh Python process compiles the gradient, notes its peak, computes the gradient once, and notes the peak again. Linux
    only.

    **Arguments:** `name`, one of `adjoints.METHODS`, or "residual network"; `steps`, at least 1.

    **Raises:** `ValueError` for another name or number; `RuntimeError` if the process fails.
    """
    names = (STORED, *METHODS)
    if name not in names:
        raise ValueError(f"name must be one of {', '.join(map(repr, names))}; received {name!r}")
    arguments = [sys.executable, "-c", _PROGRAM, name, str(as_integer("steps", 1, steps)), str(_EXAMPLES)]
    run = subprocess.run(arguments, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if run.returncode:
        raise RuntimeError(f"the process that measures {name!r} failed: {run.stderr.strip()[-500:]}")
    raised, state = map(int, run.stdout.split())
    return raised / state
