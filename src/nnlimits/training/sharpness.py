"""The sharpness along gradient descent: how it rises to the edge of stability, and stays."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from nnlimits.training.curvature import hessian_product, leading_pairs, ritz_pairs
from nnlimits.training.pieces import alone, check_records, in_pieces, joined, nothing
from nnlimits.training.problem import Problem
from nnlimits.validation import check_positive

PRODUCTS = 12
"""Hessian-vector products for each look at the sharpness: enough from where the last one ended."""

FRESH = 0.1
"""How much of the start of an iteration is random, relative to what is carried over: lets new directions in."""


class SharpnessTrack(NamedTuple):
    """Gradient descent and the largest eigenvalues of its Hessian."""

    learning_rate: float
    steps: Int[np.ndarray, " records"]
    """Steps at which sharpness was found."""
    sharpness: Float[np.ndarray, "records k"]
    """The largest eigenvalues of the Hessian, descending."""
    losses: Float[np.ndarray, " steps"]
    """At every step, from 0."""
    observed: PyTree
    """What `observe` returned at the recorded steps."""

    @property
    def edge(self) -> float:
        """`2 / learning_rate`, above which a quadratic loss is unstable."""
        return 2 / self.learning_rate


def track_sharpness(
    problem: Problem,
    learning_rate: float,
    steps: int,
    key: PRNGKeyArray,
    *,
    every: int = 1,
    k: int = 1,
    products: int = PRODUCTS,
    observe: Callable[[PyTree], PyTree] = nothing,
    progress: bool | None = None,
) -> SharpnessTrack:
    """Full-batch gradient descent with its sharpness, the largest eigenvalue of the loss's Hessian.

    In training, sharpness rises until it reaches `2 / learning_rate` and then stays about there, the loss going up and down
    but falling over time (Cohen et al. 2021). Eigenvalues come from Lanczos' iteration that starts from the last vectors
    found, without the matrix.

    **Arguments:**

    - `problem`, `learning_rate`, `steps`; `key`: for Lanczos' iteration.
    - `every`: steps between two looks at the sharpness, a divisor of `steps`. `k`: how many eigenvalues.
    - `products`: Hessian-vector products for each look.
    - `observe`: a function of the parameters, recorded at each look. `progress`: show a bar; if absent, when a person watches.

    **Raises:** `ValueError` for numbers that do not fit; `ImportError` without `matfree`.
    """
    check_positive("learning_rate", learning_rate)
    records = check_records(steps, every)
    with problem.precision():
        values, vectors = leading_pairs(problem, hessian_product, k, key)
        first = alone((values, observe(problem.params)))
        run = partial(
            _advance, problem, rate=problem.scalar(learning_rate), every=every, products=products, observe=observe
        )
        state, (losses, *seen) = in_pieces("descent", run, (problem.objective().theta, vectors, key), records, progress)
        last = np.asarray(_loss(problem, state[0]))
    values, observed = joined([first, tuple(seen)])
    return SharpnessTrack(
        float(learning_rate), np.arange(0, steps + 1, every), values, np.append(losses.reshape(-1), last), observed
    )


def refreshed(
    problem: Problem, theta: Float[Array, " p"], vectors: Float[Array, "p k"], key: PRNGKeyArray, products: int
) -> tuple[Array, Array]:
    """The leading eigenpairs at `theta`, from those nearby."""
    drawn = jax.random.normal(key, theta.shape, theta.dtype)
    start = vectors.sum(1) + FRESH * drawn / jnp.linalg.norm(drawn)
    return ritz_pairs(partial(hessian_product, problem, theta), start, vectors.shape[1], products)


@eqx.filter_jit
def _loss(problem: Problem, theta: Array) -> Array:
    return problem.objective().value(theta)


@eqx.filter_jit
def _advance(
    problem: Problem,
    state: tuple[Array, Array, Array],
    *,
    rate: Array,
    count: int,
    every: int,
    products: int,
    observe: Callable[..., Any],
) -> Any:
    """`count` records more: losses before each step, then eigenvalues and what is observed after `every` steps."""
    objective = problem.objective()

    def step(theta: Array, _: None) -> tuple[Array, Array]:
        loss, gradient = jax.value_and_grad(objective.value)(theta)
        return theta - rate * gradient, loss

    def record(state: tuple[Array, Array, Array], _: None) -> Any:
        theta, vectors, key = state
        key, fresh = jax.random.split(key)
        theta, losses = jax.lax.scan(step, theta, length=every)
        values, vectors = refreshed(problem, theta, vectors, fresh, products)
        return (theta, vectors, key), (losses, values, observe(objective.unflatten(theta)))

    return jax.lax.scan(record, state, length=count)
