"""Functions of many kinds, with parameters and examples, for the tests of empirical kernels."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn


def draw(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def mlp():
    net = nn.Sequential(nn.Dense(7, b_std=0.3), nn.Relu(), nn.Dense(6, w_std=1.3), nn.Gelu(), nn.Dense(3, b_std=0.1))
    return net.apply, net.init(jax.random.key(0), (4,), dtype=np.float64), (4,)


def residual():
    body = nn.Sequential(nn.Dense(5), nn.Tanh(), nn.Dense(5, b_std=0.2))
    net = nn.Sequential(nn.Dense(5), nn.Residual(body), nn.Relu(), nn.Residual(body), nn.Dense(2))
    return net.apply, net.init(jax.random.key(1), (4,), dtype=np.float64), (4,)


def standard_parameterization():
    net = nn.Sequential(nn.Dense(5, b_std=1.0), nn.Erf(), nn.Dense(2, b_std=1.0), parameterization="standard")
    return net.apply, net.init(jax.random.key(1), (4,), dtype=np.float64), (4,)


def convolutional():
    """Strides, dilation, groups, several layouts; biases along positions; global average pooling."""
    params = {
        "first": (draw(0, 3, 3, 2, 4), draw(1, 4)),
        "strided": draw(2, 6, 4, 3, 2),
        "grouped": (draw(3, 2, 2, 2, 6), draw(4, 6, 1, 1)),
        "head": draw(5, 6, 3),
    }

    def f(params, x):
        weight, bias = params["first"]
        x = jax.lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias
        x = jnp.moveaxis(jnp.tanh(x), -1, 1)
        x = jnp.tanh(jax.lax.conv_general_dilated(x, params["strided"], (2, 1), ((1, 2), (0, 1)), rhs_dilation=(1, 2)))
        weight, bias = params["grouped"]
        numbers = ("NCHW", "HWIO", "NCHW")
        grouped = jax.lax.conv_general_dilated(
            x, weight, (1, 1), ((0, 1), (-1, 0)), (2, 1), dimension_numbers=numbers, feature_group_count=3
        )
        return jnp.tanh(0.7 * grouped + bias).mean((2, 3)) @ params["head"]

    return f, params, (6, 5, 2)


def tokens():
    """Attention over tokens with LayerNorm, gains and biases shared by the tokens."""
    d, width = 4, 6
    params = {
        "embedding": (draw(0, d, width), draw(1, width)),
        "norm": {"gain": 1 + draw(2, width) / 3, "bias": draw(3, width)},
        "qkv": draw(4, 3, width, width) / 2,
        "out": [draw(5, width, width), draw(6, 2, width)],
        "scale": np.float64(0.8),
    }

    def f(params, x):
        weight, bias = params["embedding"]
        x = x @ weight + bias
        centred = x - x.mean(-1, keepdims=True)
        normed = centred / jnp.sqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-3)
        normed = normed * params["norm"]["gain"] + params["norm"]["bias"]
        q, k, v = (normed @ params["qkv"][i] for i in range(3))
        scores = jax.nn.softmax(params["scale"] * jnp.einsum("nqd,nkd->nqk", q, k), axis=-1)
        x = x + (scores @ v) @ params["out"][0].T
        return jnp.einsum("ntd,od->no", jnp.tanh(x), params["out"][1])

    return f, params, (3, d)


def shared():
    """One matrix used twice, one left out, one that reaches the outputs as it is."""
    params = {"twice": draw(0, 4, 4), "unused": draw(1, 3), "head": draw(2, 4, 2), "offset": draw(3, 2)}

    def f(params, x):
        x = jnp.tanh(x @ params["twice"])
        return jnp.tanh(x @ params["twice"]) @ params["head"] - 2 * params["offset"]

    return f, params, (4,)


def scanned():
    params = (draw(0, 5, 4, 4), draw(1, 5, 4), draw(2, 4))

    def f(params, x):
        weights, biases, head = params

        @jax.checkpoint
        def layer(x, both):
            return jnp.tanh(x @ both[0] + both[1]), None

        return jax.lax.scan(layer, x, (weights, biases))[0] @ head

    return f, params, (4,)


def equinox_network():
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0), 2)
        model = eqx.nn.Sequential(
            [
                eqx.nn.Conv2d(2, 3, 2, key=keys[0], dtype=jnp.float64),
                eqx.nn.Lambda(jax.nn.silu),
                eqx.nn.Lambda(jnp.ravel),
                eqx.nn.Linear(12, 2, key=keys[1], dtype=jnp.float64),
            ]
        )
    params, static = eqx.partition(model, eqx.is_inexact_array)
    return lambda params, x: jax.vmap(eqx.combine(params, static))(x), params, (2, 3, 3)


CASES = [
    mlp,
    residual,
    standard_parameterization,
    convolutional,
    tokens,
    shared,
    scanned,
    equinox_network,
]


def jacobian_matrix(f, params, x):
    """The definition: all derivatives of all outputs as one array (n, outputs, parameters)."""
    jacobian = jax.jit(jax.jacrev(f))(params, x)
    leaves = jax.tree.leaves(jacobian)
    n = len(x)
    n_outputs = leaves[0].size // n // jax.tree.leaves(params)[0].size
    return np.concatenate([np.asarray(leaf).reshape(n, n_outputs, -1) for leaf in leaves], axis=2)


def kernel_by_definition(f, params, x1, x2):
    with jax.enable_x64(True):
        return np.einsum("iap,jbp->ijab", jacobian_matrix(f, params, x1), jacobian_matrix(f, params, x2))
