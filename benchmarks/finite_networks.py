"""The finite networks whose empirical kernels are timed, written in JAX alone, so that both sides compute the same one."""

import itertools

import numpy as np

OUTPUTS = 10


def finite_network(case):
    """`f(params, x)` and parameters, drawn from one seed: a fully-connected or a convolutional network of ReLUs."""
    random = np.random.default_rng(1)

    def layer(*shape):
        fan_in = np.prod(shape[:-1])
        weight = random.standard_normal(shape) * np.sqrt(2 / fan_in)
        return weight.astype(case.dtype), (0.1 * random.standard_normal(shape[-1])).astype(case.dtype)

    if len(case.shape) == 1:
        widths = [*case.shape, *[case.width] * case.depth, OUTPUTS]
        return fully_connected, [layer(*pair) for pair in itertools.pairwise(widths)]
    channels = [case.shape[-1], *[case.width] * case.depth]
    params = [layer(3, 3, *pair) for pair in itertools.pairwise(channels)]
    return convolutional, [*params, layer(case.width, OUTPUTS)]


def fully_connected(params, x):
    import jax

    *hidden, (weight, bias) = params
    for hidden_weight, hidden_bias in hidden:
        x = jax.nn.relu(x @ hidden_weight + hidden_bias)
    return x @ weight + bias


def convolutional(params, x):
    """3x3 convolutions that keep the size, then global average pooling and a dense layer."""
    import jax

    *hidden, (weight, bias) = params
    layout = ("NHWC", "HWIO", "NHWC")
    for hidden_weight, hidden_bias in hidden:
        x = jax.lax.conv_general_dilated(x, hidden_weight, (1, 1), "SAME", dimension_numbers=layout)
        x = jax.nn.relu(x + hidden_bias)
    return x.mean((1, 2)) @ weight + bias
