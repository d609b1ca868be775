"""What may be added to a risk: a potential that holds neurons, whatever the network computes."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk, Variation
from nnlimits.mean_field.units import Units

_PROBES = 8


class Confined(Risk):
    """`R(rho) + integral of potential d rho`.

    **Arguments:** `risk`; `potential`, from the parameters of one neuron (p,) to a number; `homogeneous`, `k` if
    `potential(c theta) = c^k potential(theta)` for all `c > 0`: if that is `risk.degree` too, `certificate` looks on the sphere
    alone.

    **Raises:** `TypeError` for another risk; `ValueError` for a potential that is not homogeneous as promised.
    """

    units: Units
    risk: Risk
    potential: Callable[[Any], Any] = eqx.field(static=True)
    homogeneous: int | float | None = eqx.field(static=True)

    def __init__(self, risk: Risk, potential: Callable[[Any], Any], *, homogeneous: int | float | None = None) -> None:
        if not isinstance(risk, Risk):
            raise TypeError(f"risk must be a Risk; received {type(risk).__name__}")
        self.units, self.risk, self.potential, self.homogeneous = risk.units, risk, potential, homogeneous
        if homogeneous is not None:
            _check_homogeneous(potential, risk.units.size, float(homogeneous))

    @property
    def degree(self) -> float | None:
        """That of the risk, if the potential has it too."""
        return self.risk.degree if self.risk.degree == self.homogeneous else None

    def __call__(self, neurons: Neurons) -> Float[Array, ""]:
        return self.risk(neurons) + neurons.average(jax.vmap(self.potential)(jnp.asarray(neurons.positions)))

    def first_variation(self, neurons: Neurons) -> Variation:
        inner = self.risk.first_variation(neurons)
        return lambda positions: inner(positions) + jax.vmap(self.potential)(positions)


def _check_homogeneous(potential: Callable[[Any], Any], size: int, degree: float) -> None:
    points = np.random.default_rng(0).standard_normal((_PROBES, size))
    with jax.enable_x64(True):
        once, twice = (np.asarray(jax.vmap(potential)(jnp.asarray(p)), np.float64) for p in (points, 2 * points))
    expected = 2**degree * once
    if not np.allclose(twice, expected, rtol=1e-5, atol=0):
        worst = int(np.argmax(abs(twice - expected)))
        raise ValueError(
            f"potential is not homogeneous of degree {degree:g}: it goes from {once[worst]:.6g} to {twice[worst]:.6g}, not to "
            f"{expected[worst]:.6g}, where a neuron is doubled; leave homogeneous out"
        )
