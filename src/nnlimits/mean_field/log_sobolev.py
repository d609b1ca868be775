"""How fast noisy descent is sure to lower the free energy: logarithmic Sobolev inequalities of Gibbs measures."""

import functools
import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from nnlimits import nn
from nnlimits.mean_field.neurons import Neurons, Positions
from nnlimits.mean_field.radial import Radial
from nnlimits.mean_field.risk import EmpiricalRisk, Risk
from nnlimits.mean_field.two_layer import TwoLayer
from nnlimits.predict.losses import mse
from nnlimits.validation import check_non_negative, check_positive


class LogSobolev(NamedTuple):
    """What `log_sobolev` found."""

    constant: float
    """alpha, with `KL(rho | pi) <= I(rho | pi) / (2 alpha)` for `pi`, the Gibbs measure of the first variation at any measure;
    I is the relative Fisher information, `integral of |grad log(rho / pi)|^2 d rho`.
    """
    oscillation: float
    """Of the part of the first variation that comes from the data: its largest value less its least."""
    rate: float
    """`2 alpha temperature`: the free energy above its least falls at least as `exp(-rate time)`."""


def log_sobolev(risk: Risk, temperature: float, oscillation: float | None = None) -> LogSobolev:
    """The rate at which `langevin`, in the limit of many neurons, and `density_flow` are sure to come to rest.

    The decay `lambda / 2 |theta|^2` alone has the Gibbs measure of `N(0, temperature / lambda)`, for which `alpha = lambda /
    temperature` (Bakry & Émery 1985); the part from the data multiplies it by `exp(-oscillation / temperature)` at worst
    (Holley & Stroock 1987). For a convex loss, `temperature KL(rho | pi)` is at least the free energy above its least, which
    falls at the rate `temperature^2 I(rho | pi)`: hence `rate = 2 alpha temperature`, `2 lambda exp(-oscillation / temperature)`
    (Nitanda, Wu & Suzuki 2022, theorem 1; Chizat 2022, theorem 3.2). Without data it is `2 lambda`, which is attained; with them
    a bound, far below what is seen where the temperature is low.

    **Arguments:** `risk`, with `decay`, and a loss that is convex in the outputs; `temperature`, positive; `oscillation`, a bound
    for all measures on the way, such as the largest `data_oscillation` of them. If absent, one that holds for all measures, where
    activations have values in an interval, neurons no readout weight, and the loss is `"mse"`.

    **Raises:** `NotImplementedError` where no bound is known; `ValueError` for numbers out of range, or a risk without decay.
    """
    check_positive("temperature", temperature)
    if not isinstance(risk, EmpiricalRisk):
        raise NotImplementedError(
            f"no rate is known for {type(risk).__name__}; an EmpiricalRisk with decay has one, as its confinement is convex"
        )
    if not risk.decay > 0:
        raise ValueError("risk must have decay: without it nothing holds the neurons, and noise spreads them for ever")
    if oscillation is None:
        oscillation = _most(risk)
    check_non_negative("oscillation", oscillation)
    ratio = math.exp(-oscillation / temperature)
    return LogSobolev(risk.decay / temperature * ratio, float(oscillation), 2 * risk.decay * ratio)


def data_oscillation(risk: EmpiricalRisk, neurons: Neurons, positions: Positions) -> float:
    """The largest less the least value, over rows of parameters, of the data's part of the first variation at a measure."""
    with risk.precision(neurons):
        penalty = risk.decay / 2 * jnp.square(jnp.asarray(positions)).sum(-1)
        part = np.asarray(risk.first_variation(neurons)(jnp.asarray(positions)) - penalty)
    return float(part.max() - part.min())


def _most(risk: EmpiricalRisk) -> float:
    """A neuron's values and so the network's lie in an interval: no residual is further than from its ends."""
    units = risk.units
    ends = _values(units.activation) if isinstance(units, TwoLayer | Radial) else None
    if ends is None or (isinstance(units, TwoLayer) and units.readout) or risk.loss is not mse:
        raise NotImplementedError(
            "no bound of the data's part is known unless activations are bounded (Tanh, Erf, Sigmoid, Sin, ...), neurons have no "
            f"readout weight, and the loss is 'mse'; received {units!r}. Give oscillation, such as the largest data_oscillation"
        )
    low, high = ends
    y = np.asarray(risk.y, np.float64)
    return (high - low) * float(np.maximum(abs(high - y), abs(low - y)).mean())


Ends = tuple[float, float] | None


@functools.singledispatch
def _values(activation: Any) -> Ends:
    """The ends of an interval that holds all values of an activation, if there is one."""
    return None


@_values.register(nn.Tanh)
@_values.register(nn.HardTanh)
@_values.register(nn.Sign)
def _(activation: Any) -> Ends:
    return -1.0, 1.0


@_values.register(nn.Sigmoid)
@_values.register(nn.Step)
def _(activation: Any) -> Ends:
    return 0.0, 1.0


@_values.register(nn.Sin)
@_values.register(nn.Cos)
def _(activation: Any) -> Ends:
    return -abs(float(activation.a)), abs(float(activation.a))


@_values.register(nn.Erf)
def _(activation: Any) -> Ends:
    return float(activation.c) - abs(float(activation.a)), float(activation.c) + abs(float(activation.a))


@_values.register(nn.Rbf)
def _(activation: Any) -> Ends:
    return -math.sqrt(2), math.sqrt(2)
