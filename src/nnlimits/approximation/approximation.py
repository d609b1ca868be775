"""What a theorem hands over: a network, how far it is from the function, and a certificate."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from nnlimits import nn
from nnlimits.approximation.certificate import Certificate
from nnlimits.approximation.compiled import compiled
from nnlimits.approximation.measured_error import MeasuredError, measured_error
from nnlimits.approximation.rounding import has_jumps, rounding_bound
from nnlimits.approximation.target import Target


@dataclasses.dataclass(frozen=True)
class Approximation:
    """A network that approximates a function on a box."""

    network: nn.Layer
    """An expression of the language."""
    params: PyTree
    """The parameters for its `apply`."""
    target: Target
    """The function, with its domain."""
    error: MeasuredError
    """The distance on a dense set that the construction did not see."""
    certificate: Certificate
    """The theorem's bound of the distance."""

    def __str__(self) -> str:
        return (
            f"{self.network!r}\nmeasured at {self.error.points} points: {self.error.sup:.6g} in sup norm, "
            f"{self.error.l2:.6g} in L^2\n{self.certificate}"
        )

    def __call__(self, x: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n outputs"]:
        """The network's outputs, in the common precision of parameters and points."""
        x = x if isinstance(x, jax.Array) else np.asarray(x)
        return compiled(self.network, self.params, x)

    @property
    def measured(self) -> float:
        """The measured distance in the certificate's norm."""
        if self.certificate.norm == "Lp":
            assert self.certificate.p is not None
            return self.error.lp(self.certificate.p)
        return self.error.sup if self.certificate.norm == "sup" else self.error.l2

    @property
    def holds(self) -> bool:
        """Whether the measured distance is below the certificate's bound, of a mean but for four standard errors of it."""
        bound, norm = self.certificate.bound, self.certificate.norm
        if norm == "sup":
            return bool(self.measured <= bound)
        p = 2.0 if self.certificate.p is None else self.certificate.p
        largest = self.error.sup or 1.0
        powers = (self.error.differences / largest) ** p
        error = 4 * float(np.std(powers)) / len(powers) ** 0.5
        return bool((self.measured / largest) ** p - error <= (bound / largest) ** p)

    def astype(self, dtype: Any) -> "Approximation":
        """The same with parameters of another precision, and the error measured anew.

        To the bound is added what rounding to a lower precision may change. Where that has no bound, as of networks of other
        words than `Dense` and activations, or next to the jump of an activation, the certificate is no longer rigorous.

        **Raises:** `TypeError` for what is no type of real numbers.
        """
        try:
            dtype = np.dtype(dtype)
        except TypeError:
            raise TypeError(f"dtype must be one of real numbers, such as numpy.float32; received {dtype!r}") from None
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"dtype must be one of real numbers, such as numpy.float32; received {dtype}")
        params = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), self.params)
        return approximation(self.network, params, self.target, self._rounded(dtype))

    def _rounded(self, dtype: np.dtype) -> Certificate:
        before, name = self.certificate, f"rounding to {dtype.name}"
        if all(jnp.finfo(dtype).eps <= jnp.finfo(leaf.dtype).eps for leaf in jax.tree.leaves(self.params)):
            return before
        bound = rounding_bound(self.network, self.params, self.target.domain, dtype)
        if not np.isfinite(bound) or has_jumps(self.network):
            assumptions = *before.assumptions, f"{name} changes little, which is not in the bound"
            return dataclasses.replace(before, rigorous=False, assumptions=assumptions)
        constants = {**before.constants, name: bound}
        return dataclasses.replace(before, bound=before.bound + bound, constants=constants)


def check_approximation(value: Any) -> None:
    """Refuse, with `TypeError`, what is no `Approximation`."""
    if not isinstance(value, Approximation):
        raise TypeError(
            f"approximation must be what a theorem such as shallow returns; received {type(value).__name__}"
        )


def approximation(
    network: nn.Layer, params: PyTree, target: Target, certificate: Certificate, *, points: int = 2**15
) -> Approximation:
    """An `Approximation`, its error measured on the held-out set of `measured_error` in the precision of the parameters."""
    leaves = jax.tree.leaves(params)
    dtype = np.dtype(leaves[0].dtype) if leaves else np.dtype(np.float64)
    error = measured_error(target, lambda x: compiled(network, params, np.asarray(x, dtype)), points=points)
    return Approximation(network, params, target, error, certificate)
