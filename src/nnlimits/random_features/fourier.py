"""Random Fourier features of stationary kernels."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits.nn.fields import as_flag, as_integer
from nnlimits.random_features.feature_map import RandomFeatureMap
from nnlimits.random_features.randomness import generator
from nnlimits.random_features.rows import by_rows
from nnlimits.random_features.stationary import Stationary, frequencies, orthogonal_frequencies
from nnlimits.random_features.turns import cosine, full_turn, sine, traced_cosine, traced_sine
from nnlimits.validation import check_inputs


class FourierFeatures(RandomFeatureMap):
    """A cosine and a sine of each of `n_draws` random frequencies: features of a stationary kernel."""

    kernel: Stationary
    frequencies: Float[np.ndarray, "draws d"]
    """In turns per unit of the inputs."""
    scales: Float[np.ndarray, " draws"]
    """What the cosine and sine of each frequency are multiplied by: `1 / sqrt(draws)`, unless draws were weighted anew."""

    @property
    def n_features(self) -> int:
        """Twice the number of frequencies."""
        return 2 * self.n_draws

    @property
    def n_draws(self) -> int:
        """The number of frequencies."""
        return len(self.frequencies)

    def __call__(self, x: Any) -> Float[Array, "n features"]:
        """Cosines of all frequencies, then their sines, (n, n_features) in the dtype of `x`.

        **Arguments:** `x` of shape (n, d).

        **Raises:** `ValueError` for other columns than there are frequencies of, no rows, or entries that are not finite, with
        their place; `TypeError` for what is no real numbers.
        """
        x = check_inputs("x", x)
        d = self.frequencies.shape[1]
        if x.shape[1] != d:
            raise ValueError(f"x must have {d} columns, as the frequencies have; received shape {tuple(x.shape)}")
        scales = self.scales.astype(x.dtype)
        turns = self.frequencies.T.astype(x.dtype, order="C")
        angles = (full_turn(x.dtype) * self.frequencies.T).astype(x.dtype, order="C")
        return by_rows(angles, partial(_on_host, scales), partial(_on_device, turns, scales), x, self.n_features)

    def exact_kernel(self, x1: Any, x2: Any = None) -> Float[Array | np.ndarray, "n1 n2"]:
        """The stationary kernel; arguments and errors as of `Stationary`."""
        return self.kernel(x1, x2)

    def take(self, draws: Any, scales: Any) -> "FourierFeatures":
        """The features of some of the frequencies, multiplied by `scales`."""
        return FourierFeatures(self.kernel, self.frequencies[draws], self.scales[draws] * scales)


def _on_host(scales: np.ndarray, features: np.ndarray) -> None:
    m = len(scales)
    angles = features[:, :m].copy()
    for start, wave in ((0, cosine), (m, sine)):
        np.multiply(wave(angles), scales, out=features[:, start : start + m])


@jax.jit
def _on_device(frequencies: Any, scales: Any, x: Float[Array, "n d"]) -> Float[Array, "n features"]:
    turns = x @ frequencies
    return jnp.concatenate([traced_cosine(turns) * scales, traced_sine(turns) * scales], 1)


def fourier_features(
    d: int,
    n_features: int,
    *,
    lengthscale: Any = 1.0,
    key: Any,
    law: str = "gaussian",
    orthogonal: bool = False,
) -> FourierFeatures:
    """Random Fourier features: `embed(x1) @ embed(x2).T` is an unbiased estimate of a stationary kernel.

    The paired form, a cosine and a sine of each frequency, `n_features / 2` frequencies: of the same number of features it has
    the smaller variance at the distances where the Gaussian kernel is not small, and costs half of the products (Sutherland &
    Schneider 2015). The error of an entry falls as `n_features^{-1/2}`; embed.error(probe) measures it.

    **Arguments:**

    - `d`: the number of columns of inputs.
    - `n_features`: an even number.
    - `lengthscale`: a positive number, or one for each column.
    - `key`: a JAX random key.
    - `law`: that of the kernel, "gaussian", "laplacian", "matern12", "matern32" or "matern52"; see `Stationary`.
    - `orthogonal`: whether frequencies are orthogonal in groups of `d`, which lowers the variance for the Gaussian kernel (Yu
      et al. 2016, theorem 1); not for "laplacian", which does not depend on the distance alone.

    **Returns:** an immutable value: `embed(x)`, `embed.n_features`, `embed.error(probe)`.

    **Raises:** `TypeError` or `ValueError` naming the argument that is out of range.

    Rahimi & Recht 2007, Algorithm 1.
    """
    d, n_features = as_integer("d", 1, d), as_integer("n_features", 2, n_features)
    if n_features % 2:
        raise ValueError(
            f"n_features must be even, for a cosine and a sine of each frequency; received {n_features}: {n_features + 1} "
            "would work"
        )
    kernel = Stationary(law, lengthscale)
    if kernel.lengthscale.ndim and len(kernel.lengthscale) != d:
        raise ValueError(f"lengthscale must be one number or {d}, one for each column; received {lengthscale!r}")
    draw = orthogonal_frequencies if as_flag("orthogonal", orthogonal) else frequencies
    if orthogonal and law == "laplacian":
        raise ValueError(
            'orthogonal=True needs a kernel of the distance |x - x\'|, such as law="matern12"; the "laplacian" kernel is a '
            "product over columns: leave orthogonal out"
        )
    count = n_features // 2
    omega = draw(law, d, count, generator(key)) / kernel.lengthscale
    return FourierFeatures(kernel, omega / (2 * np.pi), np.full(count, count**-0.5))
