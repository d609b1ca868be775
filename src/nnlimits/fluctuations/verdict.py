"""Whether a network is wide enough for its depth: the size of the first order in 1/width, in words."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, ArrayLike

from nnlimits import nn
from nnlimits.fluctuations.fluctuations import fluctuations, read_checked
from nnlimits.validation import check_inputs

NARROW, WIDE = 0.25, 0.01
"""Relative variances of kernel or NTK: from the first on the expansion fails, up to the second it hardly matters.

ReLU networks have `E[S^2] / E[S]^2 = exp(r)` up to higher orders, `r` the first order's relative variance: at
`r = 0.25` the second order is an eighth of the first, and at `r = 0.01` the kernel's standard deviation is a tenth of its mean.
"""


class Verdict(NamedTuple):
    """How far a finite network is from its infinite-width limit, at the input that is worst."""

    category: str
    """`"wide"`: infinite width describes it. `"finite"`: the first order in 1/width does. `"narrow"`: depth over width is too
    large for either."""
    depth_to_width: float
    """The sum of 1/width over hidden layers."""
    kernel_deviation: float
    """The relative standard deviation of an output's variance over networks, `sqrt(V_aaaa) / K_aa`."""
    ntk_deviation: float
    """The relative standard deviation of an output's NTK."""
    kurtosis: float
    """The excess kurtosis of an output."""
    kernel_shift: float
    """The relative correction of the mean kernel, `G_aa / K_aa`."""
    ntk_shift: float
    """The relative correction of the mean NTK."""

    def __str__(self) -> str:
        size = (
            f"Depth over width is {self.depth_to_width:.3g}: between random networks of this shape the variance of an output "
            f"varies by {self.kernel_deviation:.1%}, its tangent kernel by {self.ntk_deviation:.1%} (standard deviations at "
            f"first order), and outputs have excess kurtosis {self.kurtosis:.3g}."
        )
        return f"{size} {_ADVICE[self.category]}"


_ADVICE = {
    "wide": "The infinite-width limit describes this network well.",
    "finite": "The infinite-width limit is a first approximation; corrections of first order in 1/width matter, and suffice.",
    "narrow": "The expansion in 1/width does not hold: widen the network or make it shallower, or take averages over simulated "
    "networks (nnlimits.empirical.monte_carlo).",
}


def verdict(network: nn.Layer, x: ArrayLike | None = None) -> Verdict:
    """Whether the infinite-width limit, or its first correction, describes a network.

    **Arguments:** `network`, as for `fluctuations`; `x`, inputs `(n, d)`, each looked at by itself; if absent, one input of mean
    square 1 (with one feature, which matters to the NTK in the standard parameterization only).

    **Returns:** `Verdict`; its `str` says it in words.

    **Raises:** as `fluctuations`.
    """
    given: Any = np.ones((1, 1)) if x is None else x
    inputs = np.asarray(check_inputs("x", given, rank=max(np.ndim(given), 2)))
    reading = read_checked(network, inputs)
    found = [fluctuations(network, row[None]) for row in inputs]
    kernel = max(float(f.kernel_variance[0]) for f in found)
    ntk = max(float(f.ntk_variance[0]) for f in found)
    shifts = [(_ratio(f.kernel_correction, f.kernel), _ratio(f.ntk_correction, f.ntk)) for f in found]
    largest = max(kernel, ntk)
    category = "wide" if largest < WIDE else "finite" if largest < NARROW else "narrow"
    return Verdict(
        category,
        float(sum(1 / np.asarray(step.width) for step in reading.steps)),
        kernel**0.5,
        ntk**0.5,
        3 * kernel,
        *(max((s[i] for s in shifts), key=abs) for i in range(2)),
    )


def _ratio(change: Array, of: Array) -> float:
    numerator, denominator = (np.asarray(v, np.float64).item() for v in (change, of))
    return numerator / denominator if denominator != 0 else 0.0
