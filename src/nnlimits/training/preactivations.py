"""What each layer with parameters makes of an input: another reading of a network's expression."""

from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree, Shaped

from nnlimits import nn
from nnlimits.compute.precision import precision_of
from nnlimits.nn.parameterization import Parameterization

Recorded = tuple[Float[Array, "n ..."], dict[str, Float[Array, "n ..."]]]
"""The output of a layer, and what the layers with parameters in it made, by name."""


def preactivations(
    network: nn.Layer, params: PyTree, x: Shaped[Array | np.ndarray, "n ..."]
) -> dict[str, Float[Array, "n ..."]]:
    """The outputs of all layers of a network that have parameters, in the order of computation.

    **Arguments:** `network`; `params` from its `init`; `x` of shape (n, *input_shape).

    **Returns:** arrays by name, such as `"Dense 0"` or `"Conv 3.body.1"`: the type of the layer, and its position in the
    expression. `nn.Masked` and `nn.GraphNetwork` count as one layer each. The last is the output of a network that ends with
    weights. (A dictionary that leaves a JAX transformation is ordered by name.)
    """
    with precision_of(x, *jax.tree.leaves(params)):
        dtype = jnp.result_type(x, *jax.tree.leaves(params), float)
        return record(network, params, jnp.asarray(x, dtype), network.network_parameterization(), "")[1]


@singledispatch
def record(layer: nn.Layer, params: PyTree, x: Array, place: Parameterization, path: str) -> Recorded:
    """The output of `layer` and what is recorded in it, at its place in the network and with that `path` to it."""
    y = layer.forward(params, x, None, place)
    return y, {f"{type(layer).__name__} {path or 'all'}": y} if jax.tree.leaves(params) else {}


@record.register
def _sequential(layer: nn.Sequential, params: PyTree, x: Array, place: Parameterization, path: str) -> Recorded:
    found: dict[str, Array] = {}
    for i, ((member, own), own_params) in enumerate(zip(layer.placed(place), params, strict=True)):
        x, inside = record(member, own_params, x, own, _joined(path, i))
        found |= inside
    return x, found


@record.register
def _repeat(layer: nn.Repeat, params: PyTree, x: Array, place: Parameterization, path: str) -> Recorded:
    blocks = list(params["head"])
    members = layer.placed(place)
    for i in range(len(members) - len(blocks)):
        blocks.append(jax.tree.map(lambda leaf, i=i: leaf[i], params["tail"]))
    row = nn.Sequential(*(member for member, _ in members))
    return _sequential(row, tuple(blocks), x, place, path)


@record.register
def _residual(layer: nn.Residual, params: PyTree, x: Array, place: Parameterization, path: str) -> Recorded:
    (body, at_body), (shortcut, at_shortcut) = layer.placed(place)
    added, in_body = record(body, params["body"], x, at_body, _joined(path, "body"))
    passed, in_shortcut = record(shortcut, params["shortcut"], x, at_shortcut, _joined(path, "shortcut"))
    return passed + added, in_body | in_shortcut


@record.register
def _parallel(layer: nn.Parallel, params: PyTree, x: Array, place: Parameterization, path: str) -> Recorded:
    outputs, found = [], {}
    for i, ((branch, own), own_params) in enumerate(zip(layer.placed(place), params, strict=True)):
        y, inside = record(branch, own_params, x, own, _joined(path, i))
        outputs.append(y)
        found |= inside
    return layer.merge(outputs), found


def _joined(path: str, member: Any) -> str:
    return f"{path}.{member}" if path else str(member)
