"""Residual blocks."""

from typing import Any

import jax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from nnlimits.nn.errors import located
from nnlimits.nn.identity import Identity
from nnlimits.nn.layer import Layer
from nnlimits.nn.members import as_member


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

    def initialize(self, key: PRNGKeyArray, input_shape: tuple[int, ...], parameterization: str, dtype: Any) -> PyTree:
        """Draw the parameters of both branches."""
        self.output_shape(input_shape)
        body_key, shortcut_key = jax.random.split(key)
        return {
            "body": self.body.initialize(body_key, input_shape, parameterization, dtype),
            "shortcut": self.shortcut.initialize(shortcut_key, input_shape, parameterization, dtype),
        }

    def forward(
        self, params: PyTree, x: Float[Array, "n ..."], key: PRNGKeyArray | None, parameterization: str
    ) -> Float[Array, "n ..."]:
        body_key, shortcut_key = (None, None) if key is None else jax.random.split(key)
        with located("in the body of Residual"):
            body = self.body.forward(params["body"], x, body_key, parameterization)
        with located("in the shortcut of Residual"):
            shortcut = self.shortcut.forward(params["shortcut"], x, shortcut_key, parameterization)
        return shortcut + body
