"""ODE networks as residual networks of finite depth: the steps of a solver, written in the language."""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from nnlimits import nn
from nnlimits.nn.depth_dependent import DepthDependent
from nnlimits.nn.fields import as_integer

METHODS = ("euler", "midpoint")


def residual_network(network: nn.Layer, params: PyTree, depth: int, method: str = "euler") -> tuple[nn.Layer, PyTree]:
    """The network with each `nn.NeuralODE` in it as `depth` residual blocks, and their parameters.

    An Euler block is `x + h field(x, s)`, the residual block of He et al. (2016) with its branch scaled by `h`, the span
    divided by the depth (E 2017; Chen et al. 2018, section 1). All blocks have the parameters of the field, and, if it depends
    on time, numbers of their own in the channel that `nn.Augment` adds: the times s. The midpoint method has
    `x + h field(x + h/2 field(x, s), s + h/2)` as block, with the field's parameters twice.

    **Arguments:** `network`, a `NeuralODE`, or a network with some in `Sequential`, `Residual`, `Parallel`, `Repeat` or `Masked`;
    `params`, its parameters; `depth`, the number of blocks; `method`, "euler" or "midpoint".

    **Returns:** a network of the language, without `NeuralODE`, and its parameters: what `network` computes with this `solver`
    and `steps=depth`, up to rounding.

    **Raises:** `ValueError` for an unknown method, a depth below 1, or a network without `NeuralODE`; `NotImplementedError` if it
    is in another combinator.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}; received {method!r}")
    depth = as_integer("depth", 1, depth)
    if not _has_ode(network):
        raise ValueError(f"network must hold an nn.NeuralODE; received {network!r}")
    if any(isinstance(word, DepthDependent) for word in _outside_of_repeats(network)):
        raise ValueError(
            "network holds a word that takes the depth of an nn.Repeat, such as nn.DepthScale, outside of all; the steps of a "
            f"solver are none. Received {network!r}"
        )
    double = any(np.dtype(leaf.dtype) == np.float64 for leaf in jax.tree.leaves(params))
    with jax.enable_x64(True) if double else contextlib.nullcontext():
        discretized, own = _discretized(network, params, depth, method)
    if _has_ode(discretized):
        raise NotImplementedError(
            "residual_network finds an nn.NeuralODE by itself, or in nn.Sequential, nn.Residual, nn.Parallel, nn.Repeat or "
            f"nn.Masked, not inside another layer; received {network!r}"
        )
    return discretized, own


def _outside_of_repeats(network: nn.Layer) -> list[Any]:
    return jax.tree.leaves(network, is_leaf=lambda value: isinstance(value, nn.Repeat | DepthDependent))


def _has_ode(layer: nn.Layer) -> bool:
    leaves = jax.tree.leaves(layer, is_leaf=lambda value: isinstance(value, nn.NeuralODE))
    return any(isinstance(leaf, nn.NeuralODE) for leaf in leaves)


def _discretized(layer: nn.Layer, params: PyTree, depth: int, method: str) -> tuple[nn.Layer, PyTree]:
    if isinstance(layer, nn.NeuralODE):
        return _blocks(layer, params, depth, method)
    if isinstance(layer, nn.Sequential):
        layers, own = _members(layer.layers, params, depth, method)
        return nn.Sequential(*layers, parameterization=layer.parameterization), own
    if isinstance(layer, nn.Masked):
        layers, own = _members(layer.layers, params, depth, method)
        return nn.Masked(*layers, value=layer.value), own
    if isinstance(layer, nn.Parallel):
        branches, own = _members(layer.branches, params, depth, method)
        return nn.Parallel(*branches, merge=layer.merge), own
    if isinstance(layer, nn.Residual):
        parts, own = _members((layer.body, layer.shortcut), (params["body"], params["shortcut"]), depth, method)
        return nn.Residual(*parts), {"body": own[0], "shortcut": own[1]}
    if isinstance(layer, nn.Repeat) and _has_ode(layer):
        return _repeated(layer, params, depth, method)
    return layer, params


def _members(
    layers: tuple[nn.Layer, ...], params: tuple[PyTree, ...], depth: int, method: str
) -> tuple[tuple[nn.Layer, ...], tuple[PyTree, ...]]:
    changed = [_discretized(layer, own, depth, method) for layer, own in zip(layers, params, strict=True)]
    return tuple(layer for layer, _ in changed), tuple(own for _, own in changed)


def _repeated(layer: nn.Repeat, params: PyTree, depth: int, method: str) -> tuple[nn.Layer, PyTree]:
    """Each block of a `Repeat`, those in its loop at once."""
    found: list[nn.Layer] = []
    resolved = layer.resolved_block()  # words that depend on the depth mean this one, not that of the solver's steps

    def block(own: PyTree) -> PyTree:
        changed, own = _discretized(resolved, own, depth, method)
        found.append(changed)
        return own

    head = tuple(map(block, params["head"]))
    looped = jax.tree.leaves(params["tail"])
    tail = jax.vmap(block)(params["tail"]) if looped else params["tail"]
    return nn.Repeat(found[0], layer.depth), {"head": head, "tail": tail}


def _blocks(ode: nn.NeuralODE, params: PyTree, depth: int, method: str) -> tuple[nn.Layer, PyTree]:
    dtype = jnp.result_type(*jax.tree.leaves(params), float)
    start, stop = ode.span
    h = (stop - start) / depth
    times = start + h * np.arange(depth)
    stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (depth, *jnp.shape(leaf))), params)
    body, own = _slope(ode, stacked, jnp.asarray(times, dtype))
    if method == "midpoint":
        half = nn.Residual(nn.Sequential(body, nn.Scale(h / 2)))
        later, at_half = _slope(ode, stacked, jnp.asarray(times + h / 2, dtype))
        body, own = nn.Sequential(half, later), ({"body": (own, ()), "shortcut": ()}, at_half)
    network: Any = nn.Repeat(nn.Residual(nn.Sequential(body, nn.Scale(h))), depth)
    blocks: PyTree = {"head": (), "tail": {"body": (own, ()), "shortcut": ()}}
    if ode.augment:
        return nn.Sequential(nn.Augment(ode.augment), network), ({"value": jnp.zeros(ode.augment, dtype)}, blocks)
    return network, blocks


def _slope(ode: nn.NeuralODE, params: PyTree, times: Float[Array, " depth"]) -> tuple[nn.Layer, PyTree]:
    """The field at a time of its own in each block."""
    if not ode.time_dependent:
        return ode.field, params
    return nn.Sequential(nn.Augment(1), ode.field), ({"value": times[:, None]}, params)
