"""What all approximations of a kernel by finitely many features share."""

import abc
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from nnlimits.random_features.kernel_error import DEFAULT_RIDGE, KernelError, kernel_error


class FeatureMap(eqx.Module):
    """Finitely many features whose inner products approximate a kernel: an immutable value that is called with inputs."""

    @property
    @abc.abstractmethod
    def n_features(self) -> int:
        """How many features an input has."""

    @abc.abstractmethod
    def __call__(self, x: Any) -> Float[Array, "n features"]:
        """The features of inputs (n, d), in their dtype: `embed(x1) @ embed(x2).T` approximates the kernel.

        **Raises:** `ValueError` for a wrong shape, no rows, or entries that are not finite, with their place; `TypeError` for
        what is no real numbers.
        """

    @abc.abstractmethod
    def exact_kernel(self, x1: Any, x2: Any = None) -> Float[Array | np.ndarray, "n1 n2"]:
        """The kernel that is approximated; `x2` is `x1` if left out."""

    def error(self, probe: Any, *, ridge: float = DEFAULT_RIDGE) -> KernelError:
        """The distance of the features' kernel from the exact one on a probe set.

        It forms both matrices of all pairs: a few hundred rows are enough.

        **Arguments:** `probe`, inputs (n, d); `ridge`, that of the spectral error, as of `kernel_error`.

        **Raises:** as a call, and as `kernel_error`.
        """
        z = np.asarray(self(probe), np.float64)
        return kernel_error(np.asarray(self.exact_kernel(probe)), z @ z.T, ridge=ridge)


class RandomFeatureMap(FeatureMap):
    """Features from independent draws, each of which gives the kernel in expectation, so that draws may be weighted anew."""

    @property
    @abc.abstractmethod
    def n_draws(self) -> int:
        """From how many draws the features come: `n_features` is this number times a whole number of columns a draw.

        Column `j` belongs to draw `j % n_draws`.
        """

    @abc.abstractmethod
    def take(self, draws: Any, scales: Any) -> "RandomFeatureMap":
        """The features of some of the draws, any of them repeatedly, multiplied by `scales`."""
