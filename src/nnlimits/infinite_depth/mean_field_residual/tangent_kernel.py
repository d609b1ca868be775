"""The tangent kernel of a residual network in the geometry of its law, and the inequality of Polyak and Lojasiewicz."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw, check_law


class Backward(NamedTuple):
    """What derivatives of outputs in neurons are made of, at each layer."""

    states: Float[Array, "layers n d"]
    """Before the layer."""
    adjoints: Float[Array, "layers n o d"]
    """The gradient of each output in the state after the layer."""


def tangent_kernel(law: ResidualLaw, x: Float[Array | np.ndarray, "n inputs"]) -> Float[Array, "k k"]:
    """`K = integral over s of the mean over neurons of <grad_theta g_i, grad_theta g_j>`, `g_i = <p_i(s), f(X_i(s), theta)>`,
    for all outputs of all rows of `x`: output o of row i has the place `i outputs + o`.

    It is L M times the ordinary tangent kernel of the neurons' parameters, and has a limit as both grow. Along the gradient flow
    of the law outputs move at `-K grad loss`. For half the mean squared error over N entries the squared norm of the risk's
    gradient is at least `2 lambda_min(K)/N` times the risk (Barboni, Peyre & Vialard 2022).

    **Raises:** `ValueError` for inputs that do not fit.
    """
    check_law(law)
    x = law.check_inputs(x)
    with precision_of(x, law.particles):
        dtype = jnp.result_type(x, law.particles)
        return _kernel(law.astype(dtype), jnp.asarray(x, dtype))


def backward(law: ResidualLaw, x: Float[Array, "n inputs"]) -> Backward:
    """States, and the gradients of all outputs in them."""
    states = law.states(x)
    n, outputs = len(x), law.readout.shape[1]
    last = jnp.broadcast_to(jnp.asarray(law.readout).T, (n, outputs, law.unit.features))

    def back(adjoint: Array, layer: tuple[Array, Array]) -> tuple[Array, Array]:
        theta, state = layer
        pullback = jax.vjp(lambda s: law.step(theta, s), state)[1]
        return jax.vmap(lambda one: pullback(one)[0], 1, 1)(adjoint), adjoint

    _, adjoints = jax.lax.scan(back, last, (jnp.asarray(law.particles), states[:-1]), reverse=True)
    return Backward(states[:-1], adjoints)


@eqx.filter_jit
def _kernel(law: ResidualLaw, x: Array) -> Array:
    found = backward(law, x)
    size = len(x) * law.readout.shape[1]

    def add(total: Array, layer: tuple[Array, Array, Array]) -> tuple[Array, None]:
        theta, state, adjoint = layer
        w, b, a = law.unit.split(theta)
        before = state @ w.T + b
        after, pullback = jax.vjp(law.unit.activation, before)
        slope = pullback(jnp.ones_like(before))[0]
        readouts = _gram(after) / law.width
        inner = _gram(state) + law.unit.bias
        weights = jnp.einsum("iod,md->iom", adjoint, a) * slope[:, None]
        weights = weights.reshape(size, -1)
        pulls = adjoint.reshape(size, -1)
        outputs = law.readout.shape[1]
        return (
            total
            + pulls @ pulls.T * _each(readouts, outputs)
            + weights @ weights.T / law.width * _each(inner, outputs),
            None,
        )

    start = jnp.zeros((size, size), found.states.dtype)
    total, _ = jax.lax.scan(add, start, (jnp.asarray(law.particles), found.states, found.adjoints))
    return total / law.layers


def _gram(rows: Array) -> Array:
    return rows @ rows.T


def _each(values: Array, outputs: int) -> Array:
    """Entries of pairs of rows for all pairs of their outputs."""
    return jnp.repeat(jnp.repeat(values, outputs, 0), outputs, 1)


def spectrum(law: ResidualLaw, x: Any) -> Float[np.ndarray, " k"]:
    """The eigenvalues of `tangent_kernel`, ascending, found in double precision.

    **Raises:** as `tangent_kernel`.
    """
    return np.linalg.eigvalsh(np.asarray(tangent_kernel(law, x), np.float64))
