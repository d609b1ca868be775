"""How much of a target each eigen-direction of the kernel has learned: the functions of an eigenvalue that predict.

Training on squared error by a rule `r` moves the coefficient of the residual along an eigenvector of eigenvalue
`lambda` from 1 to `1 - lambda gain(lambda)`. Predictions elsewhere need the gain itself, so it is what is computed,
without cancellation for small eigenvalues.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

Eigenvalues = Float[Array, "*shape"]
Parameter = float | int | Num[Array, "..."] | Num[np.ndarray, "..."]
"""A number, or an array that broadcasts with the eigenvalues."""


def flow_gain(eigenvalues: Eigenvalues, time: Parameter) -> Eigenvalues:
    """Gradient flow: `(1 - exp(-lambda time)) / lambda`; its limits are `time` at zero and `1 / lambda` at infinity."""
    exponent = eigenvalues * time
    small = abs(exponent) < 1e-3
    series = time * (1 - exponent / 2 * (1 - exponent / 3 * (1 - exponent / 4 * (1 - exponent / 5))))
    direct = -jnp.expm1(-exponent) / jnp.where(small, 1.0, eigenvalues)
    return jnp.where(small, series, direct)


def descent_gain(eigenvalues: Eigenvalues, steps: Parameter, rate: Parameter, momentum: Parameter) -> Eigenvalues:
    """Heavy-ball descent, after `steps` steps from rest: `gain' = gain + rate (1 - lambda gain) + momentum (gain -
    previous)`.

    With zero momentum it is `(1 - (1 - rate lambda)^steps) / lambda`. The recursion is an affine map of two numbers,
    taken to the power `steps` by repeated squaring: exact where the roots of its characteristic polynomial coincide,
    too.
    """
    integer = jnp.asarray(steps).astype(jax.dtypes.canonicalize_dtype(int))
    one, zero = jnp.ones_like(eigenvalues), jnp.zeros_like(eigenvalues)
    step = _stack(
        (one + momentum - rate * eigenvalues, -momentum * one, rate * one),
        (one, zero, zero),
        (zero, zero, one),
    )

    def square(bit: Any, state: Any) -> Any:
        power, total = state
        total = jnp.where((integer >> bit) & 1, _compose(total, power), total)
        return _compose(power, power), total

    bits = 31 if integer.dtype == jnp.int32 else 52
    identity = _stack((one, zero, zero), (zero, one, zero), (zero, zero, one))
    _, total = jax.lax.fori_loop(0, bits, square, (step, identity))
    return total[0, 2]


def _stack(*rows: tuple[Any, ...]) -> Float[Array, "3 3 *shape"]:
    return jnp.stack([jnp.stack(row) for row in rows])


def _compose(a: Array, b: Array) -> Array:
    return jnp.einsum("ij...,jk...->ik...", a, b, precision="highest")
