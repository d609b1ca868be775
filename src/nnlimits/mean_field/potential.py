"""What may be added to a risk: a potential that holds neurons, whatever the network computes."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk, Variation
from nnlimits.mean_field.units import Units


class Confined(Risk):
    """`R(rho) + integral of potential d rho`.

    **Arguments:** `risk`; `potential`, from the parameters of one neuron (p,) to a number.
    """

    units: Units
    risk: Risk
    potential: Callable[[Any], Any] = eqx.field(static=True)

    def __init__(self, risk: Risk, potential: Callable[[Any], Any]) -> None:
        if not isinstance(risk, Risk):
            raise TypeError(f"risk must be a Risk; received {type(risk).__name__}")
        self.units, self.risk, self.potential = risk.units, risk, potential

    def __call__(self, neurons: Neurons) -> Float[Array, ""]:
        return self.risk(neurons) + neurons.average(jax.vmap(self.potential)(jnp.asarray(neurons.positions)))

    def first_variation(self, neurons: Neurons) -> Variation:
        inner = self.risk.first_variation(neurons)
        return lambda positions: inner(positions) + jax.vmap(self.potential)(positions)
