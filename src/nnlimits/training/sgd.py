"""Stochastic gradient descent, and the stochastic differential equations that it follows weakly."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from nnlimits.training.flow import descending, modified
from nnlimits.training.problem import Problem, Trajectory, parameters
from nnlimits.training.recording import recorded, segments_of
from nnlimits.validation import check_positive, is_traced

Observe = Callable[[PyTree], PyTree]


def sgd(
    problem: Problem,
    learning_rate: Any,
    steps: Sequence[Any] | np.ndarray,
    key: PRNGKeyArray,
    *,
    batch_size: int = 1,
    observe: Observe = parameters,
) -> Trajectory:
    """Stochastic gradient descent on batches drawn independently, with replacement.

    **Arguments:** `problem`, whose loss is a mean over examples; `learning_rate`, `steps` and `observe` as of `descent`;
    `key`, a JAX random key (`jax.vmap` over keys makes an ensemble); `batch_size`, examples in each batch.

    **Returns:** a `Trajectory`; its losses are those of all examples.

    **Raises:** `ValueError` as `descent`, for a batch size below 1, and for a loss that is not a mean over examples.
    """
    _check(problem, learning_rate, batch_size)
    with problem.precision():
        return _sgd(problem, problem.scalar(learning_rate), jnp.asarray(segments_of(steps)), key, batch_size, observe)


def sgd_flow(
    problem: Problem,
    learning_rate: Any,
    steps: Sequence[Any] | np.ndarray,
    key: PRNGKeyArray,
    *,
    batch_size: int = 1,
    substeps: int = 4,
    observe: Observe = parameters,
) -> Trajectory:
    """A path of the stochastic differential equation of `sgd`, `dX = -grad L dt + sqrt(eta Sigma / batch_size) dW`.

    `Sigma(X)` is the covariance of the gradients of single examples. Expectations of smooth functions agree with those of
    SGD to first order in the learning rate eta (Li, Tai & E 2017, theorem 1; 2019, theorem 9). The noise needs no root of
    Sigma: the deviations of the examples' gradients from their mean, with independent Gaussian weights, have its law, and
    are one gradient of a weighted loss.

    Each learning rate's worth of time is `substeps` steps of length h, each half a step of the drift by Heun's method, the
    noise by Euler's, and the other half: a weak error `O(h^2 + eta^2 h)` (splitting, for small noise: Milstein & Tretyakov
    1997), of second order in eta and small beside what tells SGD from the equation.

    **Arguments:** as of `sgd`; `steps` counts steps of SGD, so that the times are `eta steps`.

    **Raises:** as `sgd`.
    """
    return _equation(problem, descending, learning_rate, steps, key, batch_size, substeps, observe)


def modified_sgd_flow(
    problem: Problem,
    learning_rate: Any,
    steps: Sequence[Any] | np.ndarray,
    key: PRNGKeyArray,
    *,
    batch_size: int = 1,
    substeps: int = 4,
    observe: Observe = parameters,
) -> Trajectory:
    """A path of `dX = -grad (L + eta / 4 |grad L|^2) dt + sqrt(eta Sigma / batch_size) dW`.

    With the drift of `modified_flow`, expectations agree with those of SGD to second order in the rate (Li, Tai & E 2017,
    theorem 1; 2019, theorem 9). Arguments and errors as of `sgd_flow`.
    """
    return _equation(problem, modified, learning_rate, steps, key, batch_size, substeps, observe)


def _equation(
    problem: Problem,
    drift: Callable[..., Any],
    learning_rate: Any,
    steps: Any,
    key: PRNGKeyArray,
    batch_size: int,
    substeps: int,
    observe: Observe,
) -> Trajectory:
    _check(problem, learning_rate, batch_size)
    if substeps < 1:
        raise ValueError(f"substeps must be at least 1; received {substeps}")
    with problem.precision():
        segments = jnp.asarray(segments_of(steps))
        return _paths(problem, drift, problem.scalar(learning_rate), segments, key, batch_size, substeps, observe)


def _check(problem: Problem, learning_rate: Any, batch_size: int) -> None:
    check_positive("learning_rate", learning_rate)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1; received {batch_size!r}")
    if is_traced(problem):
        return
    with problem.precision():
        if not problem.is_mean_of_examples():
            raise ValueError(
                "the loss of all examples is not the mean of the losses of each, so batches have no unbiased gradients; "
                "write it as a mean over examples"
            )


@eqx.filter_jit
def _sgd(
    problem: Problem, rate: Any, segments: Array, key: PRNGKeyArray, batch_size: int, observe: Observe
) -> Trajectory:
    def step(params: PyTree, index: Array) -> PyTree:
        rows = jax.random.randint(jax.random.fold_in(key, index), (batch_size,), 0, len(problem.x))
        x, y = problem.x[rows], problem.y[rows]
        slope = jax.grad(lambda p: problem.loss(problem.f(p, x), y))(params)
        return _moved(params, -rate, slope)

    return recorded(problem, step, problem.params, segments, rate, observe, parameters)


@eqx.filter_jit
def _paths(
    problem: Problem,
    drift: Callable[..., Any],
    rate: Any,
    segments: Array,
    key: PRNGKeyArray,
    batch_size: int,
    substeps: int,
    observe: Observe,
) -> Trajectory:
    n = len(problem.x)
    h = rate / substeps

    def noise(params: PyTree, index: Array) -> PyTree:
        """A draw of covariance Sigma."""
        draws = jax.random.normal(jax.random.fold_in(key, index), (n,), problem.value(params).dtype)
        weights = (draws - draws.mean()) / n**0.5
        return jax.grad(lambda p: weights @ problem.per_example_losses(p))(params)

    def drifted(params: PyTree) -> PyTree:
        """Half a step of the drift alone, by Heun's method."""
        first = drift(problem, rate, params)
        second = drift(problem, rate, _moved(params, h / 2, first))
        return _moved(_moved(params, h / 4, first), h / 4, second)

    def substep(params: PyTree, index: Array) -> PyTree:
        halfway = drifted(params)
        return drifted(_moved(halfway, (rate * h / batch_size) ** 0.5, noise(halfway, index)))

    def step(params: PyTree, index: Array) -> PyTree:
        return jax.lax.fori_loop(0, substeps, lambda i, p: substep(p, index * substeps + i), params)

    return recorded(problem, step, problem.params, segments, rate, observe, parameters)


def _moved(params: PyTree, distance: Any, direction: PyTree) -> PyTree:
    return jax.tree.map(lambda p, d: (p + distance * d).astype(p.dtype), params, direction)
