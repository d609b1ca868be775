"""Networks over positions, seen by inputs that are alike at all positions.

Far from the borders, and with circular padding everywhere, a convolution of such an input is one dense map at every
position: it averages equal covariances over its window (Xiao et al. 2018, section 2.2). So the signal in a convolutional
network is that of the fully connected one with the same scales. What averages over positions changes nothing, and attention
whose weights sum to one passes on its values: the product of two dense maps.
"""

import dataclasses
from functools import singledispatch
from typing import Any

import jax

from nnlimits import nn

AFFINE = nn.Dense | nn.Conv | nn.ConvTranspose | nn.LocallyConnected | nn.Linear


def homogeneous(network: Any) -> nn.Layer:
    """The same network for one position: every affine map over positions becomes a `Dense` of the same scales and width.

    **Raises:** `TypeError` if `network` is not an expression of `nnlimits.nn`; `NotImplementedError` for a layer whose effect
    depends on how positions differ, or on how many there are.
    """
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    return jax.tree.map(at_one_position, network, is_leaf=_is_word)


def _is_word(value: Any) -> bool:
    return isinstance(value, nn.Layer) and not isinstance(value, nn.Sequential | nn.Repeat | nn.Residual | nn.Parallel)


@singledispatch
def at_one_position(word: Any) -> Any:
    """What a word is at one position of an input that is alike at all; register a rule for a layer of your own."""
    if isinstance(word, nn.Layer):
        reason = "what it does depends on how positions differ; the kernels of given inputs, nnlimits.kernel, follow it"
        raise _undefined(word, reason)
    return word  # a number or a merging of branches


@at_one_position.register(nn.Activation)
@at_one_position.register(nn.Dropout)
@at_one_position.register(nn.Scale)
@at_one_position.register(nn.DepthScale)
@at_one_position.register(nn.Shaped)
@at_one_position.register(nn.ShapedRelu)
@at_one_position.register(nn.Identity)
def _the_same(word: nn.Layer) -> nn.Layer:
    return word


@at_one_position.register
def _affine(word: AFFINE) -> nn.Layer:
    return nn.Dense(word.width, w_std=word.w_std, b_std=word.b_std)


@at_one_position.register(nn.Flatten)
@at_one_position.register(nn.AvgPool)
@at_one_position.register(nn.GlobalAvgPool)
@at_one_position.register(nn.Index)
@at_one_position.register(nn.ImageResize)
def _average(word: nn.Layer) -> nn.Layer:
    return nn.Identity()


@at_one_position.register(nn.SumPool)
@at_one_position.register(nn.GlobalSumPool)
def _sum(word: nn.Layer) -> nn.Layer:
    raise _undefined(word, "it multiplies the signal by the number of positions; the average of positions has one")


@at_one_position.register
def _self_attention(word: nn.SelfAttention) -> nn.Layer:
    if word.attention != "softmax":
        raise _undefined(word, "without a softmax it sums over positions, and depends on their number")
    values = nn.Dense(word.heads * word.value_width, w_std=word.w_value_std, b_std=None)
    return nn.Sequential(values, nn.Dense(word.width, w_std=word.w_out_std, b_std=word.b_std))


@at_one_position.register
def _layer_norm(word: nn.LayerNorm) -> nn.Layer:
    if not any(axis in (-1, 0, 2) for axis in word.axes):
        raise _undefined(word, "it leaves out the channels; add -1 to axes")
    return dataclasses.replace(word, axes=(-1,))


@at_one_position.register(nn.NeuralODE)
@at_one_position.register(nn.Equilibrium)
def _tied(word: nn.Layer) -> nn.Layer:
    reason = (
        "it is infinitely deep with tied weights, and the states at all depths depend on one another; its kernel is "
        "nnlimits.kernel(network), and signals through depth are those of nn.Repeat(..., depth), whose weights are not tied"
    )
    raise _undefined(word, reason)


def _undefined(word: nn.Layer, reason: str) -> NotImplementedError:
    return NotImplementedError(f"{word!r} has no variance and correlation map of its own: {reason}")
