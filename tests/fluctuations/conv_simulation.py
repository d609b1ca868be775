"""Random finite convolutional networks, simulated layer by layer from the definitions, with nothing of the library's.

Given the covariance of a layer's channels over inputs and positions, the channels are independent Gaussians: they are drawn, go
through the words up to the next layer with weights, and give its covariance. No weights are needed.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np


def patches(f, kernel, stride, padding):
    """`f` (n, *positions, C), to (n, *outputs, window, C): zeros or the ring beyond the border."""
    axes = f.ndim - 2
    reach = [0 if padding == "valid" else (k - 1) // 2 for k in kernel]
    after = [0 if padding == "valid" else k // 2 for k in kernel]
    mode = "wrap" if padding == "circular" else "constant"
    wide = jnp.pad(f, [(0, 0), *zip(reach, after, strict=True), (0, 0)], mode=mode)
    found = []
    for offset in itertools.product(*(range(k) for k in kernel)):
        starts = [
            slice(o, o + f.shape[1 + i] - (kernel[i] - 1 if padding == "valid" else 0)) for i, o in enumerate(offset)
        ]
        found.append(wide[(slice(None), *starts)][(slice(None), *(slice(None, None, s) for s in stride))])
    return jnp.stack(found, axis=1 + axes)


def covariance(f, word, w2, b2):
    """Of the outputs of a layer with weights, over inputs and positions."""
    name, *arguments = word
    p = patches(f, *arguments) if name == "conv" else f[..., None, :]
    if name == "dense":
        p = f.reshape(f.shape[0], 1, -1, 1)
    shape = p.shape[:-2]
    flat = p.reshape(int(np.prod(shape)), -1)
    return b2 + w2 * flat @ flat.T / flat.shape[1], shape


def through(f, word, phi):
    """A word without weights."""
    name, *arguments = word
    if name == "phi":
        return phi(f)
    if name == "average":
        return patches(f, *arguments, "valid").mean(-2)
    if name == "global":
        return f.mean(range(1, f.ndim - 1))[:, None]
    raise ValueError(name)


def _network(key, x, words, phi, width, w2, b2):
    s, shape, f = None, None, x
    for place, word in enumerate(words):
        if word[0] not in ("conv", "dense"):
            f = through(f, word, phi)
            continue
        s, shape = covariance(f, word, w2, b2)
        if place == len(words) - 1:
            return s
        key, used = jax.random.split(key)
        root = jnp.linalg.cholesky(s + 1e-6 * jnp.eye(len(s)) * jnp.trace(s) / len(s))
        f = (root @ jax.random.normal(used, (len(s), width), x.dtype)).reshape(*shape, width)
    raise ValueError("the last word must have weights")


def kernels(seed, x, words, phi, width, w2, b2, samples, batch=4096):
    """`S` of many networks, (samples, n, n)."""
    draw = jax.jit(jax.vmap(lambda key: _network(key, x, words, phi, width, w2, b2)))
    keys = jax.random.split(jax.random.key(seed), max(1, samples // batch))
    return np.concatenate([np.asarray(draw(jax.random.split(k, min(batch, samples))), np.float64) for k in keys])
