"""The derivatives of a nonlinearity, and where it is not smooth."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.validation import is_traced

Function = Callable[[Float[Array, "..."]], Float[Array, "..."]]


def kinks_of(activation: nn.Layer) -> tuple[float, ...]:
    """The points where a nonlinearity is not smooth; an identity has none."""
    return activation.kinks if isinstance(activation, nn.Activation) else ()


def as_function(activation: nn.Layer) -> Function:
    """The nonlinearity as a function."""
    return activation if isinstance(activation, nn.Activation) else lambda u: u


def derivatives(function: Function, order: int) -> list[Function]:
    """The function and its derivatives up to `order`; at a kink, those of one of its sides."""
    found = [function]
    for _ in range(order):
        found.append(_derivative(found[-1]))
    return found


def _derivative(function: Function) -> Function:
    return lambda u: jax.jvp(function, (u,), (jnp.ones_like(u),))[1]


def check_continuous(activation: nn.Layer) -> None:
    """Raise `NotImplementedError` for a nonlinearity that jumps at one of its kinks."""
    kinks = kinks_of(activation)
    if not kinks or is_traced(activation):
        return
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        at = np.asarray(kinks)
        step = 1e-9 * np.maximum(np.abs(at), 1.0)
        function = as_function(activation)
        jump = np.abs(np.asarray(function(jnp.asarray(at + step)) - function(jnp.asarray(at - step))))
    if jump.max() > 1e-5:
        raise NotImplementedError(
            f"{activation!r} jumps, and has no expansion at first order in 1/width for inputs that nearly coincide. Use a "
            "continuous activation such as nn.Erf(), or estimate with nnlimits.empirical.monte_carlo"
        )
