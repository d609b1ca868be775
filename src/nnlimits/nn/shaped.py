"""Activations that straighten as the network deepens."""

import math

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.fields import Scalar, real_field
from nnlimits.nn.identity import Identity
from nnlimits.nn.layer import Layer
from nnlimits.nn.parameterization import Parameterization
from nnlimits.nn.relu import ABRelu
from nnlimits.validation import is_traced


class ShapedRelu(Layer):
    """`s_plus max(x, 0) + s_minus min(x, 0)` with slopes `s = 1 + c / sqrt(depth)`, over the root of its second moment at a
    standard Gaussian, where `depth` is that of the innermost `Repeat` in whose block it stands (Li, Nica & Roy 2022).

    In `nn.Repeat(nn.Sequential(nn.ShapedRelu(c_plus, c_minus), nn.Dense(n)), depth)`, with `w_std=1` and no bias, variances are
    kept, and correlations of inputs do not all tend to one however deep the network. There is a limit of infinite depth after
    infinite width (`nnlimits.kernel`), and one of both together (`nnlimits.infinite_depth.covariance_samples`).

    The paper's slopes are `1 + c / sqrt(width)`: its c is the one given here times `sqrt(width / depth)`.

    **Arguments:** `c_plus` and `c_minus`, real numbers, equal for a linear network.
    """

    c_plus: Scalar = real_field("c_plus")
    c_minus: Scalar = real_field("c_minus")

    def at_depth(self, depth: int | float) -> Layer:
        """The activation in a `Repeat` of that depth; of an infinite one, its limit, the identity.

        **Raises:** `ValueError` where both slopes are zero.
        """
        if math.isinf(depth):
            return Identity()
        positive, negative = 1 + self.c_plus / math.sqrt(depth), 1 + self.c_minus / math.sqrt(depth)
        second_moment = (positive**2 + negative**2) / 2
        if not is_traced(second_moment) and not second_moment > 0:
            raise ValueError(f"{self!r} at depth {depth} has two slopes of zero, 1 + c / sqrt(depth); take another c")
        scale = second_moment**-0.5
        return ABRelu(negative * scale, positive * scale)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        raise self._shape_error(
            "stands in no nn.Repeat whose depth it could take. Put it into the block of one, such as "
            "nn.Repeat(nn.Sequential(nn.ShapedRelu(0.0, -1.0), nn.Dense(512)), 64), or use nn.ABRelu"
        )

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        self.output_shape(x.shape[1:])
        return x
