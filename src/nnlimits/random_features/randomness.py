"""Draws on the host from a JAX random key: in float64 whatever JAX's configuration, and the same on every device."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def generator(key: Any) -> np.random.Generator:
    """NumPy's generator, seeded by the key.

    **Raises:** `TypeError` for anything but a key of JAX.
    """
    if isinstance(key, jax.Array | np.ndarray):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
            return np.random.default_rng(np.asarray(jax.random.key_data(key)).astype(np.uint32))
        if key.dtype == np.uint32 and key.shape == (2,):
            return np.random.default_rng(np.asarray(key))
    raise TypeError(f"key must be one random key, such as jax.random.key(0); received {key!r}")
