"""How far the first step of training moves the preactivations of each layer."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from nnlimits import nn
from nnlimits.empirical.as_function import as_function
from nnlimits.training.preactivations import preactivations
from nnlimits.training.problem import Problem


class LayerChange(NamedTuple):
    """The change of one layer's preactivations in the first step, to first order in the learning rate."""

    layer: str
    relative_change: float
    """Root mean square change over root mean square size, of all examples and units, for each unit of the learning rate."""

    @property
    def learning_rate(self) -> float:
        """The rate at which the change is as large as what is changed."""
        return 1 / self.relative_change if self.relative_change > 0 else float("inf")


def first_step(network: Any, params: PyTree, x: Any, y: Any, *, loss: Any = "mse") -> tuple[LayerChange, ...]:
    """What one step of full-batch gradient descent does to each layer.

    A layer's preactivations move by `learning_rate J g`, with the gradient g of the loss and the Jacobian J of these
    preactivations: one forward derivative for all layers. Jelassi, Hanin et al. 2023 (Depth dependence of muP learning
    rates in ReLU MLPs) take the largest rate at which this change is of order one as the one to train with; for their
    networks it falls with the depth L as `L^{-3/2}`.

    **Arguments:** `network`, and its `params`, as of `Problem`; of an expression, the outputs of each layer that has
    parameters are watched (see `preactivations`), and of anything else its outputs only. `x`, `y`, `loss`: as of `Problem`.

    **Raises:** as `Problem`.
    """
    problem = Problem(network, params, x, y, loss)
    if not isinstance(network, nn.Layer):
        f, _ = as_function(network, params)
        with problem.precision():
            return (LayerChange("outputs", float(_changes(problem, lambda p: [f(p, problem.x)])[0])),)
    with problem.precision():
        names = _names(network, problem)
        changes = _changes(problem, eqx.Partial(_outputs, network, x=problem.x))
    return tuple(LayerChange(name, float(change)) for name, change in zip(names, changes, strict=True))


def _names(network: nn.Layer, problem: Problem) -> list[str]:
    """Of the layers with parameters, in the order of computation, which is lost where a dictionary leaves a transformation."""
    names: list[str] = []

    def read(params: PyTree) -> None:
        names.extend(preactivations(network, params, problem.x))

    jax.eval_shape(read, problem.params)
    return names


def _outputs(network: nn.Layer, params: PyTree, x: Array) -> list[Array]:
    return list(preactivations(network, params, x).values())


@eqx.filter_jit
def _changes(problem: Problem, watched: Any) -> list[Array]:
    gradient = jax.grad(problem.value)(problem.params)
    values, moved = jax.jvp(watched, (problem.params,), (gradient,))
    return [_size(change) / _size(value) for value, change in zip(values, moved, strict=True)]


def _size(array: Array) -> Array:
    return jnp.sqrt(jnp.square(array).mean())
