"""The fully connected network."""

import math

from nnlimits import nn
from nnlimits.nn.fields import Scalar, as_integer


def mlp(
    depth: int = 3,
    width: int = 512,
    activation: nn.Layer = nn.Relu(),
    w_std: int | Scalar = math.sqrt(2),
    b_std: int | Scalar = 0.1,
    outputs: int = 1,
) -> nn.Sequential:
    """A fully connected network: `depth` times a dense layer and an activation, then a dense readout.

    The defaults are critical for ReLU (He, Zhang, Ren & Sun 2015), with a small bias; the readout has unit scale and no
    bias, so inputs of unit mean square give outputs of variance close to 1.

    **Arguments:** `depth`, the number of hidden layers, at least 1; `width`, theirs; `activation`, a layer; `w_std` and
    `b_std`, the scales of the hidden layers' weights and biases; `outputs`, the number of outputs.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """
    depth = as_integer("depth", 1, depth)
    hidden = (nn.Dense(width, w_std=w_std, b_std=b_std), activation)
    return nn.Sequential(*hidden * depth, nn.Dense(as_integer("outputs", 1, outputs)))
