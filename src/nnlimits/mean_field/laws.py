"""Laws that neurons are drawn from at the start."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from nnlimits.mean_field.neurons import Neurons
from nnlimits.validation import check_finite, check_positive


class Law(eqx.Module):
    """A probability distribution of the parameters of one neuron."""

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray, m: int, dtype: Any) -> Float[Array, "m p"]:
        """`m` independent draws."""

    def sample(self, key: PRNGKeyArray, m: int, dtype: Any = np.float32) -> Neurons:
        """`m` neurons of equal mass.

        **Raises:** `ValueError` if `m` is not a whole number of at least 1.
        """
        if isinstance(m, bool) or not isinstance(m, int | np.integer) or m < 1:
            raise ValueError(f"m must be a whole number of at least 1; received {m!r}")
        with jax.enable_x64(True) if np.dtype(dtype) == np.float64 else _as_it_is():
            return Neurons(self.draw(key, int(m), dtype))


class GaussianMixture(Law):
    """A mixture of Gaussian laws with independent coordinates.

    **Arguments:** `means` (components, p) or one (p,); `stds`, of the same shape or any that broadcasts to it, at least 0 and
    not all zero where there is one mean only; `weights`, of the components, equal if absent.

    **Raises:** `ValueError` for shapes that do not fit, negative or infinite numbers, and a law that is a single point: all its
    neurons would be and stay the same one.
    """

    means: np.ndarray
    stds: np.ndarray
    weights: np.ndarray

    def __init__(self, means: Any, stds: Any, weights: Any = None) -> None:
        self.means = np.atleast_2d(np.asarray(means, np.float64))
        if self.means.ndim != 2 or self.means.size == 0:
            raise ValueError(f"means must have the shape (components, parameters); received {np.shape(means)}")
        try:
            self.stds = np.broadcast_to(np.asarray(stds, np.float64), self.means.shape)
        except ValueError:
            raise ValueError(
                f"stds must broadcast to the shape of means, {self.means.shape}; received {np.shape(stds)}"
            ) from None
        count = len(self.means)
        given = np.full(count, 1 / count) if weights is None else np.asarray(weights, np.float64)
        for name, value in (("means", self.means), ("stds", self.stds), ("weights", given)):
            check_finite(name, value)
        if given.shape != (count,) or (given < 0).any() or given.sum() <= 0:
            raise ValueError(
                f"weights must be {count} numbers, not negative, with a positive sum; received {weights!r}"
            )
        if (self.stds < 0).any():
            raise ValueError(f"stds must not be negative; the smallest is {self.stds.min()}")
        self.weights = given / given.sum()
        if not self.stds.any() and (self.means == self.means[0]).all():
            raise ValueError("a law of one point gives neurons that are all the same and stay so; give a positive std")

    def draw(self, key: PRNGKeyArray, m: int, dtype: Any) -> Float[Array, "m p"]:
        which, noise = jax.random.split(key)
        component = jax.random.choice(which, len(self.means), (m,), p=jnp.asarray(self.weights, dtype))
        normal = jax.random.normal(noise, (m, self.means.shape[1]), dtype)
        return jnp.asarray(self.means, dtype)[component] + jnp.asarray(self.stds, dtype)[component] * normal


class Sphere(Law):
    """The uniform law on the sphere of a radius around zero; for homogeneous neurons any other law with its directions is as
    good.

    **Arguments:** `size`, the number of parameters; `radius`, positive.
    """

    size: int = eqx.field(static=True)
    radius: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise ValueError(f"size must be a whole number of at least 1; received {self.size!r}")
        check_positive("radius", self.radius)

    def draw(self, key: PRNGKeyArray, m: int, dtype: Any) -> Float[Array, "m p"]:
        normal = jax.random.normal(key, (m, self.size), dtype)
        return self.radius * normal / jnp.linalg.norm(normal, axis=1, keepdims=True)


def gaussian(size: int, std: Any = 1.0) -> GaussianMixture:
    """Independent centred Gaussian parameters: `std` a number, or one for each of `size` parameters."""
    return GaussianMixture(np.zeros(size), std)


def _as_it_is() -> Any:
    import contextlib

    return contextlib.nullcontext()
