"""A shallow network of the language as explicit matrices."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from nnlimits import nn
from nnlimits.approximation.deep_narrow.curvature import derivative
from nnlimits.nn.parameterization import Parameterization

_AFFINE = (nn.Dense, nn.Linear, nn.Flatten, nn.Identity, nn.Scale, nn.ChannelAffine, nn.Dropout)
"""What may stand before and behind the nonlinearity; dropout is off."""


class HiddenLayer(NamedTuple):
    """`x -> phi(x inner + inner_bias) outer + outer_bias`, in double precision."""

    inner: Float[np.ndarray, "d units"]
    inner_bias: Float[np.ndarray, " units"]
    activation: nn.Activation
    outer: Float[np.ndarray, "units outputs"]
    outer_bias: Float[np.ndarray, " outputs"]

    @property
    def units(self) -> int:
        """The number of hidden units."""
        return len(self.inner_bias)

    def __call__(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n outputs"]:
        """The outputs, in double precision."""
        hidden = derivative(self.activation, 0, x @ self.inner + self.inner_bias)
        return hidden @ self.outer + self.outer_bias


def hidden_layer(network: Any, params: PyTree, dimension: int) -> HiddenLayer:
    """The matrices of a shallow network, whatever its parameterization.

    **Arguments:** `network`, a `Sequential` (or nested ones) of affine layers and one activation; `params`, its parameters;
    `dimension`, the number of inputs.

    **Raises:** `TypeError` for what is no network; `ValueError` for a network that is not shallow, naming what stands in the way,
    and for parameters of another number of inputs or not finite.
    """
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be a network of nnlimits.nn; received {type(network).__name__}")
    members = list(_members(network, params, network.network_parameterization()))
    places = [i for i, (layer, _, _) in enumerate(members) if isinstance(layer, nn.Activation)]
    if len(places) != 1:
        raise ValueError(
            f"network must have one hidden layer, so one activation; it has {len(places)}: {network!r}"
            + ("" if places else "; an affine function needs no depth")
        )
    for layer, _, _ in members[: places[0]] + members[places[0] + 1 :]:
        if not isinstance(layer, _AFFINE):
            known = ", ".join(kind.__name__ for kind in _AFFINE)
            raise ValueError(f"network must be fully connected, of {known} and one activation; it holds {layer!r}")
    activation = members[places[0]][0]
    assert isinstance(activation, nn.Activation)
    inner, inner_bias = _matrices(members[: places[0]], dimension)
    outer, outer_bias = _matrices(members[places[0] + 1 :], len(inner_bias))
    for name, array in {"inner weights": inner, "outer weights": outer, "biases": inner_bias + 0}.items():
        if not np.isfinite(array).all():
            raise ValueError(f"params holds values that are not finite among the {name}")
    return HiddenLayer(inner, inner_bias, activation, outer, outer_bias)


_Member = tuple[nn.Layer, PyTree, Parameterization]


def _members(layer: nn.Layer, params: PyTree, own: Parameterization) -> Iterator[_Member]:
    """The layers of nested sequences in order, each with its parameters and its place."""
    if not isinstance(layer, nn.Sequential):
        yield layer, params, own
        return
    if not isinstance(params, tuple | list) or len(params) != len(layer.layers):
        raise ValueError(f"params must hold one entry for each of {len(layer.layers)} layers; use those of {layer!r}")
    for (member, place), one in zip(layer.placed(own), params, strict=True):
        yield from _members(member, one, place)


def _matrices(
    members: list[_Member], dimension: int
) -> tuple[Float[np.ndarray, "fan_in fan_out"], Float[np.ndarray, " fan_out"]]:
    """Weights and biases of a sequence of affine layers, by differentiation: of one layer, without rounding."""
    function = _function(members)
    with jax.enable_x64(True):
        origin = jax.numpy.zeros(dimension, np.float64)
        weight, bias = jax.jit(lambda x: (jax.jacfwd(function)(x), function(x)))(origin)
    return np.asarray(weight).T, np.asarray(bias)


def _function(members: list[_Member]) -> Callable[[Array], Array]:
    def function(x: Array) -> Array:
        y = x[None]
        for layer, params, own in members:
            double = jax.tree.map(lambda leaf: jax.numpy.asarray(leaf, np.float64), params)
            y = layer.forward(double, y, None, own)
        return y.reshape(-1)

    return function
