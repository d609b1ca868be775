"""What a network learns between mean-field and lazy training, by the scale of its output."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nnlimits import nn
from nnlimits.mean_field.laws import gaussian
from nnlimits.mean_field.lazy import lazy_training
from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import EmpiricalRisk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.progress import Advance, ignore
from nnlimits.rates import FittedRate, fitted_rate
from nnlimits.validation import check_positive

_LAZY = 4.0
"""Scales from this times `sqrt(m)` on are fitted."""


class Regimes(NamedTuple):
    """Training at several scales of the output up to one time, for several draws of teacher, data and neurons."""

    alphas: Float[np.ndarray, " alphas"]
    m: int
    """The number of neurons: alpha is one at the mean-field scale, `sqrt(m)` at that of the NTK."""
    time: float
    risks: Float[np.ndarray, "alphas seeds"]
    """Half the mean square error on the training data; 1/2 is about that of the constant zero."""
    test_risks: Float[np.ndarray, "alphas seeds"]
    weight_change: Float[np.ndarray, "alphas seeds"]
    """Of hidden weights, relative to their size at the start, in root mean square over neurons."""
    kernel_change: Float[np.ndarray, "alphas seeds"]
    """Of the tangent kernel on the training inputs, relative to its Frobenius norm at the start."""

    def rate(self, name: str) -> FittedRate | None:
        """The power of alpha in `"weight_change"` or `"kernel_change"`, fitted from `4 sqrt(m)` on; `None` for fewer than two.

        Draws that differ by a factor at all scales have the same power: each is brought to the mean of all first.
        """
        lazy = self.alphas >= _LAZY * self.m**0.5
        if lazy.sum() < 2:
            return None
        values = getattr(self, name)[lazy]
        levels = np.log(values).mean(0)
        return fitted_rate(self.alphas[lazy], values * np.exp(levels.mean() - levels))


def regimes(
    alphas: Sequence[int | float] = (1, 2, 4, 8, 16, 32, 64, 128, 256),
    *,
    m: int = 256,
    dimension: int = 10,
    teacher: int = 3,
    examples: int = 200,
    held_out: int = 2_000,
    end: float = 300.0,
    seeds: int = 5,
    seed: int = 0,
    advance: Advance = ignore,
) -> Regimes:
    """A network `(alpha / m) sum of a erf(<w, x>)` that learns a teacher of few neurons, from mean-field to lazy training.

    The factor before the sum is `1/m` at `alpha = 1`, the mean-field scale, where neurons move by as much as they are large;
    `1/sqrt(m)` at `alpha = sqrt(m)`, the NTK's, where each moves less the more there are; and beyond it a network of any
    width is as close to its linearization as one likes. In a time of the flow that does not grow with alpha the outputs fit
    the data: gradient descent on all parameters at the rate `step m / alpha^2`, so `step m` at the one end and `step` at the
    NTK's. Hidden weights change as `1/alpha`, and the kernel as `1/alpha^2`, for neurons start in pairs with readout
    weights of both signs: outputs are zero, and the change of first order cancels. Where neurons do not move the network cannot
    learn on which directions the target depends, and needs more examples (Chizat, Oyallon & Bach 2019, section 3).

    **Arguments:** `alphas`, ascending; `m`, an even number of neurons; `dimension`, of Gaussian inputs; `teacher`, its width,
    with directions uniform on the sphere and readout weights of alternate signs, of which targets of unit variance are made;
    `examples` for training and `held_out` for the test risk; `end`, the time of the flow; `seeds`, draws of teacher, data
    and neurons; `seed`, the first; `advance`, told of each draw.

    **Raises:** `ValueError` for numbers out of range.
    """
    for name, value in (("dimension", dimension), ("teacher", teacher), ("examples", examples), ("seeds", seeds)):
        if isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be at least 1; received {value}")
    if m < 2 or m % 2:
        raise ValueError(f"m must be an even number of at least 2, as neurons come in pairs; received {m}")
    if held_out < 1:
        raise ValueError(f"held_out must be at least 1; received {held_out}")
    check_positive("end", end)
    found = []
    for draw in range(seed, seed + seeds):
        risk, test, start = _drawn(draw, m, dimension, teacher, examples, held_out)
        found.append(lazy_training(risk, start, list(alphas), [0.0, end], test=test))
        advance(f"draw {draw - seed + 1}")
    parts = ("risks", "test_risks", "weight_change", "kernel_change")
    last = (np.stack([getattr(course, part)[:, -1] for course in found], 1) for part in parts)
    return Regimes(found[0].alphas, m, float(end), *last)


def _drawn(
    seed: int, m: int, dimension: int, teacher: int, examples: int, held_out: int
) -> tuple[EmpiricalRisk, tuple[Any, Any], Neurons]:
    """Training data, test data, and paired neurons whose hidden weights have the mean square length one."""
    units, rng = TwoLayer(nn.Erf(), dimension), np.random.default_rng(seed)
    w = rng.standard_normal((teacher, dimension))
    a = np.where(np.arange(teacher) % 2 == 0, 1.0, -1.0)[:, None]
    known = Neurons(np.concatenate([w / np.linalg.norm(w, axis=1, keepdims=True), a], 1))
    x = rng.standard_normal((examples + held_out, dimension))
    with jax.enable_x64(True):
        y = np.asarray(units.apply(known, x))
        half = np.asarray(
            gaussian(units.size, [dimension**-0.5] * dimension + [1.0]).draw(jax.random.key(seed), m // 2, np.float64)
        )
    y = y / y.std()
    pairs = np.concatenate([half, half * np.array([1.0] * dimension + [-1.0])])
    return EmpiricalRisk(units, x[:examples], y[:examples]), (x[examples:], y[examples:]), Neurons(pairs)
