"""A network, its data and its loss: what every idealisation of training starts from."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from nnlimits.compute.precision import precision_of
from nnlimits.empirical.arguments import check_arguments, check_outputs
from nnlimits.empirical.as_function import as_function
from nnlimits.predict.losses import as_loss, class_targets, cross_entropy, mse
from nnlimits.validation import check_finite


class Trajectory(NamedTuple):
    """What was recorded in training, along a first axis of recorded times."""

    times: Float[Array, " records"]
    """Learning rate times steps for a discrete method, the time of a flow."""
    losses: Float[Array, " records"]
    """The training loss, of all examples."""
    observed: PyTree
    """What `observe` returned: the parameters, unless another function was given."""


class Objective(NamedTuple):
    """A problem as a function of one vector."""

    theta: Float[Array, " p"]
    """The problem's parameters, flattened."""
    value: Callable[[Any], Any]
    """The training loss at such a vector."""
    unflatten: Callable[[Any], PyTree]
    """The parameters that a vector stands for."""

    def gradient(self, theta: Float[Array, " p"]) -> Float[Array, " p"]:
        """The gradient of the loss."""
        return jax.grad(self.value)(theta)

    def hessian_product(self, theta: Float[Array, " p"], vector: Float[Array, " p"]) -> Float[Array, " p"]:
        """The Hessian of the loss times a vector, by forward over backward derivatives."""
        return jax.jvp(jax.grad(self.value), (theta,), (vector,))[1]


class Problem(eqx.Module):
    """The training loss `loss(f(params, x), y)` as a function of the parameters, and the parameters to start from.

    **Arguments:**

    - `model`, `params`: as of `nnlimits.empirical.as_function`: an expression of `nnlimits.nn` with the parameters from its
      `init`, any function `f(params, x)` with its own, or an Equinox or Flax module with `None`.
    - `x`, `y`: examples along the first axis, and their targets. With `"mse"` they have the shape of the outputs; with
      `"cross_entropy"` they are class labels `0, 1, ...` or one-hot rows.
    - `loss`: `"mse"`, half the mean over all entries of the squared error; `"cross_entropy"` of softmax, the mean over
      examples; or a function of outputs and targets to a number.

    Computations are in the precision of the parameters.

    **Raises:** `TypeError` or `ValueError` for parameters, examples, targets or a loss that do not fit together.
    """

    f: Callable[..., Any] = eqx.field(static=True)
    params: PyTree
    x: Array
    y: Array
    loss: Callable[..., Any] = eqx.field(static=True)

    def __init__(self, model: Any, params: PyTree, x: Any, y: Any, loss: Any = "mse") -> None:
        f, params = as_function(model, params)
        self.f, self.loss = f, as_loss(loss)
        with precision_of(*jax.tree.leaves(params)):
            self.params, self.x, _ = check_arguments(f, params, x)
            self.y = _checked_targets(self.f, self.params, self.x, y, self.loss)

    def precision(self) -> Any:
        """A context in which float64 is available if any parameter is float64."""
        return precision_of(*jax.tree.leaves(self.params))

    def scalar(self, number: Any) -> Float[Array, "..."]:
        """A number, or several, in the precision of the parameters: as an array, so that no code is compiled for its value."""
        return jnp.asarray(number, jnp.result_type(*jax.tree.leaves(self.params)))

    def value(self, params: PyTree) -> Float[Array, ""]:
        """The training loss."""
        return self.loss(self.f(params, self.x), self.y)

    def with_params(self, params: PyTree) -> "Problem":
        """The same problem from other parameters."""
        return eqx.tree_at(lambda problem: problem.params, self, params)

    def objective(self) -> Objective:
        """The problem as a function of one vector."""
        theta, unflatten = ravel_pytree(self.params)
        return Objective(theta, lambda vector: self.value(unflatten(vector)), unflatten)

    def per_example_losses(self, params: PyTree) -> Float[Array, " n"]:
        """The loss of each example by itself; for a loss that is a mean over examples, their mean is the loss."""

        def of_one(x: Array, y: Array) -> Array:
            return self.loss(self.f(params, x[None]), y[None])

        return jax.vmap(of_one)(self.x, self.y)

    def is_mean_of_examples(self) -> bool:
        """Whether the loss at the parameters is the mean of the losses of single examples."""
        whole, mean = _whole_and_mean(self)
        return bool(jnp.allclose(whole, mean, rtol=1e-3))


@eqx.filter_jit
def _whole_and_mean(problem: Problem) -> tuple[Array, Array]:
    return problem.value(problem.params), problem.per_example_losses(problem.params).mean()


def parameters(params: PyTree) -> PyTree:
    """The identity: observe the parameters themselves."""
    return params


def _checked_targets(f: Any, params: PyTree, x: Array, y: Any, loss: Any) -> Array:
    outputs = (len(x), *check_outputs(f, params, x))
    dtype = jnp.result_type(*jax.tree.leaves(params))
    if loss is cross_entropy:
        y = _one_hot(y if isinstance(y, jax.Array) else np.asarray(y), outputs[-1], dtype)
    y = y if isinstance(y, jax.Array) else np.asarray(y)
    check_finite("y", y)
    if loss in (mse, cross_entropy) and y.shape != outputs:
        raise ValueError(f"y must have the shape of the outputs, {outputs}; received {y.shape}")
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(f"y must hold one target for each of the {len(x)} examples; received shape {y.shape}")
    y = jnp.asarray(y, dtype if loss is mse or jnp.issubdtype(y.dtype, jnp.floating) else None)
    value = jax.eval_shape(lambda p: loss(f(p, x), y), params)
    if getattr(value, "shape", None) != ():
        raise ValueError(f"loss must return a single number; it returned {value}")
    return y


def _one_hot(y: Any, classes: int, dtype: Any) -> Any:
    """Targets of a softmax over `classes`, of which the labels need not show all."""
    encoded = class_targets(y, dtype)
    if np.ndim(y) == 1 and encoded.shape[1] > classes:
        raise ValueError(f"y names class {encoded.shape[1] - 1}, and the network has {classes} outputs, from 0")
    if np.ndim(y) == 1:
        return np.pad(encoded, ((0, 0), (0, classes - encoded.shape[1])))
    return encoded
