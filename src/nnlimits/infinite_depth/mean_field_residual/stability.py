"""The largest step of explicit descent that does not diverge."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw
from nnlimits.infinite_depth.mean_field_residual.risk import ResidualRisk, check_risk

_ITERATIONS = 100


def largest_stable_step(risk: ResidualRisk, law: ResidualLaw) -> float:
    """`2 / lambda`, for `lambda` the largest eigenvalue of how the neurons' velocities change with their places.

    That is the Hessian of the risk in the mean square norm of neurons, ends fixed. By the power method, to about a percent;
    infinity where it has no positive eigenvalue.
    """
    check_risk(risk, law)
    with risk.precision(law):
        largest = float(_largest(*risk.alike(law)))
    return 2 / largest if largest > 0 else float("inf")


@eqx.filter_jit
def _largest(risk: ResidualRisk, law: ResidualLaw) -> Array:
    particles = law.particles

    def grown(vector: Array) -> Array:
        return -jax.jvp(lambda places: risk.velocity(law.moved(places))[1].particles, (particles,), (vector,))[1]

    def rayleigh(shift: Any) -> Array:
        """The eigenvalue of largest size of the shifted map."""

        def body(_: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
            vector, _ = state
            image = grown(vector) + shift * vector
            size = jnp.linalg.norm(image)
            return image / jnp.where(size > 0, size, 1), (vector * image).sum()

        return jax.lax.fori_loop(0, _ITERATIONS, body, (start, jnp.zeros((), start.dtype)))[1] - shift

    start = jax.random.normal(jax.random.key(0), particles.shape, particles.dtype)
    start /= jnp.linalg.norm(start)
    first = rayleigh(jnp.zeros((), start.dtype))
    return jax.lax.cond(first > 0, lambda: first, lambda: rayleigh(-first))  # those below zero come last
