"""Random features of the arc-cosine kernels."""

import math
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial.distance import cdist

from nnlimits.nn.fields import as_flag, as_integer
from nnlimits.random_features.feature_map import RandomFeatureMap
from nnlimits.random_features.randomness import generator
from nnlimits.random_features.rows import by_rows
from nnlimits.random_features.stationary import frequencies, orthogonal_frequencies
from nnlimits.validation import check_inputs, check_same_dtype

LARGEST_ORDER = 2


class ArcCosineFeatures(RandomFeatureMap):
    """Rectified powers of random projections: a layer of random neurons, whose kernel is the arc-cosine kernel."""

    order: int = eqx.field(static=True)
    weights: Float[np.ndarray, "draws d"]
    scales: Float[np.ndarray, " draws"]
    """What each neuron's output is multiplied by: `sqrt(2 / draws)`, unless draws were weighted anew."""

    @property
    def n_features(self) -> int:
        """The number of neurons."""
        return len(self.weights)

    @property
    def n_draws(self) -> int:
        """The number of neurons."""
        return len(self.weights)

    def __call__(self, x: Any) -> Float[Array, "n features"]:
        """`step(<w, x>) <w, x>^order` of each neuron, scaled, (n, n_features) in the dtype of `x`.

        **Arguments:** `x` of shape (n, d).

        **Raises:** `ValueError` for other columns than neurons have weights, no rows, or entries that are not finite, with
        their place; `TypeError` for what is no real numbers.
        """
        x = check_inputs("x", x)
        d = self.weights.shape[1]
        if x.shape[1] != d:
            raise ValueError(f"x must have {d} columns, as the neurons have weights; received shape {tuple(x.shape)}")
        weights, scales = self.weights.T.astype(x.dtype, order="C"), self.scales.astype(x.dtype)
        on_host, on_device = partial(_on_host, self.order, scales), partial(_on_device, self.order, weights, scales)
        return by_rows(weights, on_host, on_device, x, self.n_features)

    def exact_kernel(self, x1: Any, x2: Any = None) -> Float[np.ndarray, "n1 n2"]:
        """`arc_cosine_kernel` of this order."""
        return arc_cosine_kernel(x1, x2, order=self.order)

    def take(self, draws: Any, scales: Any) -> "ArcCosineFeatures":
        """Some of the neurons, multiplied by `scales`."""
        return ArcCosineFeatures(self.order, self.weights[draws], self.scales[draws] * scales)


def _on_host(order: int, scales: np.ndarray, outputs: np.ndarray) -> None:
    if order == 0:
        np.greater(outputs, 0, out=outputs, casting="unsafe")
    else:
        np.maximum(outputs, 0, out=outputs)
    if order == 2:
        np.square(outputs, out=outputs)
    outputs *= scales


@partial(jax.jit, static_argnums=0)
def _on_device(order: int, weights: Any, scales: Any, x: Float[Array, "n d"]) -> Float[Array, "n features"]:
    projection = x @ weights
    if order == 0:
        return jnp.where(projection > 0, scales, 0)
    return jnp.maximum(projection, 0) ** order * scales


def arc_cosine_features(
    d: int, n_features: int, *, order: int = 1, key: Any, orthogonal: bool = False
) -> ArcCosineFeatures:
    """Random features of an arc-cosine kernel: `embed(x1) @ embed(x2).T` is an unbiased estimate of it.

    **Arguments:** `d`, the number of columns of inputs; `n_features`, that of neurons; `order`, the power of the rectified
    projection: 0 (steps), 1 (ReLU) or 2; `key`, a JAX random key; `orthogonal`, whether weights are orthogonal in groups of
    `d`, each alone with the same law.

    **Returns:** an immutable value: `embed(x)`, `embed.n_features`, `embed.error(probe)`.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.

    Cho & Saul 2009, eq. 1; as random features, Bach 2017.
    """
    d, n_features = as_integer("d", 1, d), as_integer("n_features", 1, n_features)
    order = _as_order(order)
    draw = orthogonal_frequencies if as_flag("orthogonal", orthogonal) else frequencies
    weights = draw("gaussian", d, n_features, generator(key))
    return ArcCosineFeatures(order, weights, np.full(n_features, math.sqrt(2 / n_features)))


def arc_cosine_kernel(x1: Any, x2: Any = None, *, order: int = 1) -> Float[np.ndarray, "n1 n2"]:
    """The arc-cosine kernel, `|x|^n |x'|^n J_n(theta) / pi`, in float64 and as accurate for angles near 0 and pi as elsewhere.

    `J_0 = pi - theta`, `J_1 = sin(theta) + (pi - theta) cos(theta)`, `J_2 = 3 sin(theta) cos(theta) + (pi - theta) (1 + 2
    cos(theta)^2)`. A vector of zeros has kernel zero with all, and for order 0 with itself too: none of its steps is up.

    **Arguments:** `x1` of shape (n1, d); `x2` of shape (n2, d), or `None` for `x1`; `order`, 0, 1 or 2.

    **Raises:** `ValueError` or `TypeError` for wrong shapes, mixed dtypes, an order out of range, entries that are not finite.

    Cho & Saul 2009, eq. 3 and 6-9.
    """
    order = _as_order(order)
    x1 = check_inputs("x1", x1)
    x2 = x1 if x2 is None else check_inputs("x2", x2)
    check_same_dtype(x1=x1, x2=x2)
    if x1.shape[1] != x2.shape[1]:
        raise ValueError(f"x1 and x2 must have as many columns; received shapes {x1.shape} and {x2.shape}")
    (unit1, norm1), (unit2, norm2) = (_direction(np.asarray(x, np.float64)) for x in (x1, x2))
    theta = 2 * np.arctan2(cdist(unit1, unit2), cdist(unit1, -unit2))  # Kahan 2006
    rest, sine, cosine = np.pi - theta, np.sin(theta), np.cos(theta)
    angular = (rest, sine + rest * cosine, 3 * sine * cosine + rest * (1 + 2 * cosine**2))[order]
    there = np.outer(norm1 > 0, norm2 > 0)
    return there * np.outer(norm1, norm2) ** order * angular / np.pi


def _direction(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    norm = np.linalg.norm(x, axis=1)
    return x / np.where(norm > 0, norm, 1)[:, None], norm


def _as_order(order: Any) -> int:
    order = as_integer("order", 0, order)
    if order > LARGEST_ORDER:
        raise ValueError(f"order must be 0, 1 or 2; received {order}")
    return order
