"""Finite networks at two inputs, simulated with all of their weights: B, and what the forward signals do not say of A.

`A` is the covariance of `E[H | signals]`, which `forward_chain` finds, and the mean of the covariance given the signals,
which is of second order and found here; and so is B, which is of first order but fluctuates by a relative 1/width once what
is linear in the signals' fluctuations is regressed out.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from forward_chain import (
    FIRST,
    SECOND,
    accumulate,
    features,
    first_state,
    given,
    next_state,
    regressed,
    unit_sums,
)

ORDERED = ((0, 0), (0, 1), (1, 0), (1, 1))
UPPER = np.triu_indices(4)


def _signals(setting, x, weights, biases):
    """Pre-activations `(2, width)` of the hidden layers."""
    u = math.sqrt(setting.w2 / x.shape[1]) * weights[0] @ x.T + math.sqrt(setting.b2) * biases[0][:, None]
    found = [u]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        u = math.sqrt(setting.w2 / len(u)) * weight @ setting.phi(u) + math.sqrt(setting.b2) * bias[:, None]
        found.append(u)
    return [u.T for u in found]


def _unit_ntks(setting, signals, weights, kernels):
    """`H_kl,ab` of the last hidden layer for the pairs 00, 11, 01."""
    width = signals[0].shape[1]
    eye = jnp.eye(width, dtype=jnp.float32)
    layers = [[k * eye for k in kernels[0]]]
    for u, weight, kernel in zip(signals, weights[1:], kernels[1:], strict=False):
        d = setting.slope(u)
        after = []
        for p, (a, b) in enumerate(zip(FIRST, SECOND, strict=True)):
            inner = d[a][:, None] * layers[-1][p] * d[b]
            after.append(kernel[p] * eye + setting.w2 / width * (weight @ inner) @ weight.T)
        layers.append(after)
    return layers[-1]


def _outputs(setting, u, ntk, kernel):
    """The NTK of an output, and B, averaged over the last layer's weights."""
    d, width = setting.slope(u), u.shape[1]
    each = jnp.stack([jnp.mean(d[a] * d[b] * jnp.diagonal(h)) for a, b, h in zip(FIRST, SECOND, ntk, strict=True)])
    of = {(0, 0): ntk[0], (1, 1): ntk[1], (0, 1): ntk[2], (1, 0): ntk[2].T}
    both = []
    for i, j in zip(*UPPER, strict=True):
        (a, b), (c, e) = ORDERED[i], ORDERED[j]
        both.append((d[a] * d[c]) @ (of[a, b] * of[c, e]) @ (d[b] * d[e]))
    return kernel + setting.w2 * each, (setting.w2 / width) ** 2 * jnp.stack(both)


def _four_slopes(setting, state, u):
    """The mean over units of `d_a d_b d_c d_d` less its expectation: what an entry `H_kk` of its own adds to B."""
    nodes, w = setting.nodes(state.kernel)
    seen, expected = features(setting, u).slopes, features(setting, nodes.T).slopes
    return (seen @ seen.T / u.shape[1] - (expected * w) @ expected.T)[np.triu_indices(3)]


def _network(setting, x, width, key):
    """Control variates of mean zero; products of what the signals leave of the NTK, and B. Weights are in single precision."""
    keys = jax.random.split(key, 6)
    shapes = [(width, x.shape[1]), (width, width), (width, width)]
    weights = [jax.random.normal(k, s, jnp.float32) for k, s in zip(keys[:3], shapes, strict=True)]
    biases = [jax.random.normal(k, (width,), jnp.float32) for k in keys[3:]]
    signals = _signals(setting, x.astype(jnp.float32), weights, biases)
    states, control = [first_state(x, setting.w2, setting.b2)], []
    for u in (u.astype(x.dtype) for u in signals):
        mean = given(setting, states[-1], width).mean
        control.append(_four_slopes(setting, states[-1], u))
        states.append(next_state(setting, states[-1], unit_sums(setting, u), width))
        control.append(jnp.concatenate([states[-1].kernel, states[-1].ntk]) - mean)
    kernels = [s.kernel.astype(jnp.float32) for s in states]
    mean, b = _outputs(setting, signals[-1], _unit_ntks(setting, signals, weights, kernels), kernels[-1])
    left = mean - states[-1].ntk
    i, j = np.triu_indices(3)
    return jnp.concatenate(control), jnp.concatenate([left[i] * left[j], b])


@partial(jax.jit, static_argnums=(0, 2, 4))
def _networks(setting, x, width, key, batch):
    return jax.lax.map(lambda k: _network(setting, x, width, k), jax.random.split(key, batch))


def simulate(setting, x, width, count, seed, batch=50):
    """Means over `count` networks and their standard errors: 6 entries of A's second part, and 10 of B."""
    halves = [0.0, 0.0]
    for i, key in enumerate(jax.random.split(jax.random.key(seed), count // batch)):
        control, target = _networks(setting, jnp.asarray(x), width, key, batch)
        halves[i % 2] = accumulate(halves[i % 2], control, target)
    return regressed([np.asarray(h) for h in halves], control.shape[1])[:2]
