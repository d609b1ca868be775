"""Exponentials."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.activation import SmoothActivation
from nnlimits.nn.fields import Scalar, non_negative_field, real_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization


class Exp(SmoothActivation):
    """`a exp(b x)`."""

    a: Scalar = real_field("a", 1.0)
    b: Scalar = real_field("b", 1.0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.a * jnp.exp(self.b * x)


class ExpNormalized(Layer):
    """`r exp(sqrt(gamma) x / r + gamma (shift - 1) / 2)`, with r the root mean square of x over its features.

    The limit sees inputs of variance q1, q2 and correlation c, and gives `sqrt(q1 q2) exp(gamma (c + shift))` (the
    exponential kernel of Mairal, Koniusz, Harchaoui & Schmid 2014). Zero where all features are zero.

    **Arguments:** `gamma`, at least 0, the kernel's sharpness; `shift`, any real number; -1 keeps the variance.
    """

    gamma: Scalar = non_negative_field("gamma", 1.0)
    shift: Scalar = real_field("shift", -1.0)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise self._shape_error("expects at least one axis of features; it received ().")
        return input_shape

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        square = jnp.mean(x**2, axis=-1, keepdims=True)
        positive = square > 0
        r = jnp.sqrt(jnp.where(positive, square, 1))
        y = r * jnp.exp(jnp.sqrt(self.gamma) * x / r + self.gamma * (self.shift - 1) / 2)
        return jnp.where(positive, y, 0)
