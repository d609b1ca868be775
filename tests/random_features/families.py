"""Families of random features that the same statements hold of."""

import jax
import numpy as np

from nnlimits.random_features import arc_cosine_features, fourier_features

D = 4
X = np.random.default_rng(0).normal(size=(24, D))

FAMILIES = {
    **{
        law: lambda n, key, law=law: fourier_features(D, n, lengthscale=2.0, key=key, law=law)
        for law in ("gaussian", "laplacian", "matern12", "matern32", "matern52")
    },
    **{
        f"{law} orthogonal": lambda n, key, law=law: fourier_features(
            D, n, lengthscale=2.0, key=key, law=law, orthogonal=True
        )
        for law in ("gaussian", "matern32")
    },
    **{
        f"arc-cosine {order}": lambda n, key, o=order: arc_cosine_features(D, n, order=o, key=key)
        for order in (0, 1, 2)
    },
    "arc-cosine 1 orthogonal": lambda n, key: arc_cosine_features(D, n, key=key, orthogonal=True),
}


def keys(count: int, seed: int = 0):
    return jax.random.split(jax.random.key(seed), count)


def products(embed, x=X) -> np.ndarray:
    z = np.asarray(embed(x), np.float64)
    return z @ z.T
