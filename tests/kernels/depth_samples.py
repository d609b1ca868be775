"""Kernels of simulated finite networks."""

import jax
import jax.numpy as jnp
import numpy as np


def sampled_kernels(network, x, draws, seed, chunk=50):
    """Mean and standard error of the products of outputs and of gradients, over initializations."""
    x = jnp.asarray(x)

    def one(key):
        params = network.init(key, x.shape[1:], dtype=x.dtype)
        outputs = network.apply(params, x)[:, 0]
        jacobian = jax.jacrev(lambda p: network.apply(p, x)[:, 0])(params)
        rows = [leaf.reshape(len(x), -1) for leaf in jax.tree.leaves(jacobian)]
        return jnp.outer(outputs, outputs), sum(row @ row.T for row in rows)

    keys = jax.random.split(jax.random.key(seed, impl="unsafe_rbg"), draws)
    found = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=chunk))(keys)
    return [(np.mean(v, 0), np.std(v, 0) / np.sqrt(draws)) for v in map(np.asarray, found)]


def relative(error, kernel):
    """Errors in units of the kernel's diagonal."""
    root = np.sqrt(np.diag(kernel))
    return np.asarray(error) / np.outer(root, root)
