"""The semidefinite complementarity problem: a force that just suffices to keep a matrix positive."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of


def semidefinite_complementarity(
    alpha: Float[Array | np.ndarray, "k k"], beta: Float[Array | np.ndarray, "k k k k"], *, iterations: int = 300
) -> Float[Array, "k k"]:
    """The symmetric X with `X >= 0`, `alpha + beta[X] >= 0` and `<X, alpha + beta[X]> = 0`, in the order of positive
    semidefinite matrices.

    For a positive operator beta it minimises `<X, beta[X]> / 2 + <alpha, X>` over the cone; found by projected gradients with
    momentum and restarts (O'Donoghue & Candes 2015), which are exact after one step for `k = 1`: `max(0, -alpha / beta)`.

    **Arguments:** `alpha`, symmetric; `beta`, of which `beta[i, j, :, :]` are the weights of entry `i, j` of `beta[X]`,
    symmetric as an operator; `iterations`.
    """
    with precision_of(alpha, beta):
        return _solution(jnp.asarray(alpha), jnp.asarray(beta), iterations)


def _solution(alpha: Array, beta: Array, iterations: int) -> Array:
    k = alpha.shape[0]
    tiny = jnp.finfo(alpha.dtype).tiny
    step = 1 / jnp.maximum(jnp.linalg.eigvalsh(beta.reshape(k * k, k * k))[-1], tiny)

    def improve(_: Any, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, ahead, speed = state
        gradient = alpha + jnp.einsum("ijkl,kl->ij", beta, ahead)
        moved = _positive_part(ahead - step * gradient)
        faster = (1 + jnp.sqrt(1 + 4 * speed**2)) / 2
        restart = jnp.vdot(ahead - moved, moved - x) > 0
        faster = jnp.where(restart, 1.0, faster)
        ahead = moved + jnp.where(restart, 0.0, (speed - 1) / faster) * (moved - x)
        return moved, ahead, faster

    zero = jnp.zeros_like(alpha)
    return jax.lax.fori_loop(0, iterations, improve, (zero, zero, jnp.ones((), alpha.dtype)))[0]


def _positive_part(matrix: Float[Array, "k k"]) -> Float[Array, "k k"]:
    values, vectors = jnp.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * jnp.maximum(values, 0)) @ vectors.T
