"""Networks for sequences of vectors, inputs (T, channels). For padded ones, put the network into `nn.Masked`."""

import math

from nnlimits import nn
from nnlimits.nn.fields import Scalar, as_integer


def rnn(
    width: int = 512,
    activation: nn.Layer = nn.Relu(),
    w_std: int | Scalar = 1.0,
    u_std: int | Scalar = 1.0,
    b_std: int | Scalar = 0.1,
    outputs: int = 1,
) -> nn.Sequential:
    """A simple recurrent network, read out at the last step (Alemohammad, Wang, Balestriero & Baraniuk 2021).

    With ReLU and the default scales the variance of the states settles: each step halves that of the last one before it adds
    the input's.

    **Arguments:** `width`, the number of hidden units; `activation`, an activation; `w_std`, `u_std` and `b_std`, the scales of
    recurrent weights, input weights and biases; `outputs`, the number of outputs.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """
    recurrent = nn.Rnn(width, activation=activation, w_std=w_std, u_std=u_std, b_std=b_std)
    return nn.Sequential(recurrent, nn.Index(-1), nn.Dense(as_integer("outputs", 1, outputs)))


def transformer_encoder(
    blocks: int = 2,
    width: int = 256,
    heads: int = 4,
    *,
    embedding: nn.Layer | None = None,
    layer_norm: str = "post",
    length_scale: float = 0.0,
    b_std: int | Scalar = 0.1,
    outputs: int = 1,
) -> nn.Sequential:
    """A transformer encoder, averaged over positions and read out by a dense layer.

    An embedding with trainable positions, then `blocks` times self-attention and a network of one hidden layer of
    4 `width` units with ReLU at each position, each with a shortcut. Layers are normalized after each sum ("post", Vaswani et
    al. 2017), or before each branch and at the end ("pre", Xiong et al. 2020). The attention is that which has a limit at
    infinite width and heads (Hron, Bahri, Sohl-Dickstein & Novak 2020): logits divided by the key width, softmax over keys.

    **Arguments:** `blocks`, at least 1; `width`, the number of channels; `heads`, of each attention; `embedding`, the
    layer that makes (T, width) of the input: by default `nn.Linear(width)`, for tokens `nn.Embedding(vocabulary, width)`;
    `layer_norm`, "post" or "pre"; `length_scale`, over how many positions their embeddings are alike; `b_std`, the scale of all
    biases but the last layer's; `outputs`, the number of outputs.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """
    blocks, width = as_integer("blocks", 1, blocks), as_integer("width", 1, width)
    if layer_norm not in ("post", "pre"):
        raise ValueError(f"layer_norm must be one of 'post', 'pre'; received {layer_norm!r}")
    attention = nn.SelfAttention(width, heads=heads, b_std=b_std)
    positionwise = (
        nn.Linear(4 * width, w_std=math.sqrt(2), b_std=b_std),
        nn.Relu(),
        nn.Linear(width, b_std=b_std),
    )
    if layer_norm == "post":
        block = (
            nn.Residual(attention),
            nn.LayerNorm(),
            nn.Residual(nn.Sequential(*positionwise)),
            nn.LayerNorm(),
        )
        end = ()
    else:
        block = (
            nn.Residual(nn.Sequential(nn.LayerNorm(), attention)),
            nn.Residual(nn.Sequential(nn.LayerNorm(), *positionwise)),
        )
        end = (nn.LayerNorm(),)
    start = nn.Linear(width, b_std=b_std) if embedding is None else embedding
    positions = nn.PositionalEmbedding(length_scale=length_scale)
    readout = (nn.GlobalAvgPool(), nn.Dense(as_integer("outputs", 1, outputs)))
    return nn.Sequential(start, positions, *block * blocks, *end, *readout)
