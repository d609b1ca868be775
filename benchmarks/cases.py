"""The benchmark's cases: which network, how many examples, which precision, and the ratio to reach.

This file is read in both environments, so it imports nothing outside the standard library.
"""

import dataclasses
import fnmatch
import math

FEATURES = 784
W_STD = math.sqrt(1.5)
B_STD = math.sqrt(0.1)


@dataclasses.dataclass(frozen=True)
class Case:
    """One comparison: a network of `depth` hidden layers on `n` standard-normal examples of a `shape`.

    `ours` lists the activations timed on our side, each against the peer's best variant of `peer` (None: ours alone).
    `output` is "memory", both kernels at once, or "memmap", the NTK written to a file by `nnlimits.gram`. With
    `empirical`, it is the empirical NTK of a finite network of a `width` instead: "full" for all pairs of its outputs, or
    their "trace"; examples of three axes are given to a convolutional one. With a `readout` the layers are 3x3 convolutions
    that keep the size, and it is "flatten" or "average", of all positions.
    """

    name: str
    ours: tuple[str, ...]
    peer: str | None
    depth: int
    n: int
    dtype: str
    target: float | None
    output: str = "memory"
    w_std: float = W_STD
    b_std: float = B_STD
    shape: tuple[int, ...] = (FEATURES,)
    empirical: str | None = None
    width: int = 512
    readout: str | None = None

    @property
    def output_bytes(self) -> int:
        if self.empirical:
            return self.n**2 * (100 if self.empirical == "full" else 1) * 4
        kernels = 1 if self.output == "memmap" else 2
        return kernels * self.n**2 * (8 if self.dtype == "float64" else 4)


def _in_both_precisions(name, ours, peer, depth, n, target):
    return [Case(f"{name}-{bits}", ours, peer, depth, n, f"float{bits}", target) for bits in (32, 64)]


def _empirical(name, n, shape, depth, width):
    options = {"dtype": "float32", "target": 1.0, "shape": shape, "width": width}
    return [Case(f"{name}-{e}", ("relu",), "relu", depth, n, empirical=e, **options) for e in ("full", "trace")]


def _convolutions(name, n, shape, readout, target):
    options = {"shape": shape, "readout": readout}
    return [Case(f"{name}-{bits}", ("relu",), "relu", 5, n, f"float{bits}", target, **options) for bits in (32, 64)]


CASES = (
    *_in_both_precisions("relu-3-5000", ("relu",), "relu", 3, 5_000, 3.0),
    *_in_both_precisions("relu-10-5000", ("relu",), "relu", 10, 5_000, 8.0),
    *_in_both_precisions("relu-10-10000", ("relu",), "relu", 10, 10_000, 10.0),
    *_in_both_precisions("erf-10-5000", ("erf",), "erf", 10, 5_000, 6.0),
    *_in_both_precisions("gelu-3-5000", ("gelu",), "gelu", 3, 5_000, 2.5),
    *_in_both_precisions("quadrature-3-1000", ("elementwise-tanh", "tanh"), "numerical-tanh", 3, 1_000, 100.0),
    Case("relu-10-20000-memmap", ("relu",), None, 10, 20_000, "float32", None, output="memmap"),
    *_convolutions("conv-flatten-200", 200, (32, 32, 3), "flatten", 5.0),
    *_convolutions("conv-average-8x8-100", 100, (8, 8, 1), "average", 20.0),
    *_convolutions("conv-average-32x32-10", 10, (32, 32, 3), "average", 20.0),
    *_empirical("empirical-mlp-200", 200, (784,), 3, 512),
    *_empirical("empirical-conv-50", 50, (32, 32, 3), 4, 64),
)


def select(patterns: list[str]) -> list[Case]:
    """The cases whose names match any of the shell-style patterns, in order; all of them without patterns."""
    if not patterns:
        return list(CASES)
    for pattern in patterns:
        if not any(fnmatch.fnmatch(case.name, pattern) for case in CASES):
            raise ValueError(f"no case matches {pattern!r}; the cases are {', '.join(case.name for case in CASES)}")
    return [case for case in CASES if any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns)]


def shrink(case: Case, factor: int = 5) -> Case:
    """The same case on `factor` times fewer examples, for a quick run; its target no longer applies."""
    n = case.n // factor
    return dataclasses.replace(case, name=f"{case.name}, n = {n}", n=n, target=None)
