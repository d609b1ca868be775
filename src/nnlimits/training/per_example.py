"""A network's outputs and losses, example by example, as `train_in_epochs` and `by_parts` take them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from nnlimits import nn


class Outputs(eqx.Module):
    """A network's outputs as a function of parameters and inputs."""

    network: nn.Layer

    def __call__(self, params: PyTree, x: Float[Array, "n ..."]) -> Float[Array, "n classes"]:
        """Outputs, shape (n, classes)."""
        return self.network.apply(params, x)


class CrossEntropy(eqx.Module):
    """The cross-entropy of the softmax of a network's outputs, example by example."""

    network: nn.Layer

    def __call__(self, params: PyTree, x: Float[Array, "n ..."], labels: Int[Array, " n"]) -> Float[Array, " n"]:
        """Losses, shape (n,), of examples and the numbers of their classes."""
        log_probability = jax.nn.log_softmax(self.network.apply(params, x))
        return -jnp.take_along_axis(log_probability, labels[:, None], axis=1)[:, 0]
