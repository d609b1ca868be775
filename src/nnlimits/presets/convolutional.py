"""Networks for images and other grids of positions: inputs (*positions, channels), such as (32, 32, 3)."""

import math

from nnlimits import nn
from nnlimits.nn.fields import Scalar, as_integer

_MYRTLE_BLOCKS = {5: (2, 1, 1), 7: (2, 2, 2), 10: (3, 3, 3)}
"""How many convolutions each block of a Myrtle network has, by its depth (the readout counts as one layer)."""


def cnn(
    depth: int = 3,
    width: int = 128,
    kernel_size: int | tuple[int, ...] = 3,
    activation: nn.Layer = nn.Relu(),
    w_std: int | Scalar = math.sqrt(2),
    b_std: int | Scalar = 0.1,
    readout: nn.Layer = nn.Flatten(),
    outputs: int = 1,
) -> nn.Sequential:
    """A plain convolutional network: `depth` times a convolution and an activation, then a readout and a dense layer.

    At infinite width, the flattened readout forgets that weights are shared between positions, the pooled one does not
    (Novak et al. 2019). The defaults are critical for ReLU, as in `mlp`.

    **Arguments:** `depth`, the number of convolutions, at least 1; `width`, the number of their channels; `kernel_size`, an
    integer for all position axes or a tuple of one an axis; `activation`, a layer; `w_std` and `b_std`, the scales of the
    convolutions' weights and biases; `readout`, the layer that removes the positions, such as `nn.Flatten()` or
    `nn.GlobalAvgPool()`; `outputs`, the number of outputs.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """
    depth = as_integer("depth", 1, depth)
    hidden = (nn.Conv(width, kernel_size, w_std=w_std, b_std=b_std), activation)
    return nn.Sequential(*hidden * depth, readout, nn.Dense(as_integer("outputs", 1, outputs)))


def wide_resnet(
    blocks: int = 1,
    width: int = 64,
    w_std: int | Scalar = math.sqrt(2),
    b_std: int | Scalar = 0.0,
    outputs: int = 1,
) -> nn.Sequential:
    """A wide residual network (Zagoruyko & Komodakis 2016), without normalization.

    A 3x3 convolution; three stages of `blocks` pre-activation residual blocks of two 3x3 convolutions, with `width`,
    2 `width` and 4 `width` channels and strides 1, 2 and 2; an activation, the global average, a dense layer. A block that
    changes the shape has a 1x1 convolution as its shortcut, another the identity. The depth in the paper's count is
    `6 blocks + 4`, and its widening factor `width / 16`.

    **Arguments:** `blocks`, the number of blocks in a stage, at least 1; `width`, as above; `w_std` and `b_std`, the scales of
    all weights and biases but the dense layer's; `outputs`, the number of outputs.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """
    blocks, width = as_integer("blocks", 1, blocks), as_integer("width", 1, width)

    def conv(channels: int, kernel_size: int = 3, stride: int = 1) -> nn.Conv:
        return nn.Conv(channels, kernel_size, stride=stride, w_std=w_std, b_std=b_std)

    def block(channels: int, stride: int, shortcut: nn.Layer) -> nn.Residual:
        body = nn.Sequential(nn.Relu(), conv(channels, stride=stride), nn.Relu(), conv(channels))
        return nn.Residual(body, shortcut=shortcut)

    layers: list[nn.Layer] = [conv(width)]
    for channels, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
        shortcut = nn.Identity() if stride == 1 else conv(channels, 1, stride)
        layers.append(block(channels, stride, shortcut))
        layers += [block(channels, 1, nn.Identity())] * (blocks - 1)
    return nn.Sequential(*layers, nn.Relu(), nn.GlobalAvgPool(), nn.Dense(as_integer("outputs", 1, outputs)))


def myrtle(
    depth: int = 5,
    width: int = 128,
    w_std: int | Scalar = math.sqrt(2),
    b_std: int | Scalar = 0.0,
    outputs: int = 1,
) -> nn.Sequential:
    """A Myrtle network, whose kernels are among the best for small images (Shankar et al. 2020, figure 2).

    Three blocks of 3x3 convolutions, each followed by ReLU, with averages over 2x2 windows between them; then averages over all
    that is left and a dense layer. On images of 32 x 32, this last average is the paper's three over 2x2 windows.

    **Arguments:** `depth`, 5, 7 or 10; `width`, the number of channels; `w_std` and `b_std`, the scales of the convolutions'
    weights and biases; `outputs`, the number of outputs.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.
    """
    if depth not in _MYRTLE_BLOCKS:
        raise ValueError(f"depth must be one of {', '.join(map(str, _MYRTLE_BLOCKS))}; received {depth!r}")
    first, second, third = (
        (nn.Conv(width, 3, w_std=w_std, b_std=b_std), nn.Relu()) * convolutions
        for convolutions in _MYRTLE_BLOCKS[depth]
    )
    readout = (nn.GlobalAvgPool(), nn.Dense(as_integer("outputs", 1, outputs)))
    return nn.Sequential(*first, nn.AvgPool(2), *second, nn.AvgPool(2), *third, *readout)
