"""An upper bound of the spectral norm of a linear layer, that is never below it and can be differentiated."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact, PyTree

from nnlimits.nn.affine import scaled
from nnlimits.nn.conv import Conv
from nnlimits.nn.layer import Layer
from nnlimits.nn.linear import Linear
from nnlimits.nn.parameterization import Parameterization

_SQUARINGS = 8
_MOST = 2048
"""Entries of the largest state whose map is written out as a matrix."""


def schatten_bound(matrices: Inexact[Array, "... rows columns"]) -> Float[Array, ""]:
    """An upper bound of the largest singular value of all `matrices`, within `rank^(1/512)` of it: 1.1% for rank 256.

    It is the Schatten norm `(sum_i sigma_i^p)^(1/p)` with p = 512, by squaring the Gram matrix seven times (Delattre, Barthelemy,
    Araujo & Allauzen 2023, theorem 1): an upper bound for any matrix, with no iteration that could stop too early, and smooth, so
    that its gradient is exact.
    """
    adjoint = jnp.conj(jnp.swapaxes(matrices, -1, -2))
    gram = adjoint @ matrices if matrices.shape[-1] <= matrices.shape[-2] else matrices @ adjoint

    def size(gram: Array) -> Array:
        total = jnp.sum(jnp.real(gram) ** 2 + jnp.imag(gram) ** 2, (-2, -1), keepdims=True)
        return jnp.sqrt(jnp.where(total > 0, total, 1.0))

    zero = jnp.all(gram == 0, (-2, -1))
    logarithm = jnp.where(zero, -jnp.inf, 0.0).astype(jnp.real(gram).dtype)
    for power in range(_SQUARINGS):
        scale = size(gram)
        logarithm = logarithm + jnp.log(scale[..., 0, 0]) / 2**power
        gram = gram / scale
        if power < _SQUARINGS - 1:
            gram = gram @ gram
    rounding = (16 + max(matrices.shape[-2:])) * float(jnp.finfo(logarithm.dtype).eps)
    return jnp.exp(0.5 * jnp.max(logarithm)) * (1 + rounding)


def norm_bound(
    layer: Layer, params: PyTree, shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
) -> Float[Array, ""]:
    """An upper bound of the spectral norm of the linear part of an affine `layer` on examples of `shape`.

    A convolution over n positions is bounded by that over a ring of n (circular) or n + kernel - 1 (zeros beyond the border)
    positions, of which it is a part, frequency by frequency (Sedghi, Gupta & Long 2019, theorem 6). A `Linear` of the channels
    is the same matrix at every position. Any other layer is written out as a matrix.

    **Raises:** `NotImplementedError` if that matrix is too large.
    """
    if isinstance(layer, Conv):
        return schatten_bound(_spectrum(layer, params, shape, parameterization))
    if isinstance(layer, Linear) and layer.contracted(shape) == (len(shape) - 1,):
        shape = shape[-1:]
    if math.prod(shape) > _MOST:
        raise NotImplementedError(
            f"the spectral norm of {layer!r} on {shape} is found from its matrix, which is written out up to {_MOST} entries of "
            f"the state, and these are {math.prod(shape)}; use nn.Conv or nn.Linear, whose norm follows from their weights"
        )
    return schatten_bound(matrix_of(lambda z: layer.forward(params, z, None, parameterization), shape, dtype))


def matrix_of(affine: Callable[[Array], Array], shape: tuple[int, ...], dtype: Any) -> Float[Array, "entries outputs"]:
    """The linear part of a batched affine map on examples of `shape`, one row an entry of its input."""
    entries = math.prod(shape)
    columns = affine(jnp.eye(entries, dtype=dtype).reshape(entries, *shape)).reshape(entries, -1)
    return columns - affine(jnp.zeros((1, *shape), dtype)).reshape(1, -1)


def _spectrum(
    layer: Conv, params: PyTree, shape: tuple[int, ...], parameterization: Parameterization
) -> Complex[Array, "..."]:
    """The matrix over channels at each frequency of the ring, those below the Nyquist frequency of the last axis."""
    weight = scaled(params["weight"], layer._scales(shape)["weight"], parameterization)
    window = layer.windows(shape)
    spread = [(size - 1) * step + 1 for size, step in zip(window.kernel, window.dilation, strict=True)]
    rings = [
        size if layer.padding == "circular" else size + extent - 1
        for size, extent in zip(shape[:-1], spread, strict=True)
    ]
    dilated = jnp.zeros((*spread, *weight.shape[-2:]), weight.dtype)
    dilated = dilated.at[tuple(slice(None, None, step) for step in window.dilation)].set(weight)
    axes = range(len(rings))
    folded = jnp.moveaxis(dilated, (-2, -1), (0, 1))
    return jnp.moveaxis(jnp.fft.rfftn(folded, rings, [axis + 2 for axis in axes]), (0, 1), (-2, -1))
