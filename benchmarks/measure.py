"""Measuring one case: the peer's variants are tried in turn, the best then alternates with ours call by call."""

import contextlib
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys

import numpy as np
from cases import Case
from environments import HERE, our_environment, peer_environment

SCOUTING_CALLS = 3  # the first compiles
CLOSE = 60  # seconds a process is given to end


class SideError(RuntimeError):
    """A process that could not finish its call; the message says why."""


class Side:
    """One measured process, alive between calls so that two sides can take turns."""

    def __init__(self, python, script, environment, case, activation, variant, inputs):
        command = [python, str(HERE / script), "--activation", activation, "--variant", variant]
        command += ["--inputs", str(inputs), "--case", json.dumps(dataclasses.asdict(case))]
        self.variant = variant
        self.activation = activation
        self._errors = (pathlib.Path(inputs).parent / f"{script}-{activation}-{variant}.log").open("w+")
        self._process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self._read()
        self.times: list[float] = []
        self.memory_bytes = None

    def call(self) -> float:
        """Run once; the seconds it took."""
        answer = self._ask("call")
        self.times.append(answer["seconds"])
        self.memory_bytes = answer["memory_bytes"]
        return answer["seconds"]

    def sample(self):
        """The corners of both kernels, for the comparison of the two sides' values."""
        return self._ask("sample")["sample"]

    def summary(self) -> dict:
        first, *warm = self.times
        return {
            "activation": self.activation,
            "variant": self.variant,
            "first_call_s": first,
            "median_s": statistics.median(warm),
            "best_s": min(warm),
            "calls": len(warm),
            "memory_bytes": self.memory_bytes,
        }

    def _ask(self, command):
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SideError(self._last_words()) from None
        return self._read()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise SideError(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise SideError(answer["error"])
        return answer

    def _last_words(self):
        self._process.wait(CLOSE)
        self._errors.seek(0)
        lines = [line for line in self._errors.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"ended with status {self._process.returncode}"

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(CLOSE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def peer_variants(case: Case) -> list[str]:
    """Three algorithms for an empirical kernel.

    Otherwise the whole kernel under one `jit`, and the peer's tiling with sizes that divide n, on one and two devices.
    """
    if case.empirical:
        return [f"implementation-{number}" for number in (1, 2, 3)]
    sizes = [max(1, case.n // parts) for parts in (20, 10, 4) if case.n < parts or case.n % parts == 0]
    return ["jit", *dict.fromkeys(f"batch-{size}" for size in sizes), f"devices-{sizes[1]}"]


def measure(case: Case, peer_python: str, folder: pathlib.Path, repeats: int, step) -> dict:
    """All figures of one case. `step(text)` is told what is being done."""
    inputs = folder / "inputs.npy"
    np.save(inputs, np.random.default_rng(0).standard_normal((case.n, *case.shape)).astype(case.dtype))
    result = {"case": dataclasses.asdict(case), "output_bytes": case.output_bytes, "peer": None, "ours": []}
    open_peer = None
    with contextlib.ExitStack() as stack:
        if case.peer is not None:
            result["peer_variants"], best = scout(case, peer_python, inputs, step)
            open_peer = start_peer(case, peer_python, best, inputs)
            stack.callback(open_peer.close)
        ours = []
        for activation in case.ours:
            side = Side(sys.executable, "ours.py", our_environment(), case, activation, "default", inputs)
            stack.callback(side.close)
            ours.append(side)
        sides = [*([open_peer] if open_peer else []), *ours]
        for turn in range(1 + repeats):
            step(f"{case.name}: turn {turn} of {repeats}")
            for side in sides:
                side.call()
        result["ours"] = [side.summary() for side in ours]
        if open_peer:
            result["peer"] = open_peer.summary()
            step(f"{case.name}: comparing values")
            reference = open_peer.sample()
            for side, summary in zip(ours, result["ours"], strict=True):
                for ratio, seconds in (("ratio", "median_s"), ("ratio_of_best", "best_s")):
                    summary[ratio] = result["peer"][seconds] / summary[seconds]
                summary["difference"] = difference(side.sample(), reference)
    return result


def start_peer(case, peer_python, variant, inputs):
    return Side(peer_python, "peer_neural_tangents.py", peer_environment(), case, case.peer, variant, inputs)


def scout(case, peer_python, inputs, step) -> tuple[list[dict], str]:
    """Each of the peer's variants in a process of its own: figures of all, and the name of the quickest."""
    found = []
    for variant in peer_variants(case):
        step(f"{case.name}: trying the peer's {variant}")
        side = None
        try:
            side = start_peer(case, peer_python, variant, inputs)
            for _ in range(SCOUTING_CALLS):
                side.call()
            found.append(side.summary())
        except SideError as error:
            found.append({"variant": variant, "error": str(error)})
        finally:
            if side is not None:
                side.close()
    working = [summary for summary in found if "error" not in summary]
    if not working:
        raise SideError(f"none of the peer's variants finished: {found}")
    return found, min(working, key=lambda summary: summary["best_s"])["variant"]


def difference(sample, reference) -> float:
    """The largest difference of any entry, of either kernel asked for, relative to the kernel's largest entry."""
    pairs = [(np.array(a), np.array(b)) for a, b in zip(sample, reference, strict=True) if b is not None]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
