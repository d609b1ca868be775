"""Multiplication by a power of the depth."""

import math

from nnlimits.nn.depth_dependent import DepthDependent
from nnlimits.nn.fields import static_real_field
from nnlimits.nn.layer import Layer
from nnlimits.nn.scale import Scale


class DepthScale(DepthDependent):
    """`depth^-exponent x`, where `depth` is that of the innermost `Repeat` in whose block it stands.

    The exponent decides what a residual network `nn.Repeat(nn.Residual(nn.Sequential(..., nn.DepthScale(exponent))), depth)`
    tends to as the depth grows, when all blocks have weights of their own: at 1/2 (the default) the covariance of its units
    follows a differential equation; above, the blocks vanish together; below, the units grow without bound (Hayou & Yang 2023).

    A finite `Repeat` is the same as with `nn.Scale(depth**-exponent)` in its place; with `depth=math.inf` it is the limit.

    **Arguments:** `exponent`, a number of at least 0 that is known before tracing.
    """

    exponent: float = static_real_field("exponent", 0.5, minimum=0.0)

    def at_depth(self, depth: int | float) -> Layer:
        """The multiplication in a `Repeat` of that depth; of an infinite one, by the limit of the factor."""
        return Scale(0.0 if math.isinf(depth) and self.exponent > 0 else float(depth) ** -self.exponent)

    @property
    def advice(self) -> tuple[str, str]:
        example = "nn.Repeat(nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(512), nn.DepthScale(0.5))), 64)"
        return example, "nn.Scale"
