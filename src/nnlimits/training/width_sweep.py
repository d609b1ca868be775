"""Finite networks of growing width, against their linearizations and against the infinite network."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Shaped

import nnlimits as nl
from nnlimits import nn
from nnlimits.training.gradient_descent import Training, train_ensemble, train_linearized_ensemble

Table = Float[np.ndarray, "n d"]
Outputs = Float[np.ndarray, "n o"]


class Problem(NamedTuple):
    """A training set, watched inputs, and how to train: the same for all widths."""

    x: Table
    y: Outputs
    x_test: Table
    learning_rate: float
    steps: Sequence[int]
    """Ascending from 0."""


class Theory(NamedTuple):
    """The infinite ensemble of a `Problem` at its steps."""

    train_loss: Float[np.ndarray, " steps"]
    mean: Float[np.ndarray, "steps m o"]
    """At the watched inputs."""
    std: Float[np.ndarray, "steps m"]
    """At the watched inputs, the same for each output."""


class WidthResult(NamedTuple):
    """Networks of one width, after training."""

    width: int
    training: Training
    linearized: Training
    from_linearization: Float[np.ndarray, " seeds"]
    """Root mean square distance of each trained network from its own linearization, at the watched inputs."""
    from_infinite: Float[np.ndarray, " seeds"]
    """The same from the infinite network that started as the function that this network was."""


def theory(network: nn.Layer, problem: Problem) -> Theory:
    """What becomes of the ensemble at infinite width, under the same gradient descent."""
    descent = nl.gradient_descent(nl.kernel(network), problem.x, problem.y, learning_rate=problem.learning_rate)
    steps = np.asarray(problem.steps)
    found = descent.train_loss(steps), descent.mean(problem.x_test, steps), descent.std(problem.x_test, steps)
    return Theory(*(np.asarray(array) for array in found))


def train_width(
    network: Callable[[int], nn.Layer],
    width: int,
    keys: Shaped[Array, "seeds ..."],
    problem: Problem,
    advance: Callable[[str], Any] = lambda _: None,
) -> WidthResult:
    """Train networks of one width, and their linearizations.

    **Arguments:** `network`, of a width; `keys`, one for each network; `advance`, told what was done, twice.
    """
    options: Any = {"learning_rate": problem.learning_rate, "steps": problem.steps, "x_test": problem.x_test}
    trained = train_ensemble(network(width), keys, problem.x, problem.y, **options)
    advance(f"{len(keys)} networks of width {width}")
    linearized = train_linearized_ensemble(network(width), keys, problem.x, problem.y, **options)
    advance(f"linearizations at width {width}")
    expected = _from_same_start(network(width), problem, trained)
    return WidthResult(
        width,
        trained,
        linearized,
        _distance(trained.test[:, -1], linearized.test[:, -1]),
        _distance(trained.test[:, -1], expected),
    )


def _from_same_start(network: nn.Layer, problem: Problem, trained: Training) -> Float[np.ndarray, "seeds m o"]:
    """The infinite network's function after training, if it began as each of the finite networks did."""
    kernel = nl.kernel(network)
    ends = []
    for at_train, at_test in zip(trained.train[:, 0], trained.test[:, 0], strict=True):
        descent = nl.gradient_descent(
            kernel, problem.x, problem.y, learning_rate=problem.learning_rate, f0=np.asarray(at_train)
        )
        ends.append(np.asarray(descent.mean(problem.x_test, problem.steps[-1], f0_test=np.asarray(at_test))))
    return np.stack(ends)


def _distance(a: Any, b: Any) -> Float[np.ndarray, " seeds"]:
    return np.sqrt(((np.asarray(a) - np.asarray(b)) ** 2).mean((1, 2)))


def keys(seed: int, n: int) -> Shaped[Array, "seeds ..."]:
    """Random keys for `n` networks."""
    return jax.random.split(jax.random.key(seed), n)
