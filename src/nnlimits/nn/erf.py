"""The error function."""

import jax
from jaxtyping import Array, Float

from nnlimits.nn.activation import SmoothActivation
from nnlimits.nn.fields import Scalar, real_field


class Erf(SmoothActivation):
    """`a erf(b x) + c` (Williams 1997)."""

    a: Scalar = real_field("a", 1.0)
    b: Scalar = real_field("b", 1.0)
    c: Scalar = real_field("c", 0.0)

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.a * jax.scipy.special.erf(self.b * x) + self.c
