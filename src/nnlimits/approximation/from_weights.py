"""Networks of the language from matrices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, PyTree

from nnlimits import nn
from nnlimits.validation import check_finite


def from_weights(
    layers: Sequence[tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, " _"]]],
    activation: nn.Activation,
    *,
    dtype: Any = np.float64,
) -> tuple[nn.Sequential, PyTree]:
    """The fully connected network `x -> phi(... phi(x W_1 + b_1) ...) W_L + b_L`, and its parameters.

    **Arguments:** `layers`, the pairs (W, b), W of shape (fan_in, fan_out); `activation`, between them, not behind the last;
    `dtype`, of the parameters.

    **Raises:** `ValueError` for no layers, shapes that do not follow each other, or numbers that are not finite; `TypeError` for
    what is no activation.
    """
    if not layers:
        raise ValueError("layers is empty: a network needs at least one pair of weights and biases")
    if not isinstance(activation, nn.Activation):
        raise TypeError(f"activation must be a nonlinearity such as nn.Tanh(); received {activation!r}")
    words: list[nn.Layer] = []
    params: list[PyTree] = []
    width = np.shape(layers[0][0])[0] if np.ndim(layers[0][0]) else 0
    for position, (weight, bias) in enumerate(layers):
        weight, bias = np.asarray(weight, dtype), np.asarray(bias, dtype)
        check_finite(f"weights of layer {position}", weight)
        check_finite(f"biases of layer {position}", bias)
        if weight.ndim != 2 or weight.shape[0] != width or bias.shape != weight.shape[1:]:
            raise ValueError(
                f"layer {position} must have weights ({width}, width) and as many biases; "
                f"received {weight.shape} and {bias.shape}"
            )
        if position:
            words.append(activation)
            params.append(())
        width = weight.shape[1]
        words.append(nn.Dense(width))
        params.append({"weight": weight, "bias": bias})
    return nn.Sequential(*words, parameterization="standard"), tuple(params)
