"""The equation of the state and its adjoint in continuous depth, for a law that is constant on intervals."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.infinite_depth.mean_field_residual.law import ResidualLaw
from nnlimits.infinite_depth.mean_field_residual.risk import Adjoint, ResidualRisk, check_risk
from nnlimits.nn.fields import as_integer


def ode_trajectories(
    law: ResidualLaw, x: Float[Array | np.ndarray, "n inputs"], *, substeps: int = 4
) -> Float[Array, "nodes n d"]:
    """Solutions of `dX/ds = integral f(X, theta) rho(d theta, s)` at the L + 1 ends of the intervals of depth.

    By the classical Runge-Kutta method of fourth order, of `substeps` steps on each interval; the residual network, which is the
    Euler method with one step, errs by O(1/L).

    **Raises:** as `ResidualLaw.trajectories`.
    """
    from nnlimits.compute.precision import precision_of

    x = law.check_inputs(x)
    with precision_of(x, law.particles):
        return _states(law, jnp.asarray(x), as_integer("substeps", 1, substeps))


def ode_adjoint(risk: ResidualRisk, law: ResidualLaw, *, substeps: int = 4) -> Adjoint:
    """States in continuous depth, and the solution of `dp/ds = -(grad_x velocity)^T p` back from the loss of the last state.

    `risk.adjoint(law)`, the adjoint of the finite network, is as close to it as O(1/L).

    **Raises:** as `ResidualRisk.check`.
    """
    check_risk(risk, law)
    with risk.precision(law):
        substeps = as_integer("substeps", 1, substeps)
        risk, law = risk.alike(law)
        states = _states(law, jnp.asarray(risk.x), substeps)
        last = jax.grad(lambda state: risk.loss(state @ law.readout, risk.y))(states[-1])

        def back(pair: tuple[Array, Array], theta: Array) -> tuple[tuple[Array, Array], Array]:
            pair = _integrate(lambda p: _backward(law, theta, p), pair, 1 / law.layers, substeps)
            return pair, pair[1]

        _, before = jax.lax.scan(back, (states[-1], last), jnp.asarray(law.particles), reverse=True)
        return Adjoint(states, jnp.concatenate([before, last[None]]))


def _states(law: ResidualLaw, x: Array, substeps: int) -> Array:
    def interval(state: Array, theta: Array) -> tuple[Array, Array]:
        state = _integrate(lambda x: law.unit.velocity(theta, x), state, 1 / law.layers, substeps)
        return state, state

    start = law.states(x)[0]
    return jnp.concatenate([start[None], jax.lax.scan(interval, start, jnp.asarray(law.particles))[1]])


def _backward(law: ResidualLaw, theta: Array, pair: tuple[Array, Array]) -> tuple[Array, Array]:
    """The slopes of state and adjoint against depth, as depth falls."""
    state, adjoint = pair
    velocity, pullback = jax.vjp(lambda x: law.unit.velocity(theta, x), state)
    return -velocity, pullback(adjoint)[0]


def _integrate(slope: Any, start: Any, length: float, substeps: int) -> Any:
    size = length / substeps

    def along(state: Any, direction: Any, share: float) -> Any:
        return jax.tree.map(lambda a, b: a + share * size * b, state, direction)

    def step(_: Any, state: Any) -> Any:
        first = slope(state)
        second = slope(along(state, first, 0.5))
        third = slope(along(state, second, 0.5))
        fourth = slope(along(state, third, 1.0))
        mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, first, second, third, fourth)
        return along(state, mean, 1.0)

    return jax.lax.fori_loop(0, substeps, step, start)
