"""What one neuron computes, and what a measure of neurons does."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.mean_field.neurons import Neurons, Positions

Pullback = Callable[[Array], Float[Array, "m p"]]
"""From a `pull` (n, o) to the gradients of `correlate`, each in the parameters of its neuron."""


class Units(eqx.Module):
    """The function `sigma(x; theta)` of one neuron, and the network `f(x) = integral of sigma(x; theta) rho(d theta)`.

    A new kind defines `size`, `outputs` and `unit`; the others follow, and may be written out where that is quicker.
    """

    outputs: eqx.AbstractVar[int]
    """The number of outputs."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """The number of parameters of a neuron."""

    @abc.abstractmethod
    def unit(self, theta: Float[Array | np.ndarray, " p"], x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n o"]:
        """`sigma(x; theta)` at each row of `x`."""

    @property
    def degree(self) -> float | None:
        """`k`, if `sigma(x; c theta) = c^k sigma(x; theta)` for all `c > 0`; `None` if there is no such number."""
        return None

    def apply(self, neurons: Neurons, x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n o"]:
        """The network's outputs."""
        return neurons.average(jax.vmap(self.unit, (0, None))(jnp.asarray(neurons.positions), jnp.asarray(x)))

    def correlate(self, positions: Positions, x: Float[Array | np.ndarray, "n d"], pull: Float[Array, "n o"]) -> Array:
        """`sum over x of <pull(x), sigma(x; theta)>` for every neuron, (m,)."""
        return jax.vmap(lambda theta: jnp.vdot(self.unit(theta, x), pull))(jnp.asarray(positions))

    def apply_and_pullback(self, neurons: Neurons, x: Float[Array | np.ndarray, "n d"]) -> tuple[Array, Pullback]:
        """The network's outputs, and what a pull on them is to each neuron."""

        def gradients(pull: Float[Array, "n o"]) -> Float[Array, "m p"]:
            return jax.grad(lambda places: self.correlate(places, x, pull).sum())(jnp.asarray(neurons.positions))

        return self.apply(neurons, x), gradients
