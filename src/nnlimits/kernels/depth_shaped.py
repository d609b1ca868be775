"""Infinitely deep networks without shortcuts, whose rectifiers are straighter the deeper they are."""

import dataclasses

import jax
import jax.numpy as jnp

from nnlimits import nn
from nnlimits.kernels.blocks import flatten
from nnlimits.kernels.covariance import Covariance
from nnlimits.kernels.rules import require_gaussian
from nnlimits.kernels.shaped_flow import shaped_flow
from nnlimits.validation import is_traced

_EXAMPLE = "nn.Repeat(nn.Sequential(nn.ShapedRelu(0.0, -1.0), nn.Dense(512)), math.inf)"


def shaped_rectifiers(block: nn.Layer) -> tuple[nn.ShapedRelu, ...]:
    """The shaped rectifiers of a block of an infinitely deep `Repeat`; `()` if it has none.

    **Raises:** `NotImplementedError` if something but `Dense` stands beside them; `ValueError` where weights or biases leave no
    limit, if they are not traced.
    """
    if not any(_is_shaped(word) for word in jax.tree.leaves(block, is_leaf=_is_shaped)):
        return ()
    row = flatten((block,))
    activations, layers = row[::2], row[1::2]
    found = tuple(layer for layer in activations if isinstance(layer, nn.ShapedRelu))
    if len(row) % 2 or len(found) < len(activations) or not all(isinstance(layer, nn.Dense) for layer in layers):
        raise NotImplementedError(
            "a block with nn.ShapedRelu of an infinitely deep nn.Repeat is a row of nn.ShapedRelu and nn.Dense in turn, such as "
            f"{_EXAMPLE}; received {block!r}"
        )
    for layer in layers:
        _check(layer)
    return found


def shaped_limit(rectifiers: tuple[nn.ShapedRelu, ...], covariance: Covariance) -> Covariance:
    """The covariance after infinitely many blocks: variances stay, and correlations follow `shaped_flow`.

    That at depth L is away by the order of `1/sqrt(L)`, or of `1/L` where each `c_plus` is `-c_minus`.

    **Raises:** `NotImplementedError` where the NTK is asked for, which has no limit.
    """
    require_gaussian(rectifiers[0], covariance)
    if covariance.ntk is not None:
        raise NotImplementedError(
            "the NTK of shaped rectifiers at infinite depth: it grows like the depth L, as each layer adds the kernel of its "
            "inputs, and has no limit. The NNGP has one, kernel(net).nngp(x); give a finite depth for the NTK"
        )
    strength = sum(((word.c_plus - word.c_minus) ** 2 for word in rectifiers), jnp.zeros((), covariance.deficit.dtype))
    deficit = shaped_flow(covariance.deficit, jnp.asarray(strength, covariance.deficit.dtype))
    return dataclasses.replace(covariance, deficit=deficit, fresh=True, gaussian=True)


def _check(layer: nn.Layer) -> None:
    assert isinstance(layer, nn.Dense)
    if not is_traced(layer.w_std) and float(layer.w_std) != 1.0:
        raise ValueError(
            f"a block with nn.ShapedRelu multiplies variances by w_std^2, infinitely often, and w_std={float(layer.w_std):g} "
            "leaves no limit; shaped rectifiers keep variances at w_std=1"
        )
    if layer.b_std is not None and not is_traced(layer.b_std) and float(layer.b_std) != 0.0:
        raise ValueError(
            f"a block with nn.ShapedRelu adds b_std^2 to variances, infinitely often, and b_std={float(layer.b_std):g} leaves no "
            "limit; leave it at 0"
        )


def _is_shaped(word: object) -> bool:
    return isinstance(word, nn.ShapedRelu)
