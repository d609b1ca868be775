"""Orthogonal and delta-orthogonal weights for the finite network."""

from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits import nn
from nnlimits.nn.parameterization import Parameterization, Weight


def orthogonal_init(network: nn.Layer, key: PRNGKeyArray, input_shape: tuple[int, ...], *, dtype: Any = None) -> PyTree:
    """Parameters as `network.init` gives them, but with orthogonal weights, by which dynamical isometry can be had.

    A dense weight becomes a random matrix with orthonormal rows or columns (Saxe, McClelland & Ganguli 2014), a
    convolution's one at the centre of its window and zero elsewhere (delta-orthogonal: Xiao et al. 2018, algorithm 1), both at
    the scale at which they keep `w_std` the gain of a unit's variance: those of equal width are `w_std` times an isometry. Biases
    are as before.

    **Arguments:** as of `network.init`. A convolution must not have fewer channels after than before, and a window with a centre.

    **Returns:** parameters for `network.apply`.

    **Raises:** `ValueError` for a shape that a layer cannot take; `NotImplementedError` for a layer whose weights have no
    orthogonal form.
    """
    init_key, weight_key = jax.random.split(key)
    params = network.init(init_key, input_shape, dtype=dtype)
    with jax.enable_x64(any(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(params))):
        return orthogonalized(network, params, weight_key, network.network_parameterization())


@singledispatch
def orthogonalized(layer: nn.Layer, params: PyTree, key: PRNGKeyArray, parameterization: Parameterization) -> PyTree:
    """The parameters of a layer, its weights orthogonal in place of Gaussian; a layer without parameters keeps none."""
    if jax.tree.leaves(params):
        raise NotImplementedError(
            f"{layer!r} has no orthogonal initialization; use network.init, or a network of Dense and Conv"
        )
    return params


@orthogonalized.register
def _dense(layer: nn.Dense, params: PyTree, key: PRNGKeyArray, parameterization: Parameterization) -> PyTree:
    weight = params["weight"]
    rows, columns = weight.shape
    matrix = _isometry(key, rows, columns, weight.dtype) * np.sqrt(max(rows, columns))
    return {**params, "weight": matrix * _drawn_scale(layer, rows, parameterization)}


@orthogonalized.register
def _conv(layer: nn.Conv, params: PyTree, key: PRNGKeyArray, parameterization: Parameterization) -> PyTree:
    weight = params["weight"]
    *window, channels, width = weight.shape
    if any(size % 2 == 0 for size in window):
        raise ValueError(
            f"{layer!r} has no centre in its window {tuple(window)}; delta-orthogonal weights need odd sizes"
        )
    if width < channels:
        raise ValueError(
            f"{layer!r} maps {channels} channels to {width}; delta-orthogonal weights keep norms only where channels do not "
            "become fewer"
        )
    fan_in = int(np.prod(window)) * channels
    centre = _isometry(key, channels, width, weight.dtype) * np.sqrt(int(np.prod(window)) * width)
    whole = jnp.zeros_like(weight).at[tuple(size // 2 for size in window)].set(centre)
    return {**params, "weight": whole * _drawn_scale(layer, fan_in, parameterization)}


def _drawn_scale(layer: nn.Dense | nn.Conv, fan_in: int, parameterization: Parameterization) -> Any:
    """What the entries carry of the scale, the rest being multiplied by the network."""
    return parameterization.scales(Weight(layer.w_std, fan_in, layer.width)).initial


def _isometry(key: PRNGKeyArray, rows: int, columns: int, dtype: Any) -> Float[Array, "rows columns"]:
    return jax.nn.initializers.orthogonal()(key, (rows, columns), dtype)


@orthogonalized.register
def _sequential(layer: nn.Sequential, params: PyTree, key: PRNGKeyArray, parameterization: Parameterization) -> PyTree:
    keys = jax.random.split(key, max(len(layer.layers), 1))
    return tuple(
        orthogonalized(one, part, one_key, own)
        for (one, own), part, one_key in zip(layer.placed(parameterization), params, keys, strict=False)
    )


@orthogonalized.register
def _residual(layer: nn.Residual, params: PyTree, key: PRNGKeyArray, parameterization: Parameterization) -> PyTree:
    placed = zip(("body", "shortcut"), layer.placed(parameterization), jax.random.split(key), strict=True)
    return {name: orthogonalized(one, params[name], one_key, own) for name, (one, own), one_key in placed}


@orthogonalized.register
def _repeat(layer: nn.Repeat, params: PyTree, key: PRNGKeyArray, parameterization: Parameterization) -> PyTree:
    placed = layer.placed(parameterization)
    head_key, tail_key = jax.random.split(key)
    head = tuple(
        orthogonalized(one, part, jax.random.fold_in(head_key, i), own)
        for i, (part, (one, own)) in enumerate(zip(params["head"], placed, strict=False))
    )
    if not jax.tree.leaves(params["tail"]):
        return {"head": head, "tail": params["tail"]}
    keys = jax.random.split(tail_key, len(jax.tree.leaves(params["tail"])[0]))
    block, own = placed[-1]
    tail = jax.vmap(lambda part, one_key: orthogonalized(block, part, one_key, own))(params["tail"], keys)
    return {"head": head, "tail": tail}
