"""Networks for graphs: inputs (nodes, nodes + features), adjacency matrix and features side by side."""

import math

from nnlimits import nn
from nnlimits.nn.fields import Scalar, as_integer


def gcn(
    depth: int = 2,
    width: int = 256,
    activation: nn.Layer = nn.Relu(),
    w_std: int | Scalar = math.sqrt(2),
    b_std: int | Scalar = 0.0,
    readout: nn.Layer = nn.GlobalSumPool(),
    outputs: int = 1,
) -> nn.GraphNetwork:
    """A graph convolutional network (Kipf & Welling 2017), summed over the nodes (Du et al. 2019).

    `depth` times: a weighted sum over each node's neighbours and itself, `D^-1/2 (A + I) D^-1/2`, a linear layer shared by
    all nodes, and an activation. Then the sum over all nodes, and a dense layer. For graphs of several sizes, pad them with
    zeros and put the network into `nn.Masked`.

    **Arguments:** `depth`, at least 1; `width`, the number of features of hidden nodes; `activation`, a layer; `w_std` and
    `b_std`, the scales of the hidden weights and biases; `readout`, the layer that removes the nodes, `nn.GlobalSumPool()`
    or `nn.GlobalAvgPool()`; `outputs`, the number of outputs.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """
    depth = as_integer("depth", 1, depth)
    hidden = (
        nn.Aggregate(normalize="symmetric", self_loops=True),
        nn.Linear(width, w_std=w_std, b_std=b_std),
        activation,
    )
    return nn.GraphNetwork(*hidden * depth, readout, nn.Dense(as_integer("outputs", 1, outputs)))
