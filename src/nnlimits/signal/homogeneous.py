"""Networks over positions, seen by inputs that are alike at all positions.

Far from the borders, and with circular padding everywhere, a convolution of such an input is one dense map at every
position: it averages equal covariances over its window (Xiao et al. 2018, section 2.2). So the signal in a convolutional
network is that of the fully connected one with the same scales.
"""

import dataclasses
from typing import Any

import jax

from nnlimits import nn

_AFFINE = nn.Conv | nn.ConvTranspose | nn.LocallyConnected | nn.Linear | nn.Dense
_READOUT = nn.Flatten | nn.GlobalAvgPool
_DEFINED = nn.Sequential | nn.Repeat | nn.Residual | nn.Parallel | nn.Activation | nn.Dropout | nn.Scale | nn.Identity


def homogeneous(network: Any) -> nn.Layer:
    """The same network for one position: every affine map over positions becomes a `Dense` of the same scales and width.

    **Raises:** `TypeError` if `network` is not an expression of `nnlimits.nn`; `NotImplementedError` for a layer whose effect
    depends on how positions differ.
    """
    if not isinstance(network, nn.Layer):
        raise TypeError(f"network must be an expression of nnlimits.nn; received {type(network).__name__}")
    return jax.tree.map(_at_one_position, network, is_leaf=_is_word)


def _is_word(value: Any) -> bool:
    return isinstance(value, nn.Layer) and not isinstance(value, nn.Sequential | nn.Repeat | nn.Residual | nn.Parallel)


def _at_one_position(word: Any) -> Any:
    if isinstance(word, _AFFINE):
        return nn.Dense(word.width, w_std=word.w_std, b_std=word.b_std)
    if isinstance(word, nn.LayerNorm):
        if not any(axis in (-1, 0, 2) for axis in word.axes):
            raise _undefined(word, "it leaves out the channels; add -1 to axes")
        return dataclasses.replace(word, axes=(-1,))
    if isinstance(word, _READOUT):
        return nn.Identity()
    if isinstance(word, nn.Layer) and not isinstance(word, _DEFINED):
        raise _undefined(
            word,
            "what it does depends on how positions differ; the kernels of given inputs, nnlimits.kernel, follow it",
        )
    return word


def _undefined(word: nn.Layer, reason: str) -> NotImplementedError:
    return NotImplementedError(f"{word!r} has no variance and correlation map of its own: {reason}")
