"""Two-layer linear networks under gradient descent of any learning rate: a closed system, with the catapult in it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from nnlimits.compute.precision import precision_of
from nnlimits.validation import check_finite, check_non_negative, check_positive


class Catapult(NamedTuple):
    """One datum, after 0, 1, ... steps."""

    outputs: Float[Array, " steps"]
    curvatures: Float[Array, " steps"]
    """The NTK `lambda = (|u|^2 + |v|^2) / n`, which is the loss's curvature along its gradient."""
    losses: Float[Array, " steps"]
    """`f^2 / 2`."""


class LinearCatapult(NamedTuple):
    """Several data, after 0, 1, ... steps."""

    outputs: Float[Array, "steps m"]
    ntk: Float[Array, "steps m m"]
    readouts: Float[Array, " steps"]
    """`|v|^2 / n`, of the second layer's weights."""
    losses: Float[Array, " steps"]
    """Half the mean squared error."""


def catapult(
    output: ArrayLike, curvature: ArrayLike, learning_rate: ArrayLike, width: ArrayLike, steps: int
) -> Catapult:
    """Gradient descent on `f^2 / 2` for the network `f = n^{-1/2} v^T u` of width n, one datum x = 1 with target 0.

    Output and NTK obey a closed system, exactly and at every width (Lewkowycz et al. 2020, section 2, equations 3 and 4):

        f'      = (1 - eta lambda + eta^2 f^2 / n) f
        lambda' = lambda + (eta f^2 / n) (eta lambda - 4)

    For `eta < 2 / lambda` training is lazy; up to `4 / lambda` the loss first grows, to order n, until lambda has fallen
    below `2 / eta`; beyond, it diverges.

    **Arguments:** `output` and `curvature`, f and lambda before training; `learning_rate`; `width`, n; `steps`. All but
    the steps may be traced, so that `jax.vmap` runs many at once.

    **Raises:** `ValueError` for numbers that are not finite and positive (`output`: finite).
    """
    check_finite("output", output)
    check_positive("curvature", curvature)
    check_positive("learning_rate", learning_rate)
    check_positive("width", width)
    with precision_of(output, curvature, learning_rate):
        dtype = jnp.result_type(output, curvature, learning_rate, float)
        f, curve, rate, n = (jnp.asarray(a, dtype) for a in (output, curvature, learning_rate, width))
        return _catapult(f, curve, rate, n, steps)


def _catapult(output: Array, curvature: Array, rate: Array, width: Array, steps: int) -> Catapult:
    def step(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        f, curve = state
        power = rate * f**2 / width
        return ((1 - rate * curve + rate * power) * f, curve + power * (rate * curve - 4)), state

    outputs, curvatures = jax.lax.scan(step, (output, curvature), length=steps + 1)[1]
    return Catapult(outputs, curvatures, outputs**2 / 2)


def linear_catapult(
    outputs: Float[ArrayLike, " m"],
    ntk: Float[ArrayLike, "_ _"],
    readout: Any,
    gram: Float[ArrayLike, "_ _"],
    y: Float[ArrayLike, " _"],
    learning_rate: Any,
    width: Any,
    steps: int,
) -> LinearCatapult:
    """Gradient descent on half the mean squared error for the network `f(x) = n^{-1/2} v^T U x` on m data.

    With the residual `r = f - y`, `K = x x^T` and `b = |v|^2 / n`, the outputs, the NTK `Theta = x U^T U x^T / n + b K` and b
    obey a closed system, exactly and at every width, found by writing out one step of U and v (the model of Lewkowycz et al.
    2020, section 2):

        f'     = f - eta/m Theta r + (eta/m)^2 (f.r)/n K r
        Theta' = Theta - eta/(m n) [f (K r)^T + (K r) f^T] + (eta/m)^2 b/n (K r)(K r)^T + (b' - b) K
        b'     = b - 2 eta/(m n) f.r + (eta/m)^2 / n  r^T (Theta - b K) r

    For one datum with K = 1 and y = 0 the two parts of Theta add up to `catapult`.

    **Arguments:** `outputs`, `ntk` and `readout` before training; `gram`, K (for `nn.Sequential(nn.Dense(n), nn.Dense(1))`,
    `x x^T / d`); `y`, the targets; `learning_rate`; `width`, n; `steps`.

    **Raises:** `ValueError` for arrays of unlike shapes or infinite entries, and for a rate or width that is not positive.
    """
    m = np.shape(outputs)[0]
    for name, array, shape in (("ntk", ntk, (m, m)), ("gram", gram, (m, m)), ("y", y, (m,))):
        if np.shape(array) != shape:
            raise ValueError(f"{name} must have shape {shape} for {m} outputs; received {np.shape(array)}")
        check_finite(name, array)
    check_finite("outputs", outputs)
    check_non_negative("readout", readout)
    check_positive("learning_rate", learning_rate)
    check_positive("width", width)
    with precision_of(outputs, ntk, gram):
        dtype = jnp.result_type(outputs, ntk, gram, float)
        f, theta, b, matrix, targets, rate, n = (
            jnp.asarray(a, dtype) for a in (outputs, ntk, readout, gram, y, learning_rate, width)
        )
        return _linear_catapult(f, theta, b, matrix, targets, rate, n, steps)


def _linear_catapult(
    outputs: Array, ntk: Array, readout: Array, gram: Array, y: Array, rate: Array, width: Array, steps: int
) -> LinearCatapult:
    h = rate / len(y)

    def step(state: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], Any]:
        f, theta, b = state
        r = f - y
        pull = gram @ r
        change = -2 * h / width * (f @ r) + h**2 / width * (r @ (theta @ r) - b * (r @ pull))
        crossed = jnp.outer(f, pull)
        next_theta = theta - h / width * (crossed + crossed.T) + h**2 * b / width * jnp.outer(pull, pull)
        next_f = f - h * theta @ r + h**2 * (f @ r) / width * pull
        return (next_f, next_theta + change * gram, b + change), state

    f, theta, b = jax.lax.scan(step, (outputs, ntk, readout), length=steps + 1)[1]
    return LinearCatapult(f, theta, b, ((f - y) ** 2).mean(1) / 2)
