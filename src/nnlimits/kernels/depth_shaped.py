"""Infinitely deep networks without shortcuts, whose activations are straighter the deeper they are."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from nnlimits import nn
from nnlimits.kernels.blocks import flatten
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.per_input import per_input
from nnlimits.kernels.rules import require_gaussian
from nnlimits.kernels.shaped_flow import shaped_flow
from nnlimits.kernels.shaped_smooth import SmoothShape, deficit_flow, smooth_shape, variance_flow
from nnlimits.validation import is_traced

ShapedRow = tuple[nn.ShapedRelu, ...] | tuple[nn.Shaped, ...]
"""The activations of one block."""

_EXAMPLES = (
    "nn.Repeat(nn.Sequential(nn.ShapedRelu(0.0, -1.0), nn.Dense(512)), math.inf), or of nn.Shaped and nn.Dense in turn"
)


def shaped_row(block: nn.Layer) -> ShapedRow:
    """The shaped activations of a block of an infinitely deep `Repeat`; `()` if it has none.

    **Raises:** `NotImplementedError` if something but `Dense` stands beside them, or rectifiers beside smooth ones; `ValueError`
    where weights or biases leave no limit, if they are not traced.
    """
    if not any(_is_shaped(word) for word in jax.tree.leaves(block, is_leaf=_is_shaped)):
        return ()
    row = flatten((block,))
    activations, layers = row[::2], row[1::2]
    alike = any(all(isinstance(word, kind) for word in activations) for kind in (nn.ShapedRelu, nn.Shaped))
    if len(row) % 2 or not alike or not all(isinstance(layer, nn.Dense) for layer in layers):
        raise NotImplementedError(
            "a block with shaped activations of an infinitely deep nn.Repeat is a row of nn.ShapedRelu and nn.Dense in turn, "
            f"such as {_EXAMPLES}; received {block!r}"
        )
    for layer in layers:
        _check(layer)
    return activations  # pyright: ignore[reportReturnType]


def shaped_limit(row: ShapedRow, covariance: Covariance) -> Covariance:
    """The covariance after infinitely many blocks: that of rectifiers by `shaped_flow`, which keeps variances, and that of smooth
    activations by `variance_flow` and `deficit_flow`.

    That at depth L is away by the order of `1/L`; of rectifiers by `1/sqrt(L)`, unless each `c_plus` is `-c_minus`.

    **Raises:** `NotImplementedError` where the NTK is asked for, which has no limit.
    """
    require_gaussian(row[0], covariance)
    if covariance.ntk is not None:
        raise NotImplementedError(
            "the NTK of shaped activations at infinite depth: it grows like the depth L, as each layer adds the kernel of its "
            "inputs, and has no limit. The NNGP has one, kernel(net).nngp(x); give a finite depth for the NTK"
        )
    dtype = covariance.deficit.dtype
    rectifiers = tuple(word for word in row if isinstance(word, nn.ShapedRelu))
    if rectifiers:
        strength = sum(((word.c_plus - word.c_minus) ** 2 for word in rectifiers), jnp.zeros((), dtype))
        deficit = shaped_flow(covariance.deficit, jnp.asarray(strength, dtype))
        return dataclasses.replace(covariance, deficit=deficit, fresh=True, gaussian=True)
    shape = SmoothShape(*(value.astype(dtype) for value in smooth_shape(*row)))  # pyright: ignore[reportArgumentType]
    deficit = deficit_flow(covariance.deficit, covariance.q1, covariance.q2, shape)
    q1, q2 = per_input(partial(variance_flow, growth=shape.growth), covariance.q1, covariance.q2)
    return dataclasses.replace(covariance, q1=q1, q2=q2, deficit=deficit, fresh=True, gaussian=True)


def _check(layer: nn.Layer) -> None:
    assert isinstance(layer, nn.Dense)
    if not is_traced(layer.w_std) and float(layer.w_std) != 1.0:
        raise ValueError(
            f"a block with shaped activations multiplies variances by w_std^2, infinitely often, and w_std="
            f"{float(layer.w_std):g} leaves no limit; shaped activations keep variances at w_std=1"
        )
    if layer.b_std is not None and not is_traced(layer.b_std) and float(layer.b_std) != 0.0:
        raise ValueError(
            f"a block with shaped activations adds b_std^2 to variances, infinitely often, and b_std="
            f"{float(layer.b_std):g} leaves no limit; leave it at 0"
        )


def _is_shaped(word: object) -> bool:
    return isinstance(word, nn.ShapedRelu | nn.Shaped)
