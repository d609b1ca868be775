"""The process that is measured: it loads one case, then obeys one-word commands from its standard input.

Both sides run this same loop, each in its own environment, so it imports nothing but the standard library and NumPy.
Answers are lines of JSON on the standard output; everything else that is printed goes to the standard error.
"""

import argparse
import json
import os
import sys
import threading
import time

import numpy as np
from cases import Case

SAMPLE_ROWS = 64
LEAST_SUPPLY = 2**28
"""Bytes that a side works in, whatever the size of its result."""


def serve(build):
    """Run the loop; `build(case, activation, variant, x)` returns a function that computes the kernels.

    That function takes nothing and returns a pair (nngp, ntk), finished; either may be None. Commands: `call` times it
    once, `sample` returns the corner of its result, `quit` or the end of the input ends the process.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    parser = argparse.ArgumentParser()
    for name in ("case", "activation", "variant", "inputs"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    case = Case(**json.loads(arguments.case))
    x = np.load(arguments.inputs)
    start = time.perf_counter()
    compute = build(case, arguments.activation, arguments.variant, x)
    memory = MemoryUse(anonymous=case.output == "memmap")
    answers.write(json.dumps({"build_s": time.perf_counter() - start}) + "\n")
    for line in sys.stdin:
        command = line.strip()
        if command == "quit":
            break
        if case.output == "memory":
            _supply_pages(max(case.output_bytes, LEAST_SUPPLY))
        answers.write(json.dumps(_answer(command, compute, memory)) + "\n")


def _supply_pages(size):
    """Touch and free as much memory as the result takes, and what is worked in.

    A virtual machine gives memory that lies idle back to its host, while the other side has its turn. Getting it again
    can cost more than the kernels; neither side is to pay for it.
    """
    np.ones(size, np.uint8)


def _answer(command, compute, memory):
    if command not in ("call", "sample"):
        return {"error": f"unknown command {command!r}"}
    try:
        with memory:
            start = time.perf_counter()
            result = compute()
            seconds = time.perf_counter() - start
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:2000]}
    if command == "call":
        return {"seconds": seconds, "memory_bytes": memory.peak()}
    return {"sample": [None if k is None else np.asarray(k)[:SAMPLE_ROWS, :SAMPLE_ROWS].tolist() for k in result]}


class MemoryUse:
    """The most memory this process has used beyond what it held when this value was made, inputs included.

    Ordinarily the system's own record of the largest resident set. With `anonymous`, pages of mapped files are left
    out, as they can be written back at any time: the anonymous resident set is then sampled every 5 ms. Linux only.
    """

    def __init__(self, anonymous):
        self.anonymous = anonymous
        self.base = self.sampled = _status_bytes("RssAnon" if anonymous else "VmRSS")
        self._running = threading.Event()

    def __enter__(self):
        if self.anonymous and self.base is not None:
            self._running.set()
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_):
        if self._running.is_set():
            self._running.clear()
            self._thread.join()

    def _sample(self):
        while self._running.is_set():
            self.sampled = max(self.sampled, _status_bytes("RssAnon"))
            time.sleep(0.005)

    def peak(self):
        if self.base is None:
            return None
        return max(0, (self.sampled if self.anonymous else _status_bytes("VmHWM")) - self.base)


def _status_bytes(field):
    """A size from Linux's /proc/self/status, or None where there is no such file."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return None
