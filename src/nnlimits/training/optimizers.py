"""Optimizers whose learning rates follow a network's parameterization."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.nn.abc_parameterization import OPTIMIZERS
from nnlimits.nn.parameterization import Parameterization, Scales

if TYPE_CHECKING:
    import optax

EPSILON = 1e-12
"""Adam's, unless given: gradients shrink as networks widen, and its steps are not to shrink with them."""


def learning_rates(
    network: nn.Layer, input_shape: tuple[int, ...], optimizer: str = "sgd"
) -> PyTree[Float64[np.ndarray, "..."]]:
    """What the learning rate of each parameter is multiplied by: `n^-c`, with n and c those of the parameter's role (`nn.ABC`).

    **Arguments:** `network`, an expression of `nnlimits.nn`; `input_shape`, the shape of one example; `optimizer`, `"sgd"`
    or `"adam"`, which says what the exponents of a parameterization given by name are. An `nn.ABC` has its own.

    **Returns:** a PyTree like the network's parameters; each leaf has as many axes as the parameter, of length 1, or, for the
    blocks of an `nn.Repeat`, one entry a block along the first.

    **Raises:** `ValueError` for an unknown optimizer, or if a layer cannot take the shape it receives.
    """
    _check(network, optimizer)
    place = network.network_parameterization(optimizer)
    network.output_shape(tuple(input_shape))
    # rates depend on sizes alone: known while a training step is traced, and whatever the scales are
    untraced = jax.tree.map(lambda _: 1.0, network)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        rates = untraced.initialize(
            jax.random.key(0), tuple(input_shape), _LearningRates(place.exponents), np.dtype(np.float64)
        )
        return jax.tree.map(np.asarray, rates)


def optimizer(
    network: nn.Layer, input_shape: tuple[int, ...], name: str, learning_rate: Any, **options: Any
) -> "optax.GradientTransformation":
    """`optax.sgd` or `optax.adam`, each parameter's steps multiplied by `learning_rates(network, input_shape, name)`.

    At one `learning_rate`, networks of all widths then train as their parameterization says: alike under `"mup"` (Yang et al.
    2022, tables 8 and 9), lazily under `"ntk"`.

    **Arguments:** `network` and `input_shape`, as of `learning_rates`; `name`, `"sgd"` or `"adam"`; `learning_rate`, a number or
    an Optax schedule; `options`, those of `optax.sgd` or `optax.adam`. Adam's `eps` is 1e-12 unless given, as gradients
    shrink with the width.

    **Raises:** `ValueError` for an unknown name.
    """
    rates = learning_rates(network, input_shape, name)
    import optax

    base = (
        optax.sgd(learning_rate, **options)
        if name == "sgd"
        else optax.adam(learning_rate, **{"eps": EPSILON, **options})
    )

    def scaled(updates: PyTree, params: PyTree = None) -> PyTree:
        del params
        return jax.tree.map(lambda update, rate: update * jnp.asarray(rate, update.dtype), updates, rates)

    return optax.chain(base, optax.stateless(scaled))


class _LearningRates(Parameterization):
    """In the place of each parameter its learning rate."""

    def drawn(self, key: PRNGKeyArray, shape: tuple[int, ...], scales: Scales, dtype: Any) -> Float[Array, "..."]:
        return jnp.full((1,) * len(shape), scales.rate, dtype)

    def filled(self, value: float, shape: tuple[int, ...], scales: Scales, dtype: Any) -> Float[Array, "..."]:
        return jnp.full((1,) * len(shape), scales.rate, dtype)


def _check(network: Any, optimizer: Any) -> None:
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {network!r}")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(map(repr, OPTIMIZERS))}; received {optimizer!r}")
