"""The largest step of explicit descent that does not diverge."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from nnlimits.mean_field.neurons import Neurons
from nnlimits.mean_field.risk import Risk

_ITERATIONS = 60


def largest_stable_step(risk: Risk, neurons: Neurons) -> float:
    """`2 / lambda`, for `lambda` the largest eigenvalue of how velocities change with positions.

    That is the Hessian of the risk in the positions, relative to the masses; symmetric in the inner product that they weigh. By
    the power method, to about a percent.
    """
    risk.check(neurons)
    with risk.precision(neurons):
        largest = float(_largest(risk, neurons))
    return 2 / largest if largest > 0 else float("inf")


@eqx.filter_jit
def _largest(risk: Risk, neurons: Neurons) -> Array:
    positions, masses = jnp.asarray(neurons.positions), jnp.asarray(neurons.masses)[:, None]

    def velocity(places: Array) -> Array:
        return risk.velocity(neurons.moved(places))

    def norm(vector: Array) -> Array:
        return jnp.sqrt((masses * vector**2).sum())

    def grown(vector: Array) -> Array:
        return -jax.jvp(velocity, (positions,), (vector,))[1]

    def rayleigh(shift: Any, vector: Array) -> tuple[Array, Array]:
        """After the power method with a shift: the eigenvalue of largest size of the shifted map, and its vector."""

        def body(_: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
            vector, _ = state
            image = grown(vector) + shift * vector
            size = norm(image)
            return image / jnp.where(size > 0, size, 1), (masses * vector * image).sum()

        vector, value = jax.lax.fori_loop(0, _ITERATIONS, body, (vector, jnp.zeros((), vector.dtype)))
        return value - shift, vector

    start = jax.random.normal(jax.random.key(0), positions.shape, positions.dtype)
    largest, _ = rayleigh(0.0, start / norm(start))
    return rayleigh(jnp.abs(largest), start / norm(start))[0]  # those below zero come last
