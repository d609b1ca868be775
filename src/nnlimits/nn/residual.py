"""Residual blocks."""

from typing import Any

import jax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.errors import located
from nnlimits.nn.identity import Identity
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member
from nnlimits.nn.merge import Sum
from nnlimits.nn.parallel import placed_side_by_side
from nnlimits.nn.parameterization import Parameterization


class Residual(Layer):
    """`y = shortcut(x) + body(x)` (He, Zhang, Ren & Sun 2016).

    The parameters are `{"body": ..., "shortcut": ...}`.
    """

    body: Layer
    shortcut: Layer = Identity()

    def __init__(self, body: Any, shortcut: Any = Identity()) -> None:
        self.body = as_member("Residual's body", body)
        self.shortcut = as_member("Residual's shortcut", shortcut)

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        with located("in the body of Residual"):
            body = self.body.output_shape(input_shape)
        with located("in the shortcut of Residual"):
            shortcut = self.shortcut.output_shape(input_shape)
        if body != shortcut:
            raise self._shape_error(
                f"adds its body's output to its shortcut's; for an input {input_shape} these are {body} and "
                f"{shortcut}. "
                "Make them equal, e.g. by a shortcut=nn.Dense of the body's width."
            )
        return body

    def initialize(
        self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: Parameterization, dtype: Any
    ) -> PyTree:
        """Draw the parameters of both branches."""
        self.output_shape(input_shape)
        body_key, shortcut_key = jax.random.split(key)
        (body, at_body), (shortcut, at_shortcut) = self.placed(parameterization)
        return {
            "body": body.initialize(body_key, input_shape, at_body, dtype),
            "shortcut": shortcut.initialize(shortcut_key, input_shape, at_shortcut, dtype),
        }

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: Parameterization
    ) -> Float[Array, "n ..."]:
        body_key, shortcut_key = (None, None) if key is None else jax.random.split(key)
        at_body, at_shortcut = (own for _, own in self.placed(parameterization))
        with located("in the body of Residual"):
            body = self.body.forward(params["body"], x, body_key, at_body)
        with located("in the shortcut of Residual"):
            shortcut = self.shortcut.forward(params["shortcut"], x, shortcut_key, at_shortcut)
        return shortcut + body

    def keeps_width(self) -> bool:
        return self.body.keeps_width() or self.shortcut.keeps_width()

    def placed(self, parameterization: Parameterization) -> tuple[tuple[Layer, Parameterization], ...]:
        return placed_side_by_side((self.body, self.shortcut), Sum(), parameterization)

    def makes_width(self, parameterization: Parameterization) -> bool:
        return any(layer.makes_width(own) for layer, own in self.placed(parameterization))
