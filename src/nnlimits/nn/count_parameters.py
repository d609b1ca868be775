"""The size of a finite network."""

import math

import jax

from nnlimits.nn.layer import Layer


def count_parameters(net: Layer, input_shape: tuple[int, ...]) -> int:
    """The number of parameters of the finite network `net` for examples of `input_shape`. Nothing is drawn.

    **Raises:** `ValueError` if a layer cannot take the shape it receives.
    """
    params = jax.eval_shape(lambda key: net.init(key, input_shape), jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
