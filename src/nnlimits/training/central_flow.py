"""The central flow: the smooth path about which gradient descent oscillates at the edge of stability."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from nnlimits.training.complementarity import semidefinite_complementarity
from nnlimits.training.curvature import hessian_product, leading_pairs
from nnlimits.training.pieces import alone, check_records, in_pieces, joined, nothing
from nnlimits.training.problem import Problem
from nnlimits.training.sharpness import refreshed
from nnlimits.validation import check_positive

PRODUCTS = 24
"""Hessian-vector products for each look at the sharpness: from half as many, the sharpness may leave the edge by a thousandth."""


class CentralFlow(NamedTuple):
    """The central flow at the recorded times, which count steps of the descent that it stands for."""

    learning_rate: float
    steps: Int[np.ndarray, " records"]
    losses: Float[np.ndarray, " records"]
    """The loss on the path itself, in the middle of the oscillation."""
    mean_losses: Float[np.ndarray, " records"]
    """The time average of descent's loss that is predicted: `L + <H, Sigma> / 2`."""
    sharpness: Float[np.ndarray, "records k"]
    """The largest eigenvalues of the Hessian, descending."""
    covariance: Float[np.ndarray, "records k k"]
    """Sigma, the covariance of the oscillation, in the basis of the leading eigenvectors."""
    observed: PyTree
    """What `observe` returned."""


def central_flow(
    problem: Problem,
    learning_rate: float,
    steps: int,
    key: PRNGKeyArray,
    *,
    every: int = 1,
    k: int = 1,
    substeps: int = 4,
    products: int = PRODUCTS,
    observe: Callable[[PyTree], PyTree] = nothing,
    progress: bool | None = None,
) -> CentralFlow:
    """The flow of the time average of gradient descent at a finite learning rate eta (Cohen, Damian et al. 2025, section 3):

        d theta / ds = -eta [grad L + grad <H, Sigma> / 2],      s in steps

    where the covariance Sigma of the oscillation lives on the leading eigenvectors of the Hessian H, is zero as long as the
    sharpness is below `2 / eta`, and just large enough to keep it from rising above: the solution of a semidefinite
    complementarity problem, for one unstable direction `sigma^2 = max(0, -(d S/ds without it) / (eta/2 |grad S|^2))`
    (Damian et al. 2023). Below the edge it is gradient flow.

    **Arguments:**

    - `problem`, `learning_rate`, `steps`, `key`, `every`, `products`, `observe`, `progress`: as of `track_sharpness`.
    - `k`: how many directions may be unstable at once. Each pair of them costs a third derivative along the path: take one
      more than descent has eigenvalues at the edge.
    - `substeps`: Euler steps of the flow for each step of descent.

    **Raises:** as `track_sharpness`.
    """
    check_positive("learning_rate", learning_rate)
    records = check_records(steps, every)
    with problem.precision():
        vectors = leading_pairs(problem, hessian_product, k, key)[1]
        choices = {
            "rate": problem.scalar(learning_rate),
            "substeps": substeps,
            "products": products,
            "observe": observe,
        }
        run = partial(_advance, problem, every=every, **choices)
        state, seen = in_pieces("central flow", run, (problem.objective().theta, vectors, key), records, progress)
        last = alone(_seen(problem, state, **choices))
    return CentralFlow(float(learning_rate), np.arange(0, steps + 1, every), *joined([seen, last]))


class _Slope(NamedTuple):
    direction: Array
    values: Array
    vectors: Array
    covariance: Array


def _slope(problem: Problem, state: Any, rate: Array, substeps: int, products: int) -> _Slope:
    """`d theta / ds`, with the eigenpairs and the covariance that it is made of."""
    theta, vectors, key = state
    objective = problem.objective()
    values, vectors = refreshed(problem, theta, vectors, key, products)
    k = values.shape[0]
    rows, columns = np.triu_indices(k)

    def entry(u: Array, v: Array) -> Array:
        return jax.grad(lambda t: objective.hessian_product(t, u) @ v)(theta)

    upper = jax.vmap(entry, in_axes=(1, 1))(vectors[:, rows], vectors[:, columns])
    place = np.zeros((k, k), int)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    gradients = upper[place]  # of each entry of the Hessian in the basis of its leading eigenvectors
    gradient = objective.gradient(theta)
    room = jnp.diag(2 / rate - values)
    # the constraint is that of the end of this Euler step: what room there is may be used up
    alpha = room + rate * (gradients @ gradient) / substeps
    beta = rate / 2 * jnp.einsum("ijp,klp->ijkl", gradients, gradients) / substeps
    covariance = semidefinite_complementarity(alpha, beta)
    force = jnp.einsum("ij,ijp->p", covariance, gradients) / 2
    return _Slope(-rate * (gradient + force), values, vectors, covariance)


@eqx.filter_jit
def _seen(
    problem: Problem, state: Any, *, rate: Array, substeps: int, products: int, observe: Callable[..., Any]
) -> tuple[Array, Array, Array, Array, PyTree]:
    slope = _slope(problem, state, rate, substeps, products)
    return _record(problem, state[0], slope, observe)


def _record(
    problem: Problem, theta: Array, slope: _Slope, observe: Callable[..., Any]
) -> tuple[Array, Array, Array, Array, PyTree]:
    objective = problem.objective()
    loss = objective.value(theta)
    mean = loss + jnp.vdot(jnp.diag(slope.covariance), slope.values) / 2
    return loss, mean, slope.values, slope.covariance, observe(objective.unflatten(theta))


@eqx.filter_jit
def _advance(
    problem: Problem,
    state: tuple[Array, Array, Array],
    *,
    rate: Array,
    count: int,
    every: int,
    substeps: int,
    products: int,
    observe: Callable[..., Any],
) -> Any:
    """`count` records, each before `every` steps."""

    def advance(state: tuple[Array, Array, Array], slope: _Slope) -> tuple[Array, Array, Array]:
        return state[0] + slope.direction / substeps, slope.vectors, jax.random.split(state[2])[0]

    def substep(_: Any, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        return advance(state, _slope(problem, state, rate, substeps, products))

    def record(state: tuple[Array, Array, Array], _: None) -> Any:
        slope = _slope(problem, state, rate, substeps, products)
        found = _record(problem, state[0], slope, observe)
        state = jax.lax.fori_loop(1, every * substeps, substep, advance(state, slope))
        return state, found

    return jax.lax.scan(record, state, length=count)
