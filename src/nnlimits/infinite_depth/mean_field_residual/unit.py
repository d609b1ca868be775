"""What one neuron of a residual block computes."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nnlimits import nn
from nnlimits.nn.fields import as_flag, as_integer


class ResidualUnit(eqx.Module):
    """`f(x, theta) = a phi(<w, x> + b)` from R^d to R^d, `theta` the row `(w, b, a)` of length 2 d + 1, or 2 d without `b`.

    The limit in depth and width exists for an activation with a bounded Lipschitz constant; that the gradient flow of the law is
    well posed, and that finite networks follow it, is proved for activations with Lipschitz derivatives (Ding, Chen, Li & Wright
    2022), which a smooth activation such as tanh has, and ReLU has not: see `smooth`.

    **Arguments:** `activation`, of `nnlimits.nn`; `features`, the dimension d of the state; `bias`, whether there is `b`.

    **Raises:** `TypeError` or `ValueError` for arguments that do not fit.
    """

    activation: nn.Activation
    features: int = eqx.field(static=True)
    bias: bool = eqx.field(static=True, default=True)

    def __init__(self, activation: nn.Activation, features: int, bias: bool = True) -> None:
        if not isinstance(activation, nn.Activation):
            raise TypeError(
                f"activation must be an activation of nnlimits.nn, such as nn.Tanh(); received {activation!r}"
            )
        features, bias = as_integer("features", 1, features), as_flag("bias", bias)
        self.activation, self.features, self.bias = activation, features, bias

    @property
    def parameters(self) -> int:
        """The number p of parameters of one neuron."""
        return 2 * self.features + self.bias

    @property
    def smooth(self) -> bool:
        """Whether the activation has no kink, as the theorems on training ask."""
        return not self.activation.kinks

    def split(self, theta: Float[Array | np.ndarray, "... p"]) -> tuple[Array, Array, Array]:
        """`w` (..., d), `b` (...,), zero where there is none, and `a` (..., d)."""
        theta, d = jnp.asarray(theta), self.features
        b = theta[..., d] if self.bias else jnp.zeros(theta.shape[:-1], theta.dtype)
        return theta[..., :d], b, theta[..., d + self.bias :]

    def join(self, w: Any, b: Any, a: Any) -> Float[Array, "... p"]:
        """The rows of these parts; `b` is ignored where neurons have none."""
        parts = (w, jnp.asarray(b)[..., None], a) if self.bias else (w, a)
        return jnp.concatenate([jnp.asarray(part) for part in parts], -1)

    def velocity(
        self, theta: Float[Array | np.ndarray, "m p"], x: Float[Array | np.ndarray, "n d"]
    ) -> Float[Array, "n d"]:
        """The mean over neurons of `f(x, theta)`: the right-hand side of the equation of the state."""
        w, b, a = self.split(theta)
        return self.activation(jnp.asarray(x) @ w.T + b) @ a / theta.shape[0]

    def correlate(
        self, theta: Float[Array | np.ndarray, "k p"], x: Float[Array, "n d"], pull: Float[Array, "n d"]
    ) -> Float[Array, " k"]:
        """`sum over rows of x of <pull, f(x, theta)>` for each neuron."""
        w, b, a = self.split(theta)
        return ((self.activation(x @ w.T + b).T @ pull) * a).sum(-1)
